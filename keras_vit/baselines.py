"""The networks that a ViT is compared with: the paper's own, and Keras's."""

from __future__ import annotations

import contextlib
import difflib
import fnmatch
import inspect
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import keras

from keras_vit import layers
from keras_vit.compat import names_from_the_start
from keras_vit.foreign_arguments import answering_foreign_words, check_keywords
from keras_vit.image_model import KerasVitModel
from keras_vit.input_and_output_layers import features, head, preprocessing
from keras_vit.layers.patches import pair


@answering_foreign_words
def ResNet(
    num_classes: int | None = 1000,
    *,
    blocks: Sequence[int] = (3, 4, 6, 3),
    width_factor: float = 1.0,
    image_size: int | Sequence[int] = 224,
    name: str = "resnet",
) -> keras.Model:
    """Build the paper's baseline: the hybrids' ResNet with a head (section 4.1).

    "BiT" in the paper's figures: group normalisation and standardised
    convolutions. Images and logits are those of `ViT`.

    Args:
        num_classes: logits to return; `None`: the model returns the features.
        blocks: the units in each stage; those of R50 by default.
        width_factor: over the usual number of channels.
        image_size: pixels, an integer or (height, width).
        name: of the model.

    Returns:
        A functional `keras.Model` with random weights, its head zero.

    Example:

    >>> ResNet(10, blocks=(2, 2, 2, 2)).output_shape
    (None, 10)
    """
    arguments = dict(locals())
    height, width = pair(image_size, "image_size")
    images = keras.Input((height, width, 3), name="images")
    x = preprocessing(127.5, 127.5)(images)
    x = layers.ResNetStem(blocks, width_factor, name="stem")(x)
    y = features("features", "ResNet", arguments)(keras.ops.mean(x, axis=(1, 2)))
    if num_classes is not None:
        y = head(num_classes)(y)
    return KerasVitModel(images, y, name=name)


@answering_foreign_words
def ResNet_R26(
    num_classes: int | None = 1000,
    *,
    image_size: int | Sequence[int] = 224,
    name: str = "resnet_r26",
) -> keras.Model:
    """Build `ResNet` with two units in each of four stages."""
    return ResNet(num_classes, blocks=(2, 2, 2, 2), image_size=image_size, name=name)


@answering_foreign_words
def ResNet_R50(
    num_classes: int | None = 1000,
    *,
    image_size: int | Sequence[int] = 224,
    name: str = "resnet_r50",
) -> keras.Model:
    """Build `ResNet` with 3, 4, 6 and 3 units in its stages."""
    return ResNet(num_classes, blocks=(3, 4, 6, 3), image_size=image_size, name=name)


@dataclass(frozen=True)
class Pixels:
    """How a family reads pixels in [0, 255]: less a mean, over a deviation.

    Attributes:
        mean: a number, or one for each of red, green and blue.
        deviation: a number, or one for each of red, green and blue.
        blue_first: whether the channels are blue, green and red after that.
    """

    mean: float | tuple[float, ...] = 0.0
    deviation: float | tuple[float, ...] = 1.0
    blue_first: bool = False


AS_THEY_ARE = Pixels()  # the family's own layers do the rest
TO_ONE = Pixels(127.5, 127.5)  # Keras's mode "tf": [-1, 1]
CAFFE = Pixels((123.68, 116.779, 103.939), 1.0, blue_first=True)
TORCH = Pixels((123.675, 116.28, 103.53), (58.395, 57.12, 57.375))

# What `preprocess_input` of each family's module in keras.applications does.
FAMILIES = {
    "ConvNeXt*": AS_THEY_ARE,
    "DenseNet*": TORCH,
    "EfficientNet*": AS_THEY_ARE,
    "Inception*": TO_ONE,
    "MobileNet": TO_ONE,
    "MobileNetV2": TO_ONE,
    "MobileNetV3*": AS_THEY_ARE,
    "NASNet*": TO_ONE,
    "ResNet*V2": TO_ONE,
    "ResNet*[012]": CAFFE,
    "VGG*": CAFFE,
    "Xception": TO_ONE,
}
PREFIX = "keras:"
_FIXED = ("include_top", "input_shape", "input_tensor", "classes", "pooling")
_FIXED += ("classifier_activation", "include_preprocessing")


