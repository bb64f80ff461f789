"""The models of this package know how they were built."""

from __future__ import annotations

from typing import Any

import keras

from keras_vit.layers import Features, PatchEncoder, PixelNormalization
from keras_vit.layers.features import as_json


@keras.saving.register_keras_serializable(package="keras_vit")
class KerasVitModel(keras.Model):
    """A functional Keras model from images to logits that knows how it was built.

    Each builder of this package returns one. Its graph is all that it has; how
    it was built is kept by its layer `Features`. Its name says which import a file
    needs: Keras names the class that it could not locate.

    Args:
        inputs: Keras tensors.
        outputs: Keras tensors.
        name: of the model.

    Example:

    >>> model = keras_vit.ViT_Ti16(num_classes=10, image_size=32)
    >>> model.builder, model.arguments["num_classes"]
    ('ViT', 10)
    """

    def __init__(
        self, inputs: Any, outputs: Any, name: str | None = None, **kwargs: Any
    ) -> None:
        super().__init__(inputs, outputs, name=name, **kwargs)

    @property
    def builder(self) -> str | None:
        """The function that built the model: `"ViT"`, `"keras:VGG16"`; or `None`."""
        kept = _kept(self)
        return kept and kept.builder

    @property
    def arguments(self) -> dict[str, Any]:
        """The arguments of the builder, as JSON has them, that build this model.

        Those that layers keep by themselves, such as the preprocessing of
        evaluation, have the layers' values of now. `stem` is the name of a
        layer of this model.
        """
        kept = _kept(self)
        arguments = {} if kept is None else dict(kept.arguments or {})
        current = {"name": self.name}
        for layer in self.layers:
            if isinstance(layer, PatchEncoder):
                current["position_interpolation"] = layer.position_interpolation
            elif isinstance(layer, PixelNormalization):
                current["evaluation_preprocessing"] = as_json(layer.evaluation)
        return arguments | {k: v for k, v in current.items() if k in arguments}


# By the class's bare name alone do .h5 files of Keras's older format name a model.
keras.saving.get_custom_objects()["KerasVitModel"] = KerasVitModel


def _kept(model: keras.Model) -> Features | None:
    layers = (layer for layer in model.layers if isinstance(layer, Features))
    return next((layer for layer in layers if layer.builder is not None), None)
