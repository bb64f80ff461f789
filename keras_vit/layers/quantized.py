"""What `quantize` of Keras does to models, and where that is refused."""

from __future__ import annotations

from typing import Any

import keras

from keras_vit import compat
from keras_vit.layers.tensors import Shape

KEY = "quantized_parts"


class Composite(keras.layers.Layer):
    """A layer whose config holds how Keras has quantized its parts.

    `quantize` of a Keras model changes dense layers wherever they are, and
    the layers around them do not notice. A saved one would be rebuilt with
    dense layers in float, which the file's weights do not fit. The config of
    this one holds the dtype policy of each part that was quantized.

    A layer that inherits from this one builds all of its parts in `build`, as
    `quantize` expects, each by `self._build_part`.
    """

    def get_config(self) -> dict[str, Any]:
        parts = self._quantized_parts()
        return super().get_config() | ({KEY: parts} if parts else {})

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Composite:
        config = dict(config)
        parts = config.pop(KEY, {})
        layer = super().from_config(config)
        layer._parts_to_quantize = parts
        return layer

    def _quantized_parts(self) -> dict[str, Any]:
        """What is serialized of each quantized part, by its path in here."""
        if not self.built:
            return dict(getattr(self, "_parts_to_quantize", {}))
        serialize = keras.saving.serialize_keras_object
        return {
            str(part.path).removeprefix(f"{self.path}/"): {
                "dtype": serialize(part.dtype_policy),
                "quantization_config": serialize(part.quantization_config),
            }
            for part in quantized_layers(self)
        }

    def _build_part(self, part: Any, shape: Shape) -> None:
        """Build a part, quantized if the config says so, or parts of it."""
        parts, prefix = getattr(self, "_parts_to_quantize", {}), f"{part.name}/"
        if part.name in parts:
            deserialize = keras.saving.deserialize_keras_object
            saved = parts[part.name]
            part.dtype_policy = deserialize(saved["dtype"])
            part.quantization_config = deserialize(saved["quantization_config"])
        if isinstance(part, Composite):
            part._parts_to_quantize = {
                path.removeprefix(prefix): saved
                for path, saved in parts.items()
                if path.startswith(prefix)
            }
        part.build(shape)


def quantized_layers(model: Any) -> list[keras.layers.Layer]:
    """Return all layers inside a model or layer that Keras has quantized.

    Args:
        model: a Keras model or layer. Anything else, such as an exported
            model, has none.

    Example:

    >>> layer = keras.layers.Dense(2)
    >>> layer.build((None, 3))
    >>> quantized_layers(layer)
    []
    >>> layer.quantize("int8")
    >>> quantized_layers(layer) == [layer]
    True
    """
    if not isinstance(model, keras.layers.Layer):
        return []
    return [layer for layer in compat.flatten_layers(model) if layer.quantization_mode]


def check_not_quantized(model: Any, action: str, instead: str) -> None:
    """Refuse a model that Keras has quantized.

    Args:
        model: a Keras model or layer, or anything else, which passes.
        action: what was asked for, such as `"export"`.
        instead: what to do with the model as it was before.

    Raises:
        ValueError: if Keras has quantized any layer of it.
    """
    layers = quantized_layers(model)
    if layers:
        modes = sorted({str(layer.quantization_mode) for layer in layers})
        raise ValueError(
            f"{action} needs a model that Keras has not quantized: {instead} "
            f"Received: {model.name!r}, with {len(layers)} layers in "
            f"{' and '.join(modes)}, such as {layers[0].path}"
        )
