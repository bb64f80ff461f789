"""Positions inside attention: a key for each offset between two patches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras

from keras_vit.layers.tensors import Shape, Tensor, ops


@keras.saving.register_keras_serializable(package="keras_vit")
class RelativePositions(keras.layers.Layer):
    """What queries say to the offsets of all patches: a bias of attention's logits.

    One-dimensional relative attention, appendix D.4 of the ViT paper
    (arXiv:2010.11929): patches are counted row by row, and each offset
    `p_q - p_k` between a query's patch and a key's has a learned key of its
    own, `r`, that all heads share (arXiv:1803.02155). The bias is `q . r`.

    Of pairs in which a token is no patch (class and distillation token,
    registers) there is no offset, and the bias is 0. Where a head reads the
    class token alone, offsets thus play no part in the last block.

    B images, H heads, T tokens, the last N of which are patches, d features
    of a head.

    Args:
        grid: (h, w), the rows and columns of patches; N = h w.

    Input shape: `(B, H, T, d)`, the queries, scaled as attention scales them.
    Output shape: `(B, H, T, T)`.

    Example:

    >>> RelativePositions(grid=(14, 14))(keras.KerasTensor((2, 3, 197, 64))).shape
    (2, 3, 197, 197)
    """

    def __init__(self, grid: Sequence[int], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.grid = tuple(grid)

    def build(self, q_shape: Shape) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        rows, columns = self.grid
        self.offsets = self.add_weight(  # of p_q - p_k in row N - 1 - (p_q - p_k)
            name="offset_embedding",
            shape=(2 * rows * columns - 1, q_shape[-1]),
            initializer=keras.initializers.RandomNormal(stddev=0.02),
        )

    def call(self, q: Tensor) -> Tensor:
        n = self.grid[0] * self.grid[1]
        others = q.shape[2] - n
        r = ops.cast(self.offsets, q.dtype)
        a = ops.matmul(q[:, :, others:], ops.transpose(r))  # B, H, N, 2N - 1
        # Row p_q holds the offset of p_k in column N - 1 - p_q + p_k. Read as
        # one line, rows of 2N shift by one a row when cut into rows of 2N - 1:
        # a reshape where a gather would be slow on a TPU.
        a = ops.pad(a, ((0, 0), (0, 0), (0, 0), (0, 1)))
        a = ops.reshape(a, (-1, a.shape[1], 2 * n * n))[:, :, n - 1 : -1]
        a = ops.reshape(a, (-1, a.shape[1], n, 2 * n - 1))[..., :n]
        return ops.pad(a, ((0, 0), (0, 0), (others, 0), (others, 0)))

    def compute_output_shape(self, q_shape: Shape) -> Shape:
        return (*q_shape[:3], q_shape[2])

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"grid": self.grid}
