"""The attention probabilities inside a model."""

import keras

from keras_vit.layers import AttentionPooling, TransformerBlock


def blocks_of(model):
    """The blocks of a model's encoder, in order.

    Raises:
        ValueError: if it has none.
    """
    layers = getattr(model, "layers", ())
    blocks = [layer for layer in layers if isinstance(layer, TransformerBlock)]
    if not blocks:
        raise ValueError(
            "Expected a model with the blocks of a ViT, which attend. "
            f"Received: {getattr(model, 'name', model)!r}, which has none"
        )
    return blocks


def pooling_of(model):
    """How a model makes one vector of its tokens: `"token"`, `"gap"` or `"map"`."""
    operations = model.operations
    if any(isinstance(one, AttentionPooling) for one in operations):
        return "map"
    # `ops.mean` over the tokens of a functional model; there is no layer for it.
    means = [one for one in operations if type(one).__name__ == "Mean"]
    return "gap" if any(len(one.input.shape) == 3 for one in means) else "token"


def attention_tensors(model):
    """The attention probabilities of a functional model, as its symbolic tensors.

    Returns:
        A list with one `(B, H, N, N)` tensor a block.
    """
    return [scores_tensor(block) for block in blocks_of(model)]


def scores_tensor(layer):
    """What a block, or a pooling by attention, pays to its input, symbolically."""
    return _Scores(layer, name=f"scores_of_{layer.name}")(layer.input)


class _Scores(keras.layers.Layer):
    """One node of a functional model for all that `scores` of a layer does."""

    def __init__(self, layer, name):
        super().__init__(name=name, dtype=layer.dtype_policy)
        self.layer = layer
        self.built = True

    def call(self, z):
        return self.layer.scores(z)


def attention_maps(model, images):
    """Gives the attention probabilities of every block: Eq. 6 of the ViT paper.

    The model itself is neither rebuilt nor slowed.

    B images, H heads, N tokens: class token, distillation token and registers,
    as far as there are any, then the patches by rows.

    Args:
        model: a ViT of this package.
        images: `(B, height, width, 3)`, pixels in [0, 255].

    Returns:
        A list with one array `(B, H, N, N)` a block; row i says how much of
        each token token i reads, and sums to 1.

    Raises:
        ValueError: if the model has no block.

    Example:

    >>> model = keras_vit.ViT_Ti16(num_classes=10, image_size=32)
    >>> maps = attention_maps(model, np.zeros((2, 32, 32, 3)))
    >>> len(maps), maps[0].shape
    (12, (2, 3, 5, 5))
    """
    maps = keras.Model(model.input, attention_tensors(model)).predict_on_batch(images)
    return maps if isinstance(maps, list) else [maps]  # of one block, Keras unpacks it
