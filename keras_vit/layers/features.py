"""What the head reads, and how the model around it was built."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np


@keras.saving.register_keras_serializable(package="keras_vit")
class Features(keras.layers.Identity):
    """What the head reads, as it is; keeps how the model around it was built.

    Args:
        builder: the function that built the model, such as `"ViT"` or
            `"keras:MobileNetV2"`; `None`: unknown.
        arguments: all of its arguments. A layer among them, such as a hybrid's
            stem, is part of the model and kept by its name.

    Input shape: `(B, D)`.
    Output shape: that of the input.

    Example:

    >>> Features("ResNet", {"blocks": (2, 2)}).arguments
    {'blocks': [2, 2]}
    """

    builder: str | None
    arguments: dict[str, Any] | None

    def __init__(
        self,
        builder: str | None = None,
        arguments: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.builder = builder
        self.arguments = None if arguments is None else as_json(arguments)

    def get_config(self) -> dict[str, Any]:
        arguments = None if self.arguments is None else dict(self.arguments)
        return super().get_config() | {
            "builder": self.builder,
            "arguments": arguments,
        }


def as_json(value: Any) -> Any:
    """Return an argument as JSON has it: a layer by its name, arrays as lists.

    Example:

    >>> as_json({"pixel_mean": np.ones(3), "patch_size": (8, 16)})
    {'pixel_mean': [1.0, 1.0, 1.0], 'patch_size': [8, 16]}
    """
    if isinstance(value, keras.layers.Layer):
        return value.name
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return as_json(dataclasses.asdict(value))
    if isinstance(value, Mapping):
        return {str(name): as_json(one) for name, one in value.items()}
    if isinstance(value, (np.ndarray, np.generic)):
        return value.tolist()
    if isinstance(value, (tuple, list)):
        return [as_json(one) for one in value]
    return value
