"""A model that merges tokens on their way, and the same weights."""

from __future__ import annotations

import keras

from keras_vit.layers import PositionEmbedding, TransformerBlock
from keras_vit.layers.position_embedding import ADDED
from keras_vit.layers.quantized import check_not_quantized
from keras_vit.model_arguments import check_merging, warn_of_merging
from keras_vit.model_source import ModelSource, keras_model, meant_as
from keras_vit.weights.architecture import describe
from keras_vit.weights.construction import pairs, rebuilt


def merge_tokens(model: ModelSource, r: int) -> keras.Model:
    """Return a model that merges tokens on their way, with the weights of this one.

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
        model: a ViT of this package, which is not changed; or the path of a saved
            one: a run's folder or a `.keras` file.
        r: how many tokens each block merges; 0: none, also if the model merges
            some.

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
    source, model = model, keras_model(model)
    check_not_quantized(
        model, "merge_tokens", "merge tokens of the float model, then quantize it."
    )
    architecture = describe(model)
    added = [one.kind for one in model.layers if isinstance(one, PositionEmbedding)]
    kind = added[0] if added else architecture.position_embedding
    place = "every_layer" if added or kind not in ADDED else "input"
    check_merging(r, kind, place)
    if r:
        rows, columns = architecture.grid
        blocks = [one for one in model.layers if isinstance(one, TransformerBlock)]
        warn_of_merging(r, rows * columns, len(blocks))
    new = rebuilt(model, token_merging=r)
    for old, weight in pairs(model, new):
        weight.assign(old)
    return meant_as(source, new)
