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
        self.num_others = q_shape[2] - rows * columns  # tokens that are no patches
        self.offsets = self.add_weight(  # of p_q - p_k in row N - 1 - (p_q - p_k)
            name="offset_embedding",
            shape=(2 * rows * columns - 1, q_shape[-1]),
            initializer=keras.initializers.RandomNormal(stddev=0.02),
        )

    def call(self, q: Tensor) -> Tensor:
        others = self.num_others
        a = self._of_patches(q[:, :, others:], self.parameters())
        return ops.pad(a, ((0, 0), (0, 0), (others, 0), (others, 0)))

    def parameters(self) -> Tensor:
        """Return the keys of all offsets, `(2 N - 1, d)`."""
        return ops.cast(self.offsets, self.compute_dtype)

    def rows(
        self, parameters: Tensor, q: Tensor, first: Any = 0, first_head: Any = 0
    ) -> Tensor:
        """Return the rows of the bias from `first` on.

        Args:
            parameters: what `parameters` returns.
            q: the queries of R rows, `(B, H, R, d)`; those past the last one are
                of no token.
            first: the token of the first row.
            first_head: not read: heads share the keys.

        Returns:
            `(B, H, R, T)`.
        """
        del first_head
        others, count = self.num_others, q.shape[2]
        n = self.grid[0] * self.grid[1]
        # The first patch's row may lie before the block's, and the last one's behind:
        # offsets that there are not are those of rows that are masked.
        r = ops.pad(parameters, ((count, others), (0, 0)))
        last = first + count - 1 - others  # patch of the last row
        r = ops.slice(
            r, (count + n - 1 - last, 0), (n + count - 1, parameters.shape[1])
        )
        a = self._of_patches(q, r)
        row = first + ops.arange(count)
        is_patch = ops.logical_and(row >= others, row < others + n)
        a = ops.where(is_patch[:, None], a, ops.zeros_like(a))
        return ops.pad(a, ((0, 0), (0, 0), (0, 0), (others, 0)))

    def _of_patches(self, q: Tensor, r: Tensor) -> Tensor:
        """Queries of R rows, the keys of their R + N - 1 offsets -> `(B, H, R, N)`."""
        count, n = q.shape[2], self.grid[0] * self.grid[1]
        a = ops.matmul(q, ops.transpose(r))  # B, H, R, R + N - 1
        # Row i holds the offset of p_k in column R - 1 - i + p_k. Read as one
        # line, rows of R + N shift by one a row when cut into rows of R + N - 1:
        # a reshape where a gather would be slow on a TPU.
        a = ops.pad(a, ((0, 0), (0, 0), (0, 0), (0, 1)))
        a = ops.reshape(a, (-1, a.shape[1], count * (count + n)))
        a = a[:, :, count - 1 : -1]
        return ops.reshape(a, (-1, a.shape[1], count, count + n - 1))[..., :n]

    def compute_output_shape(self, q_shape: Shape) -> Shape:
        return (*q_shape[:3], q_shape[2])

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"grid": self.grid}
