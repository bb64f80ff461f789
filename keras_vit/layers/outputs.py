"""The last layers of models keep what their outputs mean."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from typing import Any

import keras

from keras_vit.class_names import check_lines, few
from keras_vit.layers.tensors import Shape

NO_ORDER = (str, bytes, Set, Mapping)  # what no order of outputs can be read from
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


def checked_names(
    class_names: Sequence[str] | None, units: int
) -> tuple[str, ...] | None:
    """Return the names of a layer's classes, if they are as many as its outputs.

    Args:
        class_names: in the order of the outputs; `None`: unknown.
        units: the outputs. One output stands for two classes: that the class
            of its name does not apply, and that it does. Their names may be
            given as one.

    Raises:
        ValueError: if the number of names differs, or for a name that is not one
            line of text.

    Example:

    >>> checked_names(["cat"], 1), checked_names(["cup", "pan"], 2)
    (('not cat', 'cat'), ('cup', 'pan'))
    """
    if class_names is None:
        return None
    if isinstance(class_names, NO_ORDER):
        raise ValueError(
            "class_names must be a sequence of names, in the order of the outputs: a "
            f"list or a tuple. Received: {type(class_names).__name__} {class_names!r}"
        )
    names = tuple(class_names)
    wrong = [name for name in names if name is None or isinstance(name, bytes)]
    if wrong:
        raise ValueError(
            f"class_names must be text. Received: {few(map(repr, wrong))}. "
            "Decode bytes: name.decode()"
        )
    names = tuple(str(name) for name in names)
    if units == 1 and len(names) == 1:
        names = (f"not {names[0]}", names[0])
    if len(names) != max(units, 2):
        expected = "1 or 2" if units == 1 else units
        raise ValueError(
            f"Expected {expected} class names, in the order of the model's {units} "
            f"outputs. Received: {len(names)} names"
        )
    check_lines(names)
    return names


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
