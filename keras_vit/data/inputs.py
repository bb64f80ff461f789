"""What people pass as data -> one split of it, and the classes' names."""

import os
from typing import Any, NamedTuple, TypedDict, Unpack, cast

import numpy as np

from keras_vit.data.arrays import split_of_arrays
from keras_vit.data.dataset import Dataset, check_split_name
from keras_vit.data.labelled import Labelled, is_split
from keras_vit.data.sources import load
from keras_vit.decoding import Decoding

EXPECTED = (
    "a data set's name, a path, a keras_vit.data.Dataset, one of its splits, or arrays "
    "(images, labels)"
)


class ReadOptions(TypedDict, total=False):
    """How `keras_vit.data.load`, which describes each option, reads files."""

    exif_orientation: bool
    group: str | None
    fold: int | None
    image_column: str | None
    label_column: str | None
    suffix: str | None
    pixel_range: str | tuple[float, float] | None
    background: str
    max_pixels: int | None


class LoadOptions(ReadOptions, total=False):
    """The options of `keras_vit.data.load`, which describes each."""

    data_dir: str | os.PathLike[str] | None
    download: bool


class NamedSplit(NamedTuple):
    """A split and the names of its classes.

    Attributes:
        split: `Split`, `Files`, `Records`, or what else fulfils `Labelled`.
        class_names: in the order of the labels; `None` where they are unknown.
    """

    split: Labelled
    class_names: tuple[str, ...] | None = None


def split_of(
    data: Any,
    *,
    split: str = "test",
    decoding: Decoding | None = None,
    **options: Unpack[LoadOptions],
) -> NamedSplit:
    """Return one split of whatever holds labelled images, and its class names.

    Args:
        data: one of

            - a data set's name or a path, as `keras_vit.data.load` takes it
              (`"fashion_mnist_sample"`, `"tfds:cifar10"`, `"~/photos"`,
              `"photos.zip"`, `"labels.csv"`, `"arrays.npz"`);
            - a `keras_vit.data.Dataset`;
            - a split: `Split`, `Files`, `Records`; it is returned as it is;
            - `(images, labels)`: pixels in [0, 255], uint8 or float32,
              `(N, H, W, 3)`, or grey, `(N, H, W)` or `(N, H, W, 1)`; and
              integers `(N,)`, or zeros and ones `(N, K)`.
        split: which split of a data set: `"train"`, `"validation"`, `"test"`,
            or a part such as `"train[:98%]"` (`Dataset.split`).
        decoding: how the image files behind a name or a path are read, such as
            a model's own, where `options` do not say it. A `Dataset` and a
            split keep their own.
        **options: of `keras_vit.data.load`, for a name or a path. With arrays
            `pixel_range` alone.

    Returns:
        A `NamedSplit`: `split, class_names = split_of(data)`.

    Raises:
        TypeError: for anything else, such as a `tf.data.Dataset`.
        ValueError: for an unknown name, an unknown split, arrays that are not
            images and labels, or options that `data` does not take.
        OSError: for files that are not there.

    Example:

    >>> split, class_names = split_of("fashion_mnist_sample", split="test[:5]")
    >>> len(split), class_names[0]
    (5, 'T-shirt/top')
    >>> arrays = np.zeros((2, 8, 8, 3), np.uint8), np.array([0, 1])
    >>> len(split_of(arrays).split)
    2
    """
    check_split_name(split)
    if isinstance(data, str | os.PathLike):
        how: dict[str, Any] = {} if decoding is None else decoding.as_json()
        how.update(options)
        dataset = load(data, **how)
        return NamedSplit(dataset.split(split), dataset.class_names)
    if isinstance(data, Dataset):
        _check_options(options, (), "a Dataset, which was loaded with its own")
        return NamedSplit(data.split(split), data.class_names)
    pair = isinstance(data, tuple | list) and len(data) == 2
    if not (pair or is_split(data)):
        raise TypeError(_refusal(data))
    kind = "arrays" if pair else "a split"
    if split != "test":
        raise ValueError(
            f"split={split!r} must go with a data set: its name, its path or a "
            f"keras_vit.data.Dataset. Received: {kind}. Leave out split"
        )
    if is_split(data):
        _check_options(options, (), "a split, which has its own")
        return NamedSplit(data)
    _check_options(options, ("pixel_range",), "arrays")
    images, labels = cast(Any, data)
    return NamedSplit(_split_of_pair(images, labels, options.get("pixel_range")))


def _split_of_pair(images, labels, pixel_range):
    images, labels = _array(images, "images"), _array(labels, "labels")
    if images.dtype.kind in "USO":
        raise ValueError(
            "images must be pixels, an array (N, H, W, 3). Received: an array of "
            f"{_kind(images.flat[0]) if images.size else images.dtype}. For image "
            "files: keras_vit.data.Files(paths, labels); images of several sizes: "
            "write them to files"
        )
    decoding = Decoding(pixel_range)  # pyright: ignore[reportArgumentType]  text, too
    return split_of_arrays(images, labels, decoding)


def _array(values, name):
    try:
        return np.asarray(values)
    except (TypeError, ValueError) as error:  # rows of several lengths
        raise ValueError(
            f"{name} must be one array. Received: {_kind(values)} that NumPy cannot "
            f"put into one ({error}). Resize the images to one size, or pass "
            "keras_vit.data.Files(paths, labels)"
        ) from error


def _check_options(options, accepted, what):
    """Refuse options that have no effect on the data received."""
    refused = [name for name in options if name not in accepted]
    if refused:
        raise ValueError(
            f"{', '.join(refused)} must go with a data set's name or path. "
            f"Received: {what}"
        )


def _refusal(data):
    advice = (
        "A stream has no images by number: put its batches together first, such as "
        "images, labels = map(np.concatenate, zip(*stream))"
        if hasattr(data, "__iter__") and not isinstance(data, np.ndarray | dict | set)
        else "Pass images with their labels: (images, labels)"
    )
    return f"data must be {EXPECTED}. Received: {_kind(data)}. {advice}"


def _kind(value):
    return f"{type(value).__module__}.{type(value).__qualname__}".removeprefix(
        "builtins."
    )