def applications() -> list[str]:
    """Return the names in `keras.applications` of networks whose input is known."""
    return [name for name in dir(keras.applications) if _pixels(name) is not None]


def application(name: str) -> Application:
    """Return the factory of one of Keras's own networks, for `"keras:<name>"`.

    Args:
        name: of a function in `keras.applications`.

    Raises:
        ValueError: for a name that is unknown, and, from what is returned, for
            images that Keras finds too small.

    Example:

    >>> application("MobileNetV2")(num_classes=10, image_size=32).output_shape
    (None, 10)
    """
    build, pixels = getattr(keras.applications, name, None), _pixels(name)
    if build is None or pixels is None:
        near = difflib.get_close_matches(name, applications(), 5, 0.5)
        raise ValueError(
            f"keras.applications has no network {name!r} whose input is known. "
            f"Expected one such as {', '.join(near or applications())}"
        )
    return Application(name, build, pixels)


@dataclass(frozen=True)
class Application:
    """The factory of one of Keras's own networks.

    The network up to its feature map, pooled as Keras pools it, and a head
    that is zero. Images and logits are those of `ViT`: the first layer makes
    of pixels in [0, 255] what `preprocess_input` would.

    Batch normalisation keeps statistics of training batches; they stay out of
    a run's moving average of weights.

    Attributes:
        name: in `keras.applications`.
        build: that function.
        pixels: how the network reads them.
    """

    name: str
    build: Callable[..., keras.Model]
    pixels: Pixels

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
            weights: Keras's own word `"imagenet"`, which it downloads, or the
                path of a file that Keras wrote, both without the head.
            name: of the model.
            **arguments: what else the function takes, such as `alpha`.
        """
        check_keywords(self.name, arguments, self.arguments())
        height, width = pair(image_size or 224, "image_size")
        name = name or self.name.lower()
        images = keras.Input((height, width, 3), name="images")
        x = preprocessing(self.pixels.mean, self.pixels.deviation)(images)
        if self.pixels.blue_first:
            x = keras.ops.flip(x, axis=-1)
        with names_from_the_start(), _one_error(name):
            network = self.build(
                include_top=False,
                weights=weights,
                input_tensor=x,
                input_shape=(height, width, 3),
                pooling="avg",
                **arguments,
            )
        built = {"num_classes": num_classes, "image_size": (height, width)}
        built |= {"name": name, **arguments}
        y = features("features", PREFIX + self.name, built)(network.output)
        if num_classes is not None:
            y = head(num_classes)(y)
        return KerasVitModel(images, y, name=name)

    def arguments(self) -> tuple[str, ...]:
        """Return the names of what a call takes."""
        own = ("num_classes", "image_size", "weights", "name")
        theirs = inspect.signature(self.build).parameters
        return own + tuple(one for one in theirs if one not in {*own, *_FIXED})


def _pixels(name: str) -> Pixels | None:
    """The row of `FAMILIES` that a network belongs to; `None`: no such network."""
    if not callable(getattr(keras.applications, name, None)):
        return None
    rows = (row for row in FAMILIES if fnmatch.fnmatchcase(name, row))
    return FAMILIES.get(next(rows, ""))


@contextlib.contextmanager
def _one_error(name: str) -> Iterator[None]:
    """What Keras raises while it builds or downloads, as an error with a cause."""
    try:
        yield
    except (TypeError, ValueError, OSError):
        raise
    except Exception as error:  # a download that fails raises nothing narrower
        raise OSError(f"The weights of {name} cannot be had: {error}") from error
