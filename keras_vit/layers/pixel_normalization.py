"""The first layer: from pixels to what the weights were trained on."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import keras

from keras_vit.decoding import OF_OLD_FILES, Decoding
from keras_vit.preprocessing import Preprocessing, resolve


@keras.saving.register_keras_serializable(package="keras_vit")
class PixelNormalization(keras.layers.Normalization):
    """Subtracts a mean from pixels and divides by a deviation, by channel.

    It also keeps how images of other sizes are to be made the model's before
    they come here, and how samples of image files become pixels, which it does
    not do itself: evaluation and prediction ask it, and saved models remember it.

    Args:
        mean: a number a channel.
        variance: the square of the deviation, a number a channel.
        evaluation: a `keras_vit.preprocessing.Preprocessing`, or what
            `resolve` there takes for one; `None`: images are squashed.
        decoding: a `keras_vit.decoding.Decoding`, or its fields by name;
            `None`: the default.

    Input shape: `(B, H, W, C)`.
    Output shape: that of the input.

    Example:

    >>> layer = PixelNormalization([127.5] * 3, [127.5**2] * 3, evaluation="timm")
    >>> layer(keras.KerasTensor((2, 224, 224, 3))).shape
    (2, 224, 224, 3)
    >>> layer.evaluation.crop_fraction
    0.9
    """

    def __init__(
        self,
        mean: Sequence[float],
        variance: Sequence[float],
        evaluation: Preprocessing | Mapping[str, Any] | str | None = None,
        decoding: Decoding | Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(mean=mean, variance=variance, **kwargs)
        self.evaluation = Preprocessing() if evaluation is None else resolve(evaluation)
        if not isinstance(decoding, Decoding):
            decoding = Decoding(**decoding or {})
        self.decoding = decoding

    def get_config(self) -> dict[str, Any]:
        evaluation = dataclasses.asdict(self.evaluation)
        decoding = self.decoding.as_json()
        return super().get_config() | {"evaluation": evaluation, "decoding": decoding}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> PixelNormalization:
        return super().from_config({"decoding": OF_OLD_FILES.as_json()} | config)
