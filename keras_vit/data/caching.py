"""Data sets of large image files whose reduced images are kept on the disk."""

import dataclasses
import functools
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeGuard

import numpy as np
import tensorflow as tf

from keras_vit.data.cache_size import cache_size
from keras_vit.data.dataset import Dataset
from keras_vit.data.decoding import decode, file_reader
from keras_vit.data.image_cache import ImageCache, key_of, open_cache
from keras_vit.data.images import UnreadableImageError
from keras_vit.data.labelled import Labelled
from keras_vit.data.reduction import reduced_jpeg
from keras_vit.data.splits import Files
from keras_vit.data.unreadable import READING_ERRORS


@dataclass(frozen=True, eq=False)
class Cached(Files):
    """Image files that are read as a cache keeps them. A split, as `Files` is.

    An image is always what the cache holds of it: one that it lacks is reduced and
    encoded, then added, and decoded from these bytes. So its pixels are the same
    whether it was read before or not, in this process or another.

    Attributes:
        cache: an `ImageCache`.
    """

    _: dataclasses.KW_ONLY
    cache: ImageCache

    def identity_bytes(self) -> Iterator[bytes]:
        """Yield bytes that distinguish the split from others, and from its files."""
        yield from super().identity_bytes()
        yield f"cached: {self.cache.settings}".encode()

    def image(self, index: int) -> np.ndarray:
        """Return one image, `(H, W, 3)`, as the cache has it.

        Raises:
            UnreadableImageError: naming the file and saying why.
        """
        try:
            return self._reader(tf.constant(index)).numpy()
        except (*READING_ERRORS, UnreadableImageError):
            super().image(index)  # which says why
            raise

    def reader(self) -> Callable[..., tf.Tensor]:
        """Return a function for the graph: `(index, window=None) -> image`."""
        self.cache.expect([key for key in self.keys if key])
        return self._reader

    @functools.cached_property
    def keys(self) -> list[bytes]:
        """What each image is found by in the cache; empty for a missing file."""
        how = self.exif_orientation, self.decoding
        return [key_of(path, *how) or b"" for path in self.paths.tolist()]

    @functools.cached_property
    def reduced(self) -> Callable[[tf.Tensor], tf.Tensor]:
        """A function for the graph that reduces a file: `(index) -> bytes`."""
        read_file, settings = file_reader(self.paths), self.cache.settings

        def reduce(index):
            return reduced_jpeg(
                *read_file(index),
                **dataclasses.asdict(settings),
                exif_orientation=self.exif_orientation,
                decoding=self.decoding,
            )

        return reduce

    @functools.cached_property
    def _reader(self):
        keys, cache, reduced = self.keys, self.cache, self.reduced

        @tf.autograph.experimental.do_not_convert
        def kept(index):
            return cache.get(keys[int(index)]) or b""

        @tf.autograph.experimental.do_not_convert
        def keep(index, data):
            data = np.asarray(data, object).item()
            if keys[int(index)]:
                cache.add(keys[int(index)], data)
            return data

        def read(index, window=None):
            def new():
                return _text(keep, [index, reduced(index)])

            data = _text(kept, [index])
            data = tf.cond(tf.strings.length(data) > 0, lambda: data, new)
            return decode(data, "the cache", window, False, decoding=self.decoding)

        return read


def _text(function, arguments):
    """A string that Python returns in the graph."""
    data = tf.numpy_function(function, arguments, tf.string)
    data.set_shape(())
    return data


def cached(
    dataset: Dataset,
    folder: str | os.PathLike[str],
    *,
    short_side: int | None = None,
    quality: int | None = None,
) -> Dataset:
    """Return a data set whose image files are read through a cache of small ones.

    The first pass over the images fills the cache: each becomes a JPEG, upright, its
    short side reduced with antialiasing. Later passes, of other processes too, decode
    that. An image whose file has another size or time stamp is made anew. Images
    that are small JPEG files already are kept as they are.

    Args:
        dataset: of image files.
        folder: where the reduced images are kept; several data sets may share it.
        short_side: pixels of the shorter side, which suffice for crops of a fraction
            `crop_area` of an image where they are `image_size / crop_area ** 0.5`. By
            default what the folder has already, or 448: 224 pixels of a quarter.
        quality: of the JPEG files, 1 to 100; by default what the folder has
            already, or 90.

    Returns:
        A `Dataset`, whose notes say what the cache takes on the disk.

    Raises:
        ValueError: if the training images are not in files, or the folder holds
            something else, smaller images, or others of another quality.
        OSError: if the disk has too little space.

    Example:

    >>> small = cached(load("photos"), "photos-448")  # doctest: +SKIP
    >>> small.train.image(0).shape  # doctest: +SKIP
    (448, 597, 3)
    """
    if dataset.train.paths is None:
        raise ValueError(
            "cache needs a data set of image files. Received: "
            f"{dataset.name!r}, whose images are in memory or in records. Leave out "
            "cache"
        )
    cache = open_cache(folder, short_side, quality)
    splits: dict[str, Any] = {
        name: cached_split(split, cache)
        for name, split in dataset.splits().items()
        if split.paths is not None
    }
    size = cache_size([*splits.values()], cache)
    size.check()
    return dataclasses.replace(dataset, **splits, notes=(*dataset.notes, str(size)))


def cached_split(split: Labelled, cache: ImageCache) -> Cached:
    """Return the split of the same image files, read through a cache."""
    return Cached(**_fields(split), cache=cache)


def is_cached(split: Labelled) -> TypeGuard[Cached]:
    """Return whether a split is read through a cache."""
    return isinstance(split, Cached)


def files_of(split: Labelled) -> Labelled:
    """Return the split that is read from its own files, not through a cache."""
    return Files(**_fields(split)) if is_cached(split) else split


def _fields(split: Labelled) -> dict[str, Any]:
    return {one.name: getattr(split, one.name) for one in dataclasses.fields(Files)}
