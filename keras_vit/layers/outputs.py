"""The last layers of models keep what their outputs mean."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras

from keras_vit.class_names import checked_names
from keras_vit.layers.tensors import Shape

PROBABILITIES = {"softmax": keras.ops.softmax, "sigmoid": keras.ops.sigmoid}


def checked_probabilities(probabilities: str) -> str:
    """Return what makes probabilities of logits, if it is a key of `PROBABILITIES`.

    Raises:
        ValueError: for anything else.
    """
    if probabilities not in PROBABILITIES:
        raise ValueError(
            f"probabilities must be one of {', '.join(PROBABILITIES)}. "
            f"Received: probabilities={probabilities!r}"
        )
    return probabilities


@keras.saving.register_keras_serializable(package="keras_vit")
class Outputs(keras.layers.Identity):
    """The outputs of a model as they are, and what they mean.

    A model from elsewhere ends in it once it has been saved with the names of
    its classes (see `keras_vit.model_files.save_model`).

    Args:
        class_names: in the order of the outputs; `None`: unknown.
        probabilities: what makes probabilities of the outputs if they are
            logits, as in `Head`.

    Input shape: `(B, K)`.
    Output shape: that of the input.

    Raises:
        ValueError: for other probabilities, or names that are not as many as
            the outputs.

    Example:

    >>> layer = Outputs(("cat", "dog"))
    >>> layer(keras.KerasTensor((4, 2))).shape, layer.class_names
    ((4, 2), ('cat', 'dog'))
    """

    class_names: tuple[str, ...] | None
    probabilities: str

    def __init__(
        self,
        class_names: Sequence[str] | None = None,
        probabilities: str = "softmax",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.probabilities = checked_probabilities(probabilities)
        self.class_names = None if class_names is None else tuple(class_names)

    def build(self, input_shape: Shape) -> None:
        self.class_names = checked_names(self.class_names, input_shape[-1])
        self.built = True

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {
            "class_names": self.class_names and list(self.class_names),
            "probabilities": self.probabilities,
        }
