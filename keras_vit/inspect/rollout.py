"""Attention rollout: what of the picture reaches the model's answer.

Appendix D.8 of the ViT paper, after Abnar and Zuidema (arXiv:2005.00928).
"""

import keras
from keras import ops

from keras_vit.inspect.attention import (
    attention_tensors,
    blocks_of,
    pooling_of,
    scores_tensor,
)
from keras_vit.layers import AttentionPooling


def rollout(attentions):
    """Multiplies the attention of all blocks, residual connections included.

    With A the mean over heads, each block passes on A' = (A + I) / 2, and all
    of them A'_L ... A'_2 A'_1.

    Args:
        attentions: one `(B, H, N, N)` array a block, the first block first.

    Returns:
        `(B, N, N)`: how much of each token at the encoder's entrance is in
        each token at its end. Rows sum to 1.

    Example:

    >>> identity = np.eye(5)[None, None]
    >>> np.allclose(rollout([identity, identity]), identity[0])
    True
    """
    joint = None
    for attention in attentions:
        a = ops.mean(attention, axis=1)
        a = (a + ops.eye(a.shape[-1], dtype=a.dtype)) / 2
        joint = a if joint is None else ops.matmul(a, joint)
    return joint


def rollout_model(model):
    """Gives the model of images `(B, H, W, 3)` to maps `(B, rows, columns)`.

    Raises:
        ValueError: if the model has no block.
    """
    blocks_of(model)
    read = _Rollout(
        model.get_layer("patch_encoder").grid,
        pooling_of(model),
        model.get_layer("patch_encoder").distillation_token,
        name="attention_rollout",
    )
    attentions = attention_tensors(model)
    if read.pooling == "map":
        pools = (one for one in model.layers if isinstance(one, AttentionPooling))
        attentions.append(scores_tensor(next(pools)))
    return keras.Model(model.input, read(attentions))


class _Rollout(keras.layers.Layer):
    """One node of a functional model for all that follows the attentions.

    The operations in it would get names that Keras counts anew in each
    process, and that a model from a file may have already.
    """

    def __init__(self, grid, pooling, distilled, name):
        super().__init__(name=name, dtype="float32")
        self.grid, self.pooling, self.distilled = grid, pooling, distilled
        self.built = True

    def call(self, attentions):
        rows, columns = self.grid
        weights = None
        if self.pooling == "map":
            *attentions, weights = attentions
        joint = rollout(attentions)
        patches = joint[:, :, -rows * columns :]
        others = joint.shape[-1] - rows * columns
        read = self._read_by_head(patches, others, weights)
        return ops.reshape(read, (-1, rows, columns))

    def _read_by_head(self, patches, others, weights):
        """The rows of `patches` (B, N, P) that pooling reads, as one: (B, P)."""
        if self.pooling == "token":
            return ops.mean(patches[:, : 2 if self.distilled else 1], axis=1)
        if self.pooling == "gap":
            return ops.mean(patches[:, others:], axis=1)
        weights = ops.mean(weights, axis=1)  # B, 1, P
        return ops.matmul(weights, patches[:, others:])[:, 0]


def attention_rollout(model, images):
    """Gives a map over each image of what reaches the model's answer.

    What is read of the encoder's output follows from the model's pooling: of
    `"token"` the class token (with a distillation token, the mean of both),
    of `"gap"` the mean of the patches, of `"map"` the patches as the pooling's
    own attention weighs them.

    Args:
        model: a ViT of this package.
        images: `(B, height, width, 3)`, pixels in [0, 255].

    Returns:
        `(B, rows, columns)` over the grid of patches, of a hybrid over that of
        its feature map: each patch's share. What is missing to a sum of 1
        comes from tokens that are no patches.

    Raises:
        ValueError: if the model has no block.

    Example:

    >>> model = keras_vit.ViT_Ti16(num_classes=10, image_size=(32, 48))
    >>> attention_rollout(model, np.zeros((2, 32, 48, 3))).shape
    (2, 2, 3)
    """
    return rollout_model(model).predict_on_batch(images)
