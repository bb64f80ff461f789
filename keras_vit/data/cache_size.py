"""What a cache of images will take on the disk, and whether there is space for it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import tensorflow as tf

from keras_vit.data.images import UnreadableImageError
from keras_vit.data.unreadable import READING_ERRORS

if TYPE_CHECKING:
    from keras_vit.data.caching import Cached
    from keras_vit.data.image_cache import ImageCache

SAMPLE = 16  # images that are reduced to find out how large they become
_SLACK = 1.1  # of the space that is free, for what a sample misses
_OF_RECORD = 64  # bytes around an image: of its record, and in the index


@dataclass(frozen=True)
class CacheSize:
    """What a cache takes on the disk.

    Attributes:
        cache: an `ImageCache`.
        images: that are to be in it.
        missing: how many of them are not in it yet.
        needed: bytes that these will take, as a sample says.
        free: bytes on the disk.
    """

    cache: ImageCache
    images: int
    missing: int
    needed: int
    free: int

    def __str__(self) -> str:
        kept = f"{self.cache.folder} keeps the images at {self.cache.settings}"
        if not self.missing:
            return f"Cache: {kept}; all {self.images:,} are there."
        return (
            f"Cache: {kept}. The first pass adds {self.missing:,} of "
            f"{self.images:,}: about {_bytes(self.needed)} of {_bytes(self.free)} that "
            "are free."
        )

    def check(self) -> None:
        """Refuse a cache for which there is no space.

        Raises:
            OSError: saying how much it needs.
        """
        needed = self.needed * _SLACK
        if needed > self.free:
            raise OSError(
                f"cache needs about {_bytes(needed)} for {self.missing:,} images of "
                f"{self.cache.settings}. Received: {self.cache.folder}, where "
                f"{_bytes(self.free)} are free. Free some, or name a folder on "
                "another disk"
            )


def cache_size(splits: Sequence[Cached], cache: ImageCache) -> CacheSize:
    """Return what a cache takes for some splits, by a sample of their images.

    Args:
        splits: that are read through it.
        cache: an `ImageCache`.
    """
    missing = [
        (split, index) for split in splits for index in cache.missing(split.keys)
    ]
    chosen = np.unique(np.linspace(0, len(missing) - 1, SAMPLE).astype(int))
    sizes = _sizes([missing[number] for number in chosen] if missing else [])
    each = float(np.mean(sizes)) + _OF_RECORD if sizes else 0.0
    count = sum(len(split) for split in splits)
    free = shutil.disk_usage(_existing(cache.folder)).free
    return CacheSize(cache, count, len(missing), round(each * len(missing)), free)


def _sizes(images: Iterable[tuple[Cached, int]]) -> list[int]:
    """Return the bytes of each image once it is reduced, but for unreadable ones."""

    def size(image):
        split, index = image
        try:
            return len(split.reduced(tf.constant(index)).numpy())
        except (*READING_ERRORS, UnreadableImageError):
            return 0

    with ThreadPoolExecutor() as threads:
        return [one for one in threads.map(size, images) if one]


def _existing(path: os.PathLike[str]) -> str:
    """Return the nearest folder that is there already."""
    found = os.path.abspath(path)
    while not os.path.exists(found):
        found = os.path.dirname(found)
    return found


def _bytes(count: float) -> str:
    """Return a number of bytes in words.

    Example:

    >>> _bytes(1_234_567_890)
    '1.2 GB'
    """
    for unit, size in (("GB", 1e9), ("MB", 1e6)):
        if count >= size:
            return f"{count / size:,.1f} {unit}"
    return f"{count / 1e3:,.0f} KB"
