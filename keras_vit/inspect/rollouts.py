"""Attention rollout: what of the picture reaches the model's answer.

Appendix D.8 of the ViT paper, after Abnar and Zuidema (arXiv:2005.00928).
"""

import keras
from keras import ops

from keras_vit.inspect.attention import (
    Reading,
    attending_layers,
    attention_tensors,
    blocks_of,
    images_for,
)
from keras_vit.inspect.inspector import inspector

FUSIONS = {"mean": ops.mean, "max": ops.max, "min": ops.min}


def rollout(attentions, fusion="mean", discard=0.0, residual=True):
    """Multiplies the attention of all blocks, residual connections included.

    With A the heads' attention fused, each block passes on A' = A + I, its
    rows divided by their sums, and all of them A'_L ... A'_2 A'_1: the form of
    Abnar and Zuidema (arXiv:2005.00928, section 3). The ViT paper (appendix
    D.8) averages the heads and multiplies the blocks, and does not speak of
    the residual: that is `residual=False`, A' = A.

    B images, H heads, N tokens.

    Args:
        attentions: one `(B, H, N, N)` array a block, the first block first.
        fusion: of the heads: `"mean"`, `"max"` or `"min"`.
        discard: the share, in [0, 1), of each image's N x N entries of A that
            are set to 0 in each block, the smallest, before the residual.
            Entries as large as the smallest that stays, stay.
        residual: whether I is added.

    Returns:
        `(B, N, N)`: how much of each token at the encoder's entrance is in
        each token at its end. Rows sum to 1; without the residual, one of
        which all was discarded to 0.

    Raises:
        ValueError: for another fusion, or a share outside [0, 1).

    Example:

    >>> identity = np.eye(5)[None, None]
    >>> np.allclose(rollout([identity, identity]), identity[0])
    True
    """
    check_choices(fusion, discard)
    joint = None
    for attention in attentions:
        a = FUSIONS[fusion](attention, axis=1)
        if discard:
            a = _without_smallest(a, discard)
        if residual:
            a = a + ops.eye(a.shape[-1], dtype=a.dtype)
        a = a / ops.maximum(ops.sum(a, axis=-1, keepdims=True), 1e-30)
        joint = a if joint is None else ops.matmul(a, joint)
    return joint


def check_choices(fusion, discard):
    """Raises ValueError for what `rollout` cannot do."""
    if fusion not in FUSIONS:
        raise ValueError(
            f"fusion must be one of {', '.join(FUSIONS)}. Received: fusion={fusion!r}"
        )
    if not 0 <= discard < 1:
        raise ValueError(
            "discard must be a share of the attention, at least 0 and less than 1. "
            f"Received: discard={discard!r}"
        )


def _without_smallest(a, share):
    """`(B, N, N)` with that share of each image's entries, the smallest, 0."""
    entries = a.shape[-2] * a.shape[-1]
    ordered = ops.sort(ops.reshape(a, (-1, entries)), axis=-1)
    least = ordered[:, int(share * entries), None, None]  # of those that stay
    return ops.where(a < least, ops.zeros_like(a), a)


def rollout_model(model, fusion="mean", discard=0.0, residual=True):
    """Gives the model of images `(B, H, W, 3)` to maps `(B, rows, columns)`.

    See `attention_rollout`.
    """
    read = _Rollout(model, (fusion, discard, residual), name="attention_rollout")
    return keras.Model(model.input, read(attention_tensors(attending_layers(model))))


class _Rollout(keras.layers.Layer):
    """One node of a functional model for all that follows the attentions.

    The operations in it would get names that Keras counts anew in each
    process, and that a model from a file may have already.
    """

    def __init__(self, model, choices, name):
        super().__init__(name=name, dtype="float32")
        self.blocks, self.reading = len(blocks_of(model)), Reading(model)
        self.choices = choices
        self.built = True

    def call(self, attentions):
        joint = rollout(attentions[: self.blocks], *self.choices)
        weights = [ops.mean(one, axis=1) for one in attentions[self.blocks :]]
        return self.reading.read(joint, *weights)


def attention_rollout(model, images, fusion="mean", discard=0.0, residual=True):
    """Gives a map over each image of what reaches the model's answer.

    What is read of the encoder's output follows from the model's pooling: of
    `"token"` the class token (with a distillation token, the mean of both),
    of `"gap"` the mean of the patches, of `"map"` the patches as the pooling's
    own attention weighs them, in the mean over its heads.

    Args:
        model: a ViT of this package.
        images: `(B, height, width, 3)`, pixels in [0, 255].
        fusion: of the heads: `"mean"`, `"max"` or `"min"`; see `rollout`.
        discard: the share of attention to discard, in [0, 1); see `rollout`.
        residual: whether residual connections count; see `rollout`.

    Returns:
        `(B, rows, columns)` over the grid of patches, of a hybrid over that of
        its feature map: each patch's share. What is missing to a sum of 1
        comes from tokens that are no patches.

    Raises:
        ValueError: if the model has no block, for images of another shape,
            another fusion, or a share outside [0, 1).

    Example:

    >>> model = keras_vit.ViT_Ti16(num_classes=10, image_size=(32, 48))
    >>> attention_rollout(model, np.zeros((2, 32, 48, 3))).shape
    (2, 2, 3)
    """
    check_choices(fusion, discard)
    images = images_for(model, images)
    looking = inspector(model, rollout_model, fusion, discard, residual)
    return looking.predict_on_batch(images)
