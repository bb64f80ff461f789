"""Groups of heads and blocks of their rows, one after the other, on TensorFlow."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Self

from keras_vit.layers.tensors import Tensor, ops


@dataclass(frozen=True)
class AttentionBlocks:
    """Groups of heads of one image, and blocks of the rows of a group.

    Attributes:
        heads: g, of a group.
        groups: of an image, H / g.
        rows: R, of a block; the last one is filled up with zeros.
        blocks: of a group.
        num_rows: M, without the zeros.
    """

    heads: int
    groups: int
    rows: int
    blocks: int
    num_rows: int

    @classmethod
    def of(
        cls, q: Tensor, k: Tensor, block_bytes: int, *, whole_images: bool = False
    ) -> Self:
        """Return blocks of probabilities in float32 that take so many bytes or less.

        Args:
            q: queries, `(B, H, M, d)`.
            k: keys, `(B, H, N, d)`.
            block_bytes: of a block.
            whole_images: whether all heads of an image are one group, and not only
                where all of their probabilities fit into a block.
        """
        num_heads, num_rows, num_tokens = q.shape[1], q.shape[2], k.shape[2]
        of_head = num_rows * num_tokens * 4
        together = whole_images or num_heads * of_head <= block_bytes
        heads = num_heads if together else 1
        blocks = -(-heads * of_head // block_bytes)
        rows = -(-num_rows // blocks)
        return cls(heads, num_heads // heads, rows, -(-num_rows // rows), num_rows)

    def into_groups(self, x: Tensor) -> Tensor:
        """Reshape (B, H, N, d) to (B H / g, g, N, d)."""
        return ops.reshape(x, (-1, self.heads, *x.shape[2:]))

    def from_groups(self, x: Tensor) -> Tensor:
        """Reshape (B H / g, g, N, d) to (B, H, N, d)."""
        return ops.reshape(x, (-1, self.heads * self.groups, *x.shape[2:]))

    def into_blocks(self, x: Tensor) -> Tensor:
        """Reshape (B, H, M, d) to (B H / g, blocks, g, R, d), filled up with zeros."""
        x = ops.pad(
            self.into_groups(x),
            ((0, 0), (0, 0), (0, self.blocks * self.rows - self.num_rows), (0, 0)),
        )
        x = ops.reshape(x, (-1, self.heads, self.blocks, self.rows, x.shape[-1]))
        return ops.transpose(x, (0, 2, 1, 3, 4))

    def from_blocks(self, x: Tensor) -> Tensor:
        """Undo `into_blocks`; blocks may lie one after the other."""
        width = x.shape[-1]
        x = ops.reshape(x, (-1, self.blocks, self.heads, self.rows, width))
        x = ops.transpose(x, (0, 2, 1, 3, 4))
        x = ops.reshape(x, (-1, self.heads, self.blocks * self.rows, width))
        return self.from_groups(x[:, :, : self.num_rows])


def loop(
    count: Any,
    body: Callable[..., tuple[Sequence[Tensor], Sequence[Tensor]]],
    dtypes: Sequence[Any],
    carried: Sequence[Tensor] = (),
) -> tuple[list[Tensor], list[Tensor]]:
    """Call `body(i, *carried)` for one i after the other.

    Args:
        count: how many times.
        body: returns outputs, of the same shapes each time, and what is carried on.
        dtypes: of the outputs.
        carried: what the first call is given.

    Returns:
        The outputs, stacked, and what the last call carries.
    """
    import tensorflow as tf

    def step(i, arrays, carried):
        outputs, carried = body(i, *carried)
        arrays = [a.write(i, one) for a, one in zip(arrays, outputs, strict=True)]
        return i + 1, arrays, list(carried)

    _, arrays, carried = tf.while_loop(
        lambda i, *_: i < count,
        step,
        (
            tf.constant(0),
            [tf.TensorArray(dtype, count) for dtype in dtypes],
            list(carried),
        ),
        parallel_iterations=1,
        maximum_iterations=count,
    )
    return [array.stack() for array in arrays], list(carried)
