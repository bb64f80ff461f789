"""What people have as images -> a reader of pixels for each one."""

from __future__ import annotations

import functools
import glob
import os
import pathlib
import sys
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np

from keras_vit.data import images
from keras_vit.data.array_range import check_pixels, pixels_in_range
from keras_vit.decoding import Decoding

if TYPE_CHECKING:
    import PIL.Image

    ImageInput: TypeAlias = (
        str | os.PathLike[str] | bytes | np.ndarray | PIL.Image.Image
    )
    ImageInputs: TypeAlias = ImageInput | Iterable[ImageInput]

EXPECTED = (
    "image files, folders, arrays (H, W, 3) or (B, H, W, 3), PIL images, bytes of "
    "image files, or a list of these"
)


class ImageReader(NamedTuple):
    """One image that was named, and how to read it.

    Attributes:
        path: of the file; `None` for an image that comes from memory.
        read: a function that returns uint8 or float32 pixels `(H, W, 3)`, and
            raises `keras_vit.data.images.UnreadableImageError`.
    """

    path: pathlib.Path | None
    read: Callable[[], np.ndarray]


def image_readers(
    inputs: ImageInputs,
    *,
    exif_orientation: bool = True,
    decoding: Decoding = images.PLAIN,
    array_range: tuple[float, float] | str | None = None,
) -> list[ImageReader]:
    """Return a reader for each image, in order; a folder or a batch has many.

    Args:
        inputs: paths of files and folders, in which `~` and `*` are expanded;
            arrays of pixels in [0, 255], `(H, W, 3)` or `(B, H, W, 3)`, or grey,
            `(H, W)`, `(H, W, 1)` or `(B, H, W, 1)`; PIL images of any mode; bytes of
            image files; or a list of any of these. A folder stands for the image
            files in it and below it, by name.
        exif_orientation: whether the camera's note on the orientation counts.
        decoding: how samples become pixels.
        array_range: the numbers of arrays that become 0 and 255; `"full"`: all that
            an unsigned integer can be. `None`: arrays are pixels in [0, 255], but for
            integers of more than 8 bits where `decoding` has a range.

    Raises:
        FileNotFoundError: naming the paths where nothing is.
        TypeError: for what is no image.
        ValueError: for a folder without images, or an array of another shape or
            range.

    Example:

    >>> [one.read().shape for one in image_readers(np.zeros((2, 4, 6, 3), np.uint8))]
    [(4, 6, 3), (4, 6, 3)]
    """
    inputs = listed_inputs(inputs)
    options = {"exif_orientation": exif_orientation, "decoding": decoding}
    readers = []
    for index, one in enumerate(inputs):
        name = f"images[{index}]" if len(inputs) > 1 else "the image"
        if isinstance(one, str | os.PathLike):
            readers += [
                ImageReader(path, functools.partial(images.read_image, path, **options))
                for path in images.find_images(_expanded(one))
            ]
        elif isinstance(one, bytes | bytearray | memoryview):
            read = functools.partial(images.decode_image, bytes(one), name, **options)
            readers.append(ImageReader(None, read))
        elif _is_pillow(one):
            read = functools.partial(images.pixels_of_pillow, one, name, **options)
            readers.append(ImageReader(None, read))
        else:
            batch = _batch(one, name, array_range, decoding)
            readers += [
                ImageReader(None, functools.partial(_rgb, image)) for image in batch
            ]
    return readers


def listed_inputs(inputs: ImageInputs) -> list[Any]:
    """Return the images that are named as a list, one alone as a list of one.

    Raises:
        FileNotFoundError: naming the paths where nothing is.
        TypeError: for what is no image and no list.

    Example:

    >>> listed_inputs(b"GIF89a")
    [b'GIF89a']
    """
    inputs = _listed(inputs)
    _check_paths(inputs)
    return inputs


