"""The arguments of a model from the file of its weights."""

import dataclasses
import os
import pathlib
import re
import warnings
from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass
from typing import Any

from keras_vit.foreign_arguments import release_for
from keras_vit.layers.patches import pair
from keras_vit.layers.pooling_config import READS_CLASS_TOKEN
from keras_vit.preprocessing import Preprocessing, resolve
from keras_vit.releases import RELEASES, is_path, list_weights
from keras_vit.suggestions import did_you_mean
from keras_vit.timm_names import hub_name
from keras_vit.variants import VARIANTS
from keras_vit.weights import pixels
from keras_vit.weights.download import cached, from_hub
from keras_vit.weights.file_arguments import arguments_of, sizes_of
from keras_vit.weights.grids import known_of, likeliest
from keras_vit.weights.imagenet import NUM_CLASSES, imagenet_classes
from keras_vit.weights.metadata import KEY
from keras_vit.weights.opening import open_weights
from keras_vit.weights.sources import identify
from keras_vit.weights.sources.source import NAMED

HUB = "hf:"
# timm's own releases for ImageNet, whose settings name no classes. What others
# trained further keeps timm's tag, so that the tag alone proves nothing.
_IN1K_BY_TIMM = re.compile(r"timm/[^/]+in1k$")


@dataclass(frozen=True)
class Checkpoint:
    """Weights at hand, and the model they want.

    Attributes:
        path: of the file or folder.
        num_classes: of its head; `None` if it has none.
        image_size: that it was trained with last, an integer or (height,
            width); `None` if it does not say.
        arguments: for `ViT`, besides the sizes.
        sizes: as arguments of `ViT`, the stem of a hybrid among them, as far as
            the file shows them.
        architecture: the publisher's name of the model, as the caller says.
        grid: (rows, columns) of patches that its positions are for, as the
            caller or a release says; `None`: as the file says.
        foreign_head: the shapes, by name, of the arrays of a classifier that
            is not one dense layer, which no model here can take.
        class_names: in the order of the logits; `None` where none are known.
        assumed: in words, what neither the file nor its folder says; `None`
            where nothing is missing.
    """

    path: pathlib.Path
    num_classes: int | None
    image_size: int | tuple[int, int] | None
    _: KW_ONLY
    arguments: dict[str, Any]
    sizes: dict[str, Any] = dataclasses.field(default_factory=dict)
    architecture: str | None = None
    grid: tuple[int, int] | None = None
    foreign_head: dict[str, tuple[int, ...]] = dataclasses.field(default_factory=dict)
    class_names: tuple[str, ...] | None = None
    assumed: str | None = None


def find_checkpoint(
    variant: str,
    weights: str | os.PathLike[str],
    source_grid: tuple[int, int] | None = None,
    architecture: str | None = None,
) -> Checkpoint:
    """Find the file that `weights=` names and read the arguments of its model.

    Args:
        variant: the factory's name.
        weights: a release's name, `hf:<owner>/<name>`, timm's full name of a
            model, or the path of a `.npz` or `.safetensors` file or of a folder
            with one.
        source_grid: (rows, columns) of patches that its positions are for,
            where the file does not say.
        architecture: the publisher's name of the model, where the file's arrays
            could be several and no settings say it.

    Raises:
        ValueError: for a release that the variant does not have, with those
            that it has.
        OSError: if the file cannot be found or downloaded.
    """
    weights = hub_name(variant, str(weights))
    if (variant, weights) in RELEASES:
        release = RELEASES[variant, weights]
        found = _read(cached(release.url), variant, source_grid, release)
        return _of_imagenet(found)
    if weights.startswith(HUB):
        repository = weights.removeprefix(HUB)
        found = _read(from_hub(repository), variant, source_grid, named=architecture)
        return _of_imagenet(found) if _IN1K_BY_TIMM.match(repository) else found
    path = pathlib.Path(weights).expanduser()
    if path.exists():
        return _read(path, variant, source_grid, named=architecture)
    if is_path(weights):
        raise FileNotFoundError(
            f"No such file or folder: {path}. Expected a file of weights, or hf: "
            "before a repository of Hugging Face's hub."
        )
    known = [release.name for release in list_weights(variant)]
    names = ", ".join(known)
    meant = release_for(weights, known)
    raise ValueError(
        f"Unknown weights of {variant}. Expected {names + ', ' if names else ''}"
        f"hf:<owner>/<name>, or the path of a file. Received: weights={weights!r}"
        f"{f'. Use {meant!r}' if meant else did_you_mean(weights, known)}"
    )


