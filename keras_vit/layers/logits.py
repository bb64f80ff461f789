"""Outputs of any classifier -> logits of two classes or more."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras

from keras_vit.class_names import checked_names
from keras_vit.layers.outputs import PROBABILITIES
from keras_vit.layers.tensors import Shape, ops

ACTIVATIONS = ("linear", "before_softmax", *PROBABILITIES)
# The smallest numbers that a precision can say: below them, a probability is zero.
SMALLEST = {"float16": 2.0**-24}
SMALLEST_FLOAT32 = 2.0**-126
STEP_BELOW_ONE = 2.0**-24  # of float32, so that 1 - p is no less


@keras.saving.register_keras_serializable(package="keras_vit")
class Logits(keras.layers.Layer):
    """Outputs of any meaning as float32 logits, one for each class.

    Probabilities p by softmax become log p, whose softmax is p again. Those by
    sigmoid become log p - log(1 - p), whose sigmoid is p again. A single
    output is that of a binary classifier: a logit z of its class becomes
    -z/2 and z/2, whose softmax is 1 - sigmoid(z) and sigmoid(z): the class
    does not apply, or applies.

    Args:
        activation: what the outputs went through: `"linear"`, `"softmax"` or
            `"sigmoid"`; `"before_softmax"`: they are what a softmax is of, whose
            logarithm is taken in one step.
        probabilities: what becomes of the logits, as in `Head`. Two logits
            that are made of one always go through softmax.
        temperature: what the logits are divided by.
        class_names: in the order of the logits; `None`: unknown.

    Input shape: `(B, K)`.
    Output shape: `(B, K)`; of one output, `(B, 2)`.

    Example:

    >>> z = Logits(activation="sigmoid")(np.array([[0.75]], "float32"))
    >>> np.array(keras.ops.softmax(z)).round(2)
    array([[0.25, 0.75]], dtype=float32)

    Raises:
        ValueError: for an unknown activation, a softmax of one output, or
            another number of names than of logits.
    """

    class_names: tuple[str, ...] | None
    probabilities: str

    def __init__(
        self,
        activation: str = "linear",
        probabilities: str = "softmax",
        temperature: float = 1.0,
        *,
        class_names: Sequence[str] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**({"dtype": "float32", "autocast": False} | kwargs))
        for name, value, choices in (
            ("activation", activation, ACTIVATIONS),
            ("probabilities", probabilities, tuple(PROBABILITIES)),
        ):
            if value not in choices:
                raise ValueError(
                    f"{name} must be one of {', '.join(choices)}. "
                    f"Received: {name}={value!r}"
                )
        self.activation, self.probabilities = activation, probabilities
        self.temperature = temperature
        self.class_names = None if class_names is None else tuple(class_names)
        self.binary = False  # until it is built of one output

    @property
    def of_softmax(self) -> bool:
        """Whether the logits are the logarithms of a softmax."""
        return self.activation in ("softmax", "before_softmax")

    def build(self, input_shape: Shape) -> None:
        self.binary = input_shape[-1] == 1
        if self.binary and self.of_softmax:
            raise ValueError(
                "A softmax of one output is 1 whatever the image shows. Expected two "
                "outputs or more, or one with a sigmoid, or without an activation. "
                "Received: a model of one output that ends in softmax"
            )
        if self.binary:
            self.probabilities = "softmax"
        self.class_names = checked_names(self.class_names, input_shape[-1])
        self.built = True

    def call(self, outputs: Any) -> Any:
        dtype = keras.backend.standardize_dtype(outputs.dtype)
        smallest = SMALLEST.get(dtype, SMALLEST_FLOAT32)
        z = ops.cast(outputs, keras.backend.result_type(self.compute_dtype, "float32"))
        if self.activation == "before_softmax":
            z = ops.log_softmax(z)
        elif self.activation == "softmax":
            z = ops.log(ops.maximum(z, smallest))
        elif self.activation == "sigmoid":
            p, z = z, ops.log(ops.maximum(z, smallest))
            z = z - ops.log(ops.maximum(1 - p, STEP_BELOW_ONE))
        if self.binary:
            z = ops.concatenate([-z / 2, z / 2], axis=-1)
        z = z if self.temperature == 1 else z / self.temperature
        return ops.cast(z, self.compute_dtype)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return (*input_shape[:-1], max(input_shape[-1], 2))

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {
            "activation": self.activation,
            "probabilities": self.probabilities,
            "temperature": self.temperature,
            "class_names": self.class_names and list(self.class_names),
        }
