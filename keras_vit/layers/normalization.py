"""The normalisations of an encoder, one per row."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras

from keras_vit.layers.gradients import layer_normalization
from keras_vit.layers.graph_format import graph_format
from keras_vit.layers.tensors import Tensor, ops


@keras.saving.register_keras_serializable(package="keras_vit")
class LayerNormalization(keras.layers.LayerNormalization):
    """Keras's layer, of which the gradient keeps less in training.

    Example:

    >>> LayerNormalization(epsilon=1e-6)(keras.KerasTensor((2, 197, 192))).shape
    (2, 197, 192)
    """

    def call(self, inputs: Tensor, training: bool | None = None) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        operation = graph_format().operations.get("layer_normalization")
        if not self._is_of_features(inputs) or (operation is None and not training):
            return super().call(inputs)
        if operation is not None:
            gamma, beta = map(ops.convert_to_tensor, (self.gamma, self.beta))
            return operation(inputs, gamma, beta, self.epsilon)
        z = layer_normalization(inputs, self.gamma, self.beta, epsilon=self.epsilon)
        return ops.cast(z, self.compute_dtype)

    def _is_of_features(self, inputs: Tensor) -> bool:
        """Whether it normalises the last axis, with a scale and an offset."""
        axes: Any = self.axis  # a list, once built
        rank = len(inputs.shape)
        is_last = [axis % rank for axis in axes] == [rank - 1]
        return is_last and self.scale and self.center


NORMS: dict[str, Callable[..., keras.layers.Layer]] = {
    "layer": LayerNormalization,  # arXiv:1607.06450
    "rms": keras.layers.RMSNormalization,  # arXiv:1910.07467: neither mean nor bias
}


def normalization(kind: str, epsilon: float, **kwargs: Any) -> keras.layers.Layer:
    """Return a normalisation over the features of each token.

    Args:
        kind: a key of `NORMS`.
        epsilon: what is added to the variance, or to the mean square.
        **kwargs: of the layer, such as its name.

    Raises:
        ValueError: for a kind that there is not.

    Example:

    >>> normalization("rms", 1e-6, name="norm")(keras.KerasTensor((2, 197, 192))).shape
    (2, 197, 192)
    """
    if kind not in NORMS:
        raise ValueError(
            f"norm must be one of {', '.join(NORMS)}. Received: norm={kind!r}"
        )
    return NORMS[kind](epsilon=epsilon, **kwargs)