def _listed(inputs: Any) -> list[Any]:
    """What is given, as a list; one alone is a list of one."""
    alone = (str, bytes, bytearray, memoryview, os.PathLike)
    if isinstance(inputs, alone) or _is_pillow(inputs):
        return [inputs]
    if hasattr(inputs, "__array__"):
        array = np.asarray(inputs)
        return array.ravel().tolist() if array.dtype.kind in "OUS" else [inputs]
    no_list = isinstance(inputs, dict) or hasattr(inputs, "read")
    if no_list or not isinstance(inputs, Iterable):
        raise _no_image(inputs, "images")
    return list(inputs)


def _check_paths(inputs: list[Any]) -> None:
    """Refuse paths where nothing is, all in one message."""
    paths = [one for one in inputs if isinstance(one, str | os.PathLike)]
    if "" in paths:  # which stands for the working directory elsewhere
        raise FileNotFoundError(
            'Expected the path of a file or folder. Received: ""; "." is the folder '
            "that you are in"
        )
    missing = [
        str(path)
        for one in paths
        for path in _expanded(one) or [one]
        if not pathlib.Path(path).exists()
    ]
    if missing:
        raise FileNotFoundError(f"No such file or folder: {', '.join(missing)}")


def _expanded(path: str | os.PathLike[str]) -> list[pathlib.Path]:
    """The path, `~` expanded; what a pattern matches, if it is none; or nothing."""
    path = pathlib.Path(path).expanduser()
    if path.exists() or not glob.has_magic(str(path)):
        return [path]
    return sorted(map(pathlib.Path, glob.glob(str(path), recursive=True)))


def _is_pillow(value: Any) -> bool:
    pillow = sys.modules.get("PIL.Image")  # an image of it exists if it is loaded
    return pillow is not None and isinstance(value, pillow.Image)


def _batch(
    value: Any,
    name: str,
    array_range: tuple[float, float] | str | None,
    decoding: Decoding,
) -> np.ndarray:
    """Pixels `(B, H, W, C)` of an array, of one or three channels."""
    if not hasattr(value, "__array__"):
        raise _no_image(value, name)
    array = np.asarray(value)
    if array.ndim == 2:
        array = array[..., np.newaxis]
    batch = array[np.newaxis] if array.ndim == 3 else array
    if batch.ndim != 4 or batch.shape[-1] not in (1, 3) or 0 in batch.shape[1:]:
        raise ValueError(
            f"Expected {name} as an array (H, W, 3) or (B, H, W, 3), or grey as (H, W) "
            f"or (B, H, W, 1). Received: shape {tuple(np.shape(value))}"
            + _advice_for(np.shape(value))
        )
    deep = batch.dtype.kind in "iu" and batch.dtype != np.uint8
    if array_range is None and deep:
        array_range = decoding.pixel_range
    if isinstance(array_range, str):
        unsigned = batch.dtype.kind == "u"
        array_range = (0, np.iinfo(batch.dtype).max) if deep and unsigned else None
    if array_range is not None:
        return pixels_in_range(batch, array_range)
    check_pixels(batch)
    return batch


def _advice_for(shape: tuple[int, ...]) -> str:
    if shape and shape[-1] == 4:
        return (
            ". Give images with transparency as PIL images: PIL.Image.fromarray(array)"
        )
    if len(shape) in (3, 4) and shape[-3] in (1, 3):
        return (
            f". Move the channels to the end: np.moveaxis(array, {len(shape) - 3}, -1)"
        )
    if len(shape) == 3 and 0 not in shape and shape[-1] > 3:
        return ". Grey images in a batch need a channel: array[..., np.newaxis]"
    return ""


def _rgb(image: np.ndarray) -> np.ndarray:
    return np.repeat(image, 3, axis=-1) if image.shape[-1] == 1 else image


def _no_image(value: Any, name: str) -> TypeError:
    kind = type(value)
    module = "" if kind.__module__ == "builtins" else f"{kind.__module__}."
    return TypeError(
        f"Expected {name} to be {EXPECTED}. Received: {module}{kind.__qualname__}"
        + (". Pass its bytes: file.read()" if hasattr(value, "read") else "")
    )