def _of_imagenet(checkpoint):
    """A published checkpoint, whose 1,000 classes are ImageNet's, with their names."""
    if checkpoint.class_names or checkpoint.num_classes != NUM_CLASSES:
        return checkpoint
    names = tuple(one.name for one in imagenet_classes())
    return dataclasses.replace(checkpoint, class_names=names)


def _read(path, variant, source_grid, release=None, *, named=None):
    file, stored, config = open_weights(path, named)
    names, note = list(stored), config[KEY]
    says = bool(config.keys() - {KEY, NAMED})
    found = identify(stored, config)
    source, stored = found.source, found.stored
    source.check_activation(stored, config)
    arguments = arguments_of(source, stored, config)
    sizes = sizes_of(source, stored)
    if "num_heads" in arguments:
        sizes["num_heads"] = arguments.pop("num_heads")
    num_classes = arguments.pop("num_classes", None)
    image_size = _image_size(found, config, variant, source_grid)
    side = image_size and max(image_size)
    preprocessing = _preprocessing(source, names, config, side)
    if release is not None:
        image_size = (release.image_size,) * 2
        source_grid = (release.image_size // VARIANTS[variant].stride,) * 2
        preprocessing = resolve(release.preprocessing)
    if variant in VARIANTS and VARIANTS[variant].stem_blocks is not None:
        arguments["standardization"] = source.standardization
    if image_size is not None and image_size[0] == image_size[1]:
        image_size = image_size[0]
    return Checkpoint(
        path,
        num_classes,
        image_size,
        arguments={
            "evaluation_preprocessing": preprocessing,
            **arguments,
            **pixels.arguments(note, source.pixels(config), says, file.name),
        },
        sizes=sizes,
        architecture=named,
        grid=source_grid,
        foreign_head=found.foreign_head,
        class_names=_class_names(source, config, num_classes),
        assumed=None if pixels.holds_pixels(note) else source.assumed(config),
    )


def _class_names(source, config, num_classes):
    """The names of as many classes as there are; else none are known."""
    names = source.class_names(config)
    return names if names and len(names) == num_classes else None


def _preprocessing(source, names, config, image_size):
    """How the source evaluates; by squashing where this package has no such way."""
    try:
        return source.preprocessing(names, config, image_size)
    except ValueError as error:
        warnings.warn(
            "keras_vit does not support the preprocessing that these weights were "
            f"evaluated with ({error}). The model squashes images instead; pass "
            "preprocessing= to evaluate or predict to use another.",
            stacklevel=2,
        )
        return Preprocessing()


def _image_size(found, config, variant, source_grid):
    """(height, width) of the images that the position table is for, if it is known."""
    source, stored = found.source, found.stored
    said = config[KEY].get("image_size") or source.image_size(config)
    if said is not None and source_grid is None:
        return tuple(said)
    strides = _strides(stored, source, variant)
    if source.positions not in stored or strides is None:
        return None
    source_grid = source_grid or found.grid
    if source_grid is None:
        info = source.arguments(stored)
        pooled = info.get("pooling", "token") in READS_CLASS_TOKEN
        first = info.get("class_token", pooled) + info.get("distillation", False)
        known = known_of(source, stored, config, own=None, first=first, grid_of=None)
        reading = likeliest(stored[source.positions].shape[1], known)
        if reading is None:
            return None
        source_grid = reading.grid
    rows, columns = pair(source_grid, "source_grid")
    return rows * strides[0], columns * strides[1]


def _strides(
    stored: Mapping[str, Any], source: Any, variant: str
) -> tuple[int, ...] | None:
    """Pixels from a patch to the next, in both directions; `None` if not known.

    They are the sides of the file's own patches, which another size than the
    variant's may be, but for a hybrid, whose patches are of a feature map.
    """
    shape: tuple[int, ...] = (
        stored[source.patches].shape if source.patches in stored else ()
    )
    sides, channels = shape[2:], shape[1:2]  # PyTorch's order
    if source.patches.endswith("kernel"):
        sides, channels = shape[:2], shape[2:3]
    if channels == (3,):
        return sides
    return (VARIANTS[variant].stride,) * 2 if variant in VARIANTS else None
