"""Which of the kinds of images that inspection takes a value is."""

from __future__ import annotations

import os
import pathlib
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np


def is_data_set(images: Any) -> bool:
    """Return whether that is labelled images: a data set's name, or what holds it."""
    from keras_vit.data.dataset import Dataset
    from keras_vit.data.images import SUFFIXES
    from keras_vit.data.labelled import is_split
    from keras_vit.data.sources import FILES

    if isinstance(images, Dataset) or is_split(images):
        return True
    if isinstance(images, (str, os.PathLike)):
        path = pathlib.Path(images).expanduser()
        if path.exists():
            return path.suffix.lower() in FILES
        name = os.fspath(images)
        path_like = name.startswith((".", "~", os.sep)) or "*" in name
        return not path_like and path.suffix.lower() not in SUFFIXES
    if not isinstance(images, (tuple, list)) or len(images) != 2:
        return False
    pixels, labels = images
    if not is_array(pixels) or isinstance(labels, (str, bytes, os.PathLike)):
        return False
    dimensions = np.ndim(labels)
    alike = dimensions in (1, 2) and len(labels) == len(pixels)
    return alike and (pixels.ndim == 4 or (pixels.ndim == 3 and dimensions == 1))


def is_array(value: Any) -> bool:
    """Return whether that is an array, or a tensor, of numbers."""
    if isinstance(value, np.ndarray):
        return value.dtype.kind not in "OUS"
    return hasattr(value, "shape") and hasattr(value, "__array__")


def is_stream(images: Any) -> bool:
    """Return whether that is an iterator of batches, or a list of `(B, H, W, 3)`."""
    if isinstance(images, (list, tuple)):
        return bool(images) and all(
            is_array(one) and len(one.shape) == 4 for one in images
        )
    listed = (str, bytes, bytearray, memoryview, os.PathLike, dict)
    return isinstance(images, Iterable) and not (
        isinstance(images, listed) or hasattr(images, "__array__")
    )


def source_of(images: Any) -> str:
    """Return where images are from, in a line."""
    one = [images] if isinstance(images, (str, os.PathLike)) else images
    if isinstance(one, Sequence) and not isinstance(one, (bytes, bytearray)):
        paths = [os.fspath(p) for p in one if isinstance(p, (str, os.PathLike))]
        if paths and len(paths) == len(one):
            return ", ".join(map(str, paths[:3])) + (", ..." if paths[3:] else "")
    return "given images"
