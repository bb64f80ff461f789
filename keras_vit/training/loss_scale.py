"""The factor of the loss that keeps gradients within the range of float16."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import tensorflow

if TYPE_CHECKING:
    import keras

tf: Any = tensorflow  # whose stubs lack what is used here

FIRST = 2.0**15
GROWS_AFTER = 2000  # steps
LARGEST = 2.0**24  # half of infinity would be infinity again


class LossScale:
    """A factor that doubles after 2,000 good steps and halves after an overflow.

    As in "Mixed Precision Training" (arXiv:1710.03740), with the numbers of Keras's
    `LossScaleOptimizer`. Gradients of float16 below 6e-8 are 0 and above 65,504
    infinite; those of the loss times this factor are neither. A step whose gradient
    overflows is skipped: it changes no weight. At a factor of 1 an overflow is no
    fault of the factor, and is an error as in other precisions. It grows to
    2^24 at most.

    Create it under the strategy's scope. Every replica makes the same decision, by
    the gradient that is summed over all of them.

    Attributes:
        factor: of the loss.
        good: steps since the factor last changed.
        skipped: steps that have been skipped.
    """

    def __init__(self) -> None:
        self.factor = tf.Variable(FIRST, trainable=False)
        self.good = tf.Variable(0, trainable=False, dtype=tf.int64)
        self.skipped = tf.Variable(0, trainable=False, dtype=tf.int64)

    def variables(self) -> dict[str, Any]:
        """Return what is kept, `{name: variable}`."""
        return {"factor": self.factor, "good": self.good, "skipped": self.skipped}

    def unscaled(self, gradients: Sequence[Any]) -> list[Any]:
        """Return the gradients of the loss, by those of the scaled loss."""
        return [gradient / self.factor for gradient in gradients]

    def overflows(self, numbers: Any, norm: Any) -> Any:
        """Return whether a smaller factor may make the gradient finite.

        Args:
            numbers: loss and the like, which do not depend on the factor.
            norm: of the gradient.
        """
        finite = tf.reduce_all(tf.math.is_finite(numbers))
        return finite & ~tf.math.is_finite(norm) & (self.factor > 1)

    def adapt(self, updated: Any, skipped: Any) -> None:
        """Count a step, and change the factor where it is time to."""
        good = self.good + tf.cast(updated, "int64")
        due = updated & (good == GROWS_AFTER)
        grows = due & (self.factor < LARGEST)
        doubled = tf.where(grows, 2 * self.factor, self.factor)
        self.factor.assign(tf.where(skipped, self.factor / 2, doubled))
        self.good.assign(tf.where(due | skipped, tf.zeros_like(good), good))
        self.skipped.assign_add(tf.cast(skipped, "int64"))


def computes_in_float16(model: keras.Model) -> bool:
    """Return whether a layer of the model, at any depth, computes in float16."""
    return any(layer.compute_dtype == "float16" for layer in layers_within(model))


def layers_within(model: Any) -> Iterator[Any]:
    """Yield the layers of a model, and those of models in it."""
    for layer in model.layers:
        yield layer
        if hasattr(layer, "layers"):
            yield from layers_within(layer)
