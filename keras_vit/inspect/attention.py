"""The attention probabilities inside a model."""

import itertools

import keras
from keras import ops

from keras_vit.inspect.inspector import inspector
from keras_vit.layers import AttentionPooling, TokenMean, TransformerBlock


class NoAttentionError(ValueError):
    """A model has no attention that could be inspected."""


def blocks_of(model):
    """The blocks of a model's encoder, in order, through which every token goes.

    Raises:
        NoAttentionError: if it has none, or if they merge tokens.
    """
    layers = getattr(model, "layers", ())
    blocks = [layer for layer in layers if isinstance(layer, TransformerBlock)]
    if not blocks:
        raise NoAttentionError(
            "Expected a model with the blocks of a ViT, which attend. "
            f"Received: {getattr(model, 'name', model)!r}, which has none"
        )
    if blocks[0].token_merging:
        raise NoAttentionError(
            "Expected a model that every patch goes through to the end. "
            f"Received: {model.name!r}, which merges {blocks[0].token_merging} tokens "
            "in each block. keras_vit.merge_tokens(model, 0) gives one of the same "
            "weights that merges none."
        )
    return blocks


def images_for(model, images):
    """Gives images back if a model takes them; batches to iterate over, as they are.

    Raises:
        ValueError: if the model has no block, or for images of another shape.
    """
    blocks_of(model)
    shape, size = getattr(images, "shape", None), model.input_shape[1:]
    if shape is not None and tuple(shape[1:]) != size:
        height, width, _ = size
        raise ValueError(
            f"Expected images of the model's size, (B, {height}, {width}, 3). "
            f"Received: {tuple(shape)}"
        )
    return images


def pooling_of(model):
    """How a model makes one vector of its tokens: `"token"`, `"gap"` or `"map"`."""
    operations = model.operations
    if any(isinstance(one, AttentionPooling) for one in operations):
        return "map"
    if any(isinstance(one, TokenMean) for one in operations):
        return "gap"
    # `ops.mean` over the tokens of a functional model; there is no layer for it.
    means = [one for one in operations if type(one).__name__ == "Mean"]
    return "gap" if any(len(one.input.shape) == 3 for one in means) else "token"


def attending_layers(model):
    """All that attends on the way to the head: the blocks, then what pools."""
    pools = (one for one in model.layers if isinstance(one, AttentionPooling))
    return [*blocks_of(model), *pools]


def attention_tensors(layers):
    """The attention probabilities of layers that follow each other, symbolically.

    Each layer runs once, and of the last one the attention alone. New nodes
    stand for the layers, so that the model they are of stays what it is.

    Args:
        layers: blocks of a model, and its pooling by attention if wanted.

    Returns:
        One `(B, H, N, N)` tensor a block, of pooling `(B, H, 1, N)`.
    """
    z, attentions = layers[0].input, []
    for layer, following in itertools.pairwise(layers):
        z, a = _OutputAndAttention(layer, name=f"look_at_{layer.name}")(z)
        z = between(layer.output, following.input)(z)
        attentions.append(a)
    last = layers[-1]
    return [*attentions, _Attention(last, name=f"scores_of_{last.name}")(z)]


def between(before, after):
    """What a model does between two of its tensors, as a function."""
    if before is after:
        return lambda z: z
    return keras.Model(before, after)


class _OutputAndAttention(keras.layers.Layer):
    """What a block gives, and how it attends: `(B, N, D)` and `(B, H, N, N)`."""

    def __init__(self, layer, name):
        super().__init__(name=name, dtype=layer.dtype_policy)
        self.layer = layer
        self.built = True

    def call(self, z):
        a = self.layer.scores(z)
        return self.layer.given(z, a), a


class _Attention(_OutputAndAttention):
    """How a layer attends, alone."""

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
        ValueError: if the model has no block, or for images of another shape.

    Example:

    >>> model = keras_vit.ViT_Ti16(num_classes=10, image_size=32)
    >>> maps = attention_maps(model, np.zeros((2, 32, 32, 3)))
    >>> len(maps), maps[0].shape
    (12, (2, 3, 5, 5))
    """
    images = images_for(model, images)
    maps = inspector(model, _maps_model).predict_on_batch(images)
    return maps if isinstance(maps, list) else [maps]  # of one block, Keras unpacks it


def _maps_model(model):
    return keras.Model(model.input, attention_tensors(blocks_of(model)))


class Reading:
    """What pooling reads: of rows that tokens have, those that reach the head.

    B images, N tokens, P patches among them.

    Args:
        model: a ViT of this package.
    """

    def __init__(self, model):
        encoder = model.get_layer("patch_encoder")
        self.grid = encoder.grid
        self.pooling = pooling_of(model)
        self.class_tokens = 2 if encoder.distillation_token else 1

    def patches(self, matrix):
        """(..., M, N), what tokens have of tokens, to (..., M, P), of patches."""
        rows, columns = self.grid
        return matrix[..., -rows * columns :]

    def read(self, matrix, weights=None):
        """`(B, ..., N, N)` to `(B, ..., rows, columns)`, what the head gets.

        Args:
            matrix: what each token has of each token.
            weights: of pooling by attention, `(B, 1, P)`.
        """
        of_patches = self.patches(matrix)
        count = of_patches.shape[-1]
        if self.pooling == "token":
            y = ops.mean(of_patches[..., : self.class_tokens, :], axis=-2)
        elif self.pooling == "gap":
            y = ops.mean(of_patches[..., -count:, :], axis=-2)
        else:
            y = ops.matmul(weights, of_patches[..., -count:, :])[..., 0, :]
        return ops.reshape(y, (-1, *matrix.shape[1:-2], *self.grid))
