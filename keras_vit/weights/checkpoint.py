"""What a file of weights tells of the model that it belongs to."""

import json
import math
import pathlib
import warnings
from dataclasses import dataclass

from keras_vit.preprocessing import Preprocessing, resolve
from keras_vit.variants import VARIANTS
from keras_vit.weights.download import cached, from_hub
from keras_vit.weights.load import activation_of, epsilon_of, open_weights
from keras_vit.weights.releases import RELEASES, list_weights
from keras_vit.weights.sources import recognise

HUB = "hf:"


@dataclass(frozen=True)
class Checkpoint:
    """Weights at hand, and the model they want.

    Attributes:
        path: of the file or folder.
        num_classes: of its head; `None` if it has none.
        image_size: that it was trained with last; `None` if it does not say.
        arguments: of `ViT`, besides the sizes of the variant.
    """

    path: pathlib.Path
    num_classes: int | None
    image_size: int | None
    arguments: dict


def find_checkpoint(variant, weights):
    """Finds what `weights=` means and reads what it tells.

    Args:
        variant: the factory's name.
        weights: a release's name, `hf:<owner>/<name>`, or the path of a
            `.npz` or `.safetensors` file or of a folder with one.

    Raises:
        ValueError: for a release that the variant does not have, with those
            that it has.
        OSError: if the file cannot be found or downloaded.
    """
    weights = str(weights)
    if (variant, weights) in RELEASES:
        release = RELEASES[variant, weights]
        return _read(cached(release.url), variant, release)
    if weights.startswith(HUB):
        return _read(from_hub(weights.removeprefix(HUB)), variant)
    if pathlib.Path(weights).exists():
        return _read(pathlib.Path(weights), variant)
    names = ", ".join(release.name for release in list_weights(variant))
    raise ValueError(
        f"Unknown weights of {variant}. Expected {names + ', ' if names else ''}"
        f"hf:<owner>/<name>, or the path of a file. Received: weights={weights!r}"
    )


def _read(path, variant, release=None):
    file, stored, config = open_weights(path)
    source = recognise(stored)
    names, stored = list(stored), source.normalise(stored)
    processor = file.parent / "preprocessor_config.json"
    if file.suffix == ".safetensors" and processor.is_file():
        config["preprocessing"] = json.loads(processor.read_text())
    arguments = source.arguments(stored)
    num_classes = arguments.pop("num_classes", None)
    mean, deviation = source.pixels(config)
    image_size = config.get("image_size") or _image_size(stored, source, variant)
    preprocessing = _preprocessing(source, names, config, image_size)
    if release is not None:
        image_size, preprocessing = release.image_size, resolve(release.preprocessing)
    return Checkpoint(
        path,
        num_classes,
        image_size,
        {
            "activation": activation_of(source, config),
            "layer_norm_epsilon": epsilon_of(source, config),
            "pixel_mean": mean,
            "pixel_deviation": deviation,
            "evaluation_preprocessing": preprocessing,
            **arguments,
        },
    )


def _preprocessing(source, names, config, image_size):
    """How the source evaluates; by squashing where this package has no such way."""
    try:
        return source.preprocessing(names, config, image_size)
    except ValueError as error:
        warnings.warn(
            f"These weights were evaluated in a way that keras_vit has not ({error}). "
            "Their model squashes images; evaluate and predict take another "
            "preprocessing.",
            stacklevel=2,
        )
        return Preprocessing()


def _image_size(stored, source, variant):
    """The side of the square image that the position table covers, if any."""
    if source.positions not in stored or variant not in VARIANTS:
        return None
    told = source.arguments(stored)
    pooled = told.get("pooling", "token") == "token"
    first = told.get("class_token", pooled) + told.get("distillation", False)
    cells = stored[source.positions].shape[1] - first
    side = math.isqrt(max(cells, 0))
    return side * VARIANTS[variant].stride if side**2 == cells else None
