"""Images -> the same images, corrupted."""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np

from keras_vit.evaluation.corruptions.table import CORRUPTIONS

SEVERITIES = (1, 2, 3, 4, 5)


class Table(NamedTuple):
    """Whose parameters they are, and the side in pixels that they were made for."""

    name: str
    side: int


TABLES = {"imagenet": Table("ImageNet-C", 224), "cifar": Table("CIFAR-10-C", 32)}


def corrupt(
    images: np.ndarray,
    name: str,
    severity: int,
    *,
    seed: int = 0,
    indices: Sequence[int] | np.ndarray | None = None,
    table: str | None = None,
) -> np.ndarray:
    """Corrupt images as ImageNet-C and CIFAR-10-C do (arXiv:1903.12261).

    The parameters are the published ones, of the table whose size is nearer in
    proportion, and unchanged: a blur of 4 pixels is milder on larger images.
    The programs of these data sets differ in this: they cut values to whole
    pixels, which are rounded here, and ImageNet-C's images were saved as JPEG
    files of quality 85. Frost, which is cut from photographs, and spatter are
    not among the corruptions.

    Args:
        images: uint8 pixels `(B, H, W, 3)`.
        name: a key of `CORRUPTIONS`.
        severity: from 1 to 5.
        seed: of what is drawn; from 0. The corruption of an image depends on
            (seed, name, its index), and not on its batch.
        indices: B integers from 0, the images' places in their split; 0 to
            B - 1 by default.
        table: `"imagenet"` or `"cifar"`; `table_for` the images' size by
            default.

    Returns:
        uint8 pixels `(B, H, W, 3)`.

    Raises:
        ValueError: for images that are not uint8, for an unknown name, severity
            or table.

    Example:

    >>> grey = np.full((1, 32, 32, 3), 100, np.uint8)
    >>> corrupt(grey, "brightness", severity=2)[0, 0, 0]
    array([126, 126, 126], dtype=uint8)
    """
    images = np.asarray(images)
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[-1] != 3:
        raise ValueError(
            "Expected uint8 RGB pixels of shape (B, H, W, 3). "
            f"Received: {images.dtype} of shape {images.shape}"
        )
    check_choices([name], [severity])
    table = table or table_for(*images.shape[1:3])
    if table not in TABLES:
        raise ValueError(
            f"table must be one of {', '.join(TABLES)}. Received: table={table!r}"
        )
    row = getattr(CORRUPTIONS[name], table)[severity - 1]
    parameters = row if isinstance(row, tuple) else (row,)
    indices = range(len(images)) if indices is None else indices

    def one(image: np.ndarray, index: int) -> np.ndarray:
        rng = np.random.default_rng((seed, zlib.crc32(name.encode()), int(index)))
        x = image.astype(np.float32) / 255
        x = CORRUPTIONS[name].function(x, rng, *parameters)
        return np.rint(np.clip(x, 0, 1) * 255).astype(np.uint8)

    with ThreadPoolExecutor(os.cpu_count()) as threads:
        corrupted = list(threads.map(one, images, indices))
    return np.stack(corrupted) if corrupted else images


def check_choices(names: Iterable[str], severities: Iterable[int]) -> None:
    """Refuse what is no corruption or no severity.

    Raises:
        ValueError: with the choices.
    """
    unknown = [name for name in names if name not in CORRUPTIONS]
    if unknown:
        raise ValueError(
            f"Unknown corruption. Expected some of {', '.join(CORRUPTIONS)}. "
            f"Received: {', '.join(map(repr, unknown))}"
        )
    wrong = [one for one in severities if one not in SEVERITIES]
    if wrong:
        raise ValueError(
            f"Expected severities from 1 to 5, integers. Received: {wrong[0]!r}"
        )


def table_for(height: int, width: int) -> str:
    """Return the table of parameters for images of a size.

    Example:

    >>> table_for(28, 28), table_for(384, 384)
    ('cifar', 'imagenet')
    """
    boundary = (TABLES["imagenet"].side * TABLES["cifar"].side) ** 0.5  # 84.7
    return "imagenet" if min(height, width) > boundary else "cifar"
