"""Networks of KerasCV that Keras itself lacks, to compare a ViT with."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras

from keras_vit.augmentation_names import needs_keras_cv
from keras_vit.choices import KERAS_CV_NETWORKS, KERAS_CV_PREFIX
from keras_vit.compat import names_from_the_start
from keras_vit.foreign_arguments import check_keywords
from keras_vit.image_model import KerasVitModel
from keras_vit.input_and_output_layers import features, head
from keras_vit.layers.patches import pair
from keras_vit.suggestions import unknown


def _resnet(blocks: Sequence[int]) -> dict[str, Any]:
    """Return the arguments of a ResNet of blocks of two convolutions."""
    return {
        "stackwise_filters": [64, 128, 256, 512],
        "stackwise_blocks": list(blocks),
        "stackwise_strides": [1, 2, 2, 2],
        "block_type": "basic_block",
    }


# KerasCV keeps these arguments on a server: its `ResNet18Backbone()` asks for them.
# https://github.com/keras-team/keras-cv: the class, and what its preset says.
_NETWORKS: Mapping[str, tuple[str, dict[str, Any]]] = {
    "ResNet18": ("ResNetBackbone", _resnet((2, 2, 2, 2))),
    "ResNet34": ("ResNetBackbone", _resnet((3, 4, 6, 3))),
    "ResNet18V2": ("ResNetV2Backbone", _resnet((2, 2, 2, 2))),
    "ResNet34V2": ("ResNetV2Backbone", _resnet((3, 4, 6, 3))),
}


def network(name: str) -> KerasCVNetwork:
    """Return the factory of one of KerasCV's networks, for `"keras_cv:<name>"`.

    Args:
        name: such as `"ResNet18"`.

    Raises:
        ValueError: for a name that is unknown.
    """
    if name not in _NETWORKS:
        raise ValueError(unknown("network of KerasCV", name, KERAS_CV_NETWORKS))
    return KerasCVNetwork(name, *_NETWORKS[name])


@dataclass(frozen=True)
class KerasCVNetwork:
    """The factory of one of KerasCV's networks, with random weights.

    The network up to its feature map, its mean, and a head that is zero. Images and
    logits are those of `ViT`. The model consists of Keras's own layers: to load it
    needs no KerasCV.

    Attributes:
        name: of the network.
        backbone: of the class in `keras_cv.models`.
        options: that it is built with.
    """

    name: str
    backbone: str
    options: dict[str, Any]

    def __call__(
        self,
        num_classes: int | None = 1000,
        *,
        image_size: int | Sequence[int] | None = None,
        weights: str | os.PathLike[str] | None = None,
        name: str | None = None,
        **arguments: Any,
    ) -> keras.Model:
        """Build the network.

        Args:
            num_classes: logits to return; `None`: the features.
            image_size: pixels, an integer or (height, width); 224 by default.
            weights: `None`; KerasCV's are for downloads that no longer work.
            name: of the model.
            **arguments: none.

        Raises:
            ValueError: for weights.
        """
        check_keywords(self.name, arguments, self.arguments())
        if weights is not None:
            raise ValueError(
                f"{KERAS_CV_PREFIX}{self.name} has random weights. Expected "
                f"weights=None. Received: weights={os.fspath(weights)!r}"
            )
        models = _models_of_keras_cv()
        height, width = pair(image_size or 224, "image_size")
        name = name or self.name.lower()
        images = keras.Input((height, width, 3), name="images")
        build: Callable[..., keras.Model] = getattr(models, self.backbone)
        with names_from_the_start():
            backbone = build(
                **self.options, include_rescaling=True, input_tensor=images
            )
        x = keras.ops.mean(backbone.output, axis=(1, 2))
        built = {"num_classes": num_classes, "image_size": (height, width)}
        y = features("features", KERAS_CV_PREFIX + self.name, built | {"name": name})(x)
        if num_classes is not None:
            y = head(num_classes)(y)
        return KerasVitModel(images, y, name=name)

    def arguments(self) -> tuple[str, ...]:
        """Return the names of what a call takes."""
        return ("num_classes", "image_size", "weights", "name")


def _models_of_keras_cv() -> Any:
    """Return the networks of KerasCV, whose import takes seconds."""
    try:
        import keras_cv
    except ImportError as error:
        raise ImportError(f"{needs_keras_cv()} Received: {error}") from error
    return keras_cv.models
