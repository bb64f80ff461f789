"""The first layer: from pixels to what the weights were trained on."""

import dataclasses

import keras

from keras_vit.preprocessing import Preprocessing, resolve


@keras.saving.register_keras_serializable(package="keras_vit")
class PixelNormalization(keras.layers.Normalization):
    """Subtracts a mean from pixels and divides by a deviation, by channel.

    It also keeps how images of other sizes are to be made the model's before
    they come here, which it does not do itself: evaluation and prediction ask
    it, and saved models remember it.

    Args:
        mean: a number a channel.
        variance: the square of the deviation, likewise.
        evaluation: a `keras_vit.preprocessing.Preprocessing`, or what
            `resolve` there takes for one; `None`: images are squashed.

    Input shape: `(B, H, W, C)`.
    Output shape: that of the input.

    Example:

    >>> layer = PixelNormalization([127.5] * 3, [127.5**2] * 3, evaluation="timm")
    >>> layer(keras.KerasTensor((2, 224, 224, 3))).shape
    (2, 224, 224, 3)
    >>> layer.evaluation.crop_fraction
    0.9
    """

    def __init__(self, mean, variance, evaluation=None, **kwargs):
        super().__init__(mean=mean, variance=variance, **kwargs)
        self.evaluation = Preprocessing() if evaluation is None else resolve(evaluation)

    def get_config(self):
        evaluation = dataclasses.asdict(self.evaluation)
        return super().get_config() | {"evaluation": evaluation}
