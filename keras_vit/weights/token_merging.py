"""A model that merges tokens on their way, and the same weights."""

import keras

from keras_vit.layers import PositionEmbedding, TokenMean
from keras_vit.layers.position_embedding import ADDED
from keras_vit.layers.quantized import check_not_quantized
from keras_vit.model_arguments import check_merging, warn_of_merging
from keras_vit.weights.architecture import describe
from keras_vit.weights.rebuild import pairs, rebuilt

READ_SIZES = ("TransformerBlock", "AttentionPooling", "TokenMean")


def merge_tokens(model, r):
    """Gives a model that merges tokens on their way, with the weights of this one.

    "Token Merging: Your ViT But Faster" (arXiv:2210.09461). In each block,
    between attention and MLP, the r patches whose keys are most like those of
    others are merged into them: the mean, each weighed by how many patches it
    stands for. Attention and pooling count tokens by the same number. Class
    and distillation token and registers stay as they are, and no block merges
    more than half of the patches that are left to it.

    Nothing needs to be trained. With r the model gets faster, and its answers
    move away from those of the model that is given: the paper goes up to 16 of
    196 patches. Measure on your own data what that costs.

    Args:
        model: a ViT of this package, also one that was trained and saved. It
            is left as it is.
        r: tokens fewer after each block; 0: none, also where the model that
            is given merges some.

    Returns:
        A new `keras.Model`, which can be trained, saved and exported.

    Warns:
        UserWarning: with the number of patches that are left, where r in every
            block is more than there are.

    Raises:
        ValueError: for a model that is no ViT of this package, or whose
            positions are inside attention or added before every block, for an
            r below 0, or for a model that Keras has quantized.

    Example:

    >>> model = keras_vit.ViT_Ti16(num_classes=10, image_size=64)
    >>> tokens, sizes = merge_tokens(model, 1).get_layer("block_00").output
    >>> model.get_layer("block_00").output.shape, tokens.shape
    ((None, 17, 192), (None, 16, 192))
    """
    check_not_quantized(
        model, "merge_tokens", "merge tokens of the float model, then quantize it."
    )
    told = describe(model)
    added = [one.kind for one in model.layers if isinstance(one, PositionEmbedding)]
    kind = added[0] if added else told.position_embedding
    place = "every_layer" if added or kind not in ADDED else "input"
    check_merging(r, kind, place)
    merging = {"token_merging": r, "num_protected": 0}
    if r:
        rows, columns = told.grid
        blocks = [one for one in model.layers if type(one).__name__ == READ_SIZES[0]]
        warn_of_merging(r, rows * columns, len(blocks))
        merging["num_protected"] = told.num_first_tokens + told.num_registers
    new = rebuilt(model, model.input_shape, lambda layers: _write(layers, merging))
    for old, weight in pairs(model, new):
        weight.assign(old)
    return new


def _write(layers, merging):
    """Writes into the configs of a model's layers, in their order, what they merge."""
    sizes, dtype = (), None  # what the block before gives besides tokens; its policy
    for layer in layers:
        if sizes and _is_mean_of_tokens(layer):
            mean = keras.saving.serialize_keras_object(TokenMean(name=layer["name"]))
            layer.update(mean)
            layer["config"]["dtype"] = dtype
        if layer["class_name"] in READ_SIZES:
            (node,) = layer["inbound_nodes"]
            node["args"] = node["args"][0], *sizes
        if layer["class_name"] == "TransformerBlock":
            layer["config"].update(merging)
            dtype = layer["config"]["dtype"]
            sizes = (_sizes(layer["name"]),) if merging["token_merging"] else ()


def _sizes(block):
    """The second output of a block, as configs write it."""
    tensor = {"shape": (None, None), "dtype": "int32", "keras_history": (block, 0, 1)}
    return {"class_name": "__keras_tensor__", "config": tensor}


def _is_mean_of_tokens(layer):
    """Whether that is what pools by `"gap"` where no tokens are merged."""
    if layer["class_name"] != "Mean":
        return False
    (node,) = layer["inbound_nodes"]
    return len(node["args"][0]["config"]["shape"]) == 3
