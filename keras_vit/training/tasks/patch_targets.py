"""What is predicted of a corrupted patch: the three targets of appendix B.1.2.

B images, M patches of each, p x q pixels a patch. Cells are the patches' pixels
in [0, 255], `(B, M, p, q, 3)`. Each target has the number of outputs of the model
for a patch, and judges them: the losses and the share of correct predictions of each
image, `(B,)`, over its M patches and no others.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import tensorflow as tf

LEVELS = 8  # 3 bits a channel
COLORS = LEVELS**3


def colors_of(cells: Any, side: int = 1) -> Any:
    """Return the mean colours of a patch's parts, each in 3 bits a channel.

    A channel's level is `floor(8 mean / 256)`, the colour's number
    `64 red + 8 green + blue`.

    Args:
        cells: `(B, M, p, q, 3)`.
        side: into how many parts a patch is cut down and across.

    Returns:
        int32 in [0, 512), `(B, M, side * side)`.

    Example:

    >>> colors_of(tf.constant([255.0, 0, 32], shape=(1, 1, 1, 1, 3))).numpy()
    array([[[449]]], dtype=int32)
    """
    _, count, rows, columns, _ = cells.shape
    shape = (-1, count, side, rows // side, side, columns // side, 3)
    means = tf.reduce_mean(tf.reshape(cells, shape), axis=(3, 5))
    levels = tf.clip_by_value(tf.floor(means * (LEVELS / 256)), 0, LEVELS - 1)
    numbers = tf.tensordot(levels, [LEVELS**2 * 1.0, LEVELS * 1.0, 1.0], 1)
    return tf.cast(tf.reshape(numbers, (-1, count, side * side)), tf.int32)


@dataclass(frozen=True)
class Colors:
    """The mean colours of `side` x `side` parts, by cross-entropy: 512 classes each.

    The loss is the mean over all parts of all patches.
    """

    side: int

    def outputs(self, rows: int, columns: int) -> int:
        """Return how many outputs the model has for a patch of so many pixels.

        Raises:
            ValueError: if it cannot be cut so.
        """
        if rows % self.side or columns % self.side:
            raise ValueError(
                f"This target needs patches that can be cut into {self.side} x "
                f"{self.side} parts. Received: patches of {rows} x {columns} pixels"
            )
        return self.side**2 * COLORS

    def judge(self, predictions: Any, cells: Any) -> tuple[Any, Any]:
        """Return losses and shares of correct predictions of `(B, M, outputs)`."""
        colors = colors_of(cells, self.side)
        logits = tf.reshape(predictions, (-1, *colors.shape[1:], COLORS))
        losses = tf.nn.sparse_softmax_cross_entropy_with_logits(colors, logits)
        correct = tf.argmax(logits, axis=-1, output_type=tf.int32) == colors
        return _of_images(losses), _of_images(correct)


@dataclass(frozen=True)
class Pixels:
    """All pixels, in [-1, 1], by the mean of squared differences (L2).

    A prediction is correct if its mean colour, in 3 bits a channel, is.
    """

    def outputs(self, rows: int, columns: int) -> int:
        """Return how many outputs the model has for a patch of so many pixels."""
        return rows * columns * 3

    def judge(self, predictions: Any, cells: Any) -> tuple[Any, Any]:
        """Return losses and shares of correct predictions of `(B, M, outputs)`."""
        pixels = tf.reshape(predictions, (-1, *cells.shape[1:]))
        losses = tf.math.squared_difference(pixels, cells / 127.5 - 1)
        correct = colors_of((pixels + 1) * 127.5) == colors_of(cells)
        return _of_images(losses), _of_images(correct)


# In the paper's order. The authors chose the first, which was as good as
# the second; the third was slightly worse.
TARGETS = {"mean_color": Colors(1), "colors_4x4": Colors(4), "pixels": Pixels()}


def _of_images(values: Any) -> Any:
    """Return the mean of `(B, ...)` over all axes but the first."""
    values = tf.cast(values, tf.float32)
    return tf.reduce_mean(values, axis=list(range(1, len(values.shape))))
