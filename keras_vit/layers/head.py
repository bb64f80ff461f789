"""The last layer: from features to logits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras

from keras_vit.class_names import checked_names
from keras_vit.layers.outputs import PROBABILITIES as PROBABILITIES
from keras_vit.layers.outputs import checked_probabilities


@keras.saving.register_keras_serializable(package="keras_vit")
class Head(keras.layers.Dense):
    """The classifier: one linear layer, zero until it is trained (section 3.2).

    It also keeps what its logits mean: what makes probabilities of them, and the
    names of their classes. Prediction, evaluation and exports read both, and
    saved models keep them.

    Args:
        units: K, the classes.
        probabilities: `"softmax"` for images of one class each, `"sigmoid"`
            where an image can have several, or none.
        class_names: K names in the order of the logits; `None`: unknown.

    Input shape: `(B, D)`.
    Output shape: `(B, K)`.

    Example:

    >>> Head(10, probabilities="sigmoid").probabilities
    'sigmoid'

    Raises:
        ValueError: for other probabilities, or another number of names.
    """

    class_names: tuple[str, ...] | None
    probabilities: str

    def __init__(
        self,
        units: int,
        probabilities: str = "softmax",
        *,
        class_names: Sequence[str] | None = None,
        **kwargs: Any,
    ) -> None:
        options: dict[str, Any] = {"kernel_initializer": "zeros"} | kwargs
        super().__init__(units, **options)
        self.probabilities = checked_probabilities(probabilities)
        self.class_names = checked_names(class_names, units)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {
            "probabilities": self.probabilities,
            "class_names": self.class_names and list(self.class_names),
        }


def heads_of(model: Any) -> list[Head]:
    """Return the heads of a model; of one from elsewhere, or an exported one, none."""
    return [layer for layer in getattr(model, "layers", ()) if isinstance(layer, Head)]
