"""The first and the last layers that the models of this package share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from keras_vit import layers
from keras_vit.model_options import PerChannel
from keras_vit.preprocessing import Preprocessing

HEADS = ("head", "head_distillation")


def head(num_classes: int, name: str = "head", *, use_bias: bool = True) -> layers.Head:
    """Return the classifier, in float32."""
    return layers.Head(num_classes, use_bias=use_bias, name=name, dtype="float32")


def features(
    name: str,
    builder: str | None = None,
    arguments: Mapping[str, Any] | None = None,
) -> layers.Features:
    """Return the layer of what a head reads; float32 under any dtype policy."""
    return layers.Features(builder, arguments, dtype="float32", name=name)


def preprocessing(
    mean: PerChannel,
    deviation: PerChannel,
    evaluation: str | Preprocessing | None = None,
) -> layers.PixelNormalization:
    """Return the layer from pixels to what weights are trained on, in float32."""
    return layers.PixelNormalization(
        mean=np.broadcast_to(mean, 3).tolist(),
        variance=np.square(np.broadcast_to(deviation, 3)).tolist(),
        evaluation=evaluation,
        name="preprocessing",
        dtype="float32",
    )
