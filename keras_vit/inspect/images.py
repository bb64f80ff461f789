"""What the functions of inspection take as images -> pixels of the model's size."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, TypeAlias

import keras
import numpy as np

from keras_vit.classifier import Classifier
from keras_vit.counts import check_counts
from keras_vit.inspect.blocks import blocks_of
from keras_vit.inspect.drawn_images import ReadImages, draw_images
from keras_vit.inspect.image_kinds import (
    is_array,
    is_data_set,
    is_stream,
    source_of,
)
from keras_vit.inspect.sources import opened
from keras_vit.model_source import ModelSource

if TYPE_CHECKING:
    from keras_vit.data.dataset import Dataset
    from keras_vit.data.image_inputs import ImageInputs, ImageReader
    from keras_vit.data.labelled import Labelled
    from keras_vit.decoding import Decoding

DataSet: TypeAlias = "Dataset | Labelled | tuple[np.ndarray, Any]"
Images: TypeAlias = "ImageInputs | DataSet | Iterable[np.ndarray]"

NO_IMAGE = "Expected at least one image. Received: none"
DRAWN = 8  # images of a data set where each has a map of its own
AVERAGED = 128  # images of a data set where the mean over them is returned


def read_images(
    model: ModelSource,
    images: Images,
    limit: int | None = None,
    *,
    exif_orientation: bool = True,
    decoding: Decoding | None = None,
) -> ReadImages:
    """Return images as a model sees them: of its size, by its own preprocessing.

    Arrays of the model's size are returned as they are, in float32. All others,
    and image files, are decoded, resized and cropped as in the model's evaluation.

    Args:
        model: a Keras model, a `Classifier`, or the path of a run's folder or a
            `.keras` file.
        images: arrays `(H, W, 3)` or `(B, H, W, 3)` of pixels in [0, 255]; paths of
            image files and folders; PIL images; bytes of image files; a list of
            these; an iterable of batches, such as a `tf.data.Dataset`; or a data
            set: its name, a `keras_vit.data.Dataset` (its test split is used), a
            split, or `(images, labels)`.
        limit: the most images to read. Of a data set they are drawn at random, of
            its classes in turn, 128 by default; of all else the first are read.
        exif_orientation: whether the camera's note on the orientation counts.
        decoding: how samples of image files become pixels, instead of the model's.

    Raises:
        FileNotFoundError: for a path that does not exist.
        TypeError: for what is no model or no image.
        ValueError: for arrays that are no images, an image that cannot be read, or
            if there is no image.

    Example:

    >>> model = keras_vit.ViT_Ti16(num_classes=10, image_size=32)
    >>> found = read_images(model, "fashion_mnist_sample", limit=20)
    >>> found.pixels.shape, len(found.names)
    ((20, 32, 32, 3), 20)
    """
    if limit is not None and limit < 1:
        raise ValueError(f"limit must be at least 1. Received: limit={limit}")
    keras_model, source = opened(model)
    reading = _Reading(keras_model, source, exif_orientation, decoding)
    if is_data_set(images):
        return reading.drawn(images, limit or AVERAGED)
    images = reading.stacked(images)
    if is_array(images) or is_stream(images):
        pixels = _first(reading.batches(images, limit or 16), limit)
        names = tuple(f"image {number}" for number in range(1, len(pixels) + 1))
        return ReadImages(pixels, names, "given images")
    readers = reading.readers(images)[:limit]
    if not readers:
        raise ValueError(NO_IMAGE)
    pixels = np.stack([reading.pixels(one) for one in readers])
    names = tuple(
        f"image {number}" if one.path is None else one.path.name
        for number, one in enumerate(readers, 1)
    )
    return ReadImages(pixels, names, source_of(images))


def model_and_images(
    model: ModelSource, images: Images
) -> tuple[keras.Model, np.ndarray]:
    """Return a Keras model whose blocks keep every token, and pixels for it.

    Of a data set, `DRAWN` images are drawn: those of `read_images`.
    """
    keras_model, source = opened(model)
    blocks_of(keras_model)
    limit = DRAWN if is_data_set(images) else None
    return keras_model, read_images(source, images, limit).pixels


def model_and_batches(
    model: ModelSource, images: Images, batch_size: int
) -> tuple[keras.Model, Iterator[np.ndarray]]:
    """Return a Keras model whose blocks keep every token, and pixels in batches.

    Of a data set, `AVERAGED` images are drawn: those of `read_images`.

    Raises:
        ValueError: also for a batch size below 1.
    """
    keras_model, source = opened(model)
    blocks_of(keras_model)
    reading = _Reading(keras_model, source)
    return keras_model, reading.batches(images, batch_size)


def mean_over_images(
    batches: Iterable[np.ndarray], function: Callable[[np.ndarray], np.ndarray]
) -> np.ndarray:
    """Return the mean over images of what a function returns, one batch at a time.

    Args:
        batches: of `model_and_batches`.
        function: returns its mean over a batch.
    """
    total, count = np.zeros(()), 0
    for batch in batches:
        total = total + len(batch) * np.asarray(function(batch), np.float64)
        count += len(batch)
    return total / count


def _some(batches: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
    """The batches, in which there is at least one image."""
    count = 0
    for batch in batches:
        yield batch
        count += len(batch)
    if not count:
        raise ValueError(NO_IMAGE)


def _first(batches: Iterable[np.ndarray], limit: int | None) -> np.ndarray:
    """The first images of batches as one array; all without a limit."""
    found, count = [], 0
    for batch in batches:
        found.append(batch)
        count += len(batch)
        if limit is not None and count >= limit:
            break
    return np.concatenate(found)[:limit]


class _Reading:
    """How images become pixels of a model's size.

    Args:
        model: that takes the images.
        source: what knows its preprocessing.
        exif_orientation: as `read_images` takes it.
        decoding: as `read_images` takes it.
    """

    def __init__(
        self,
        model: keras.Model,
        source: keras.Model | Classifier,
        exif_orientation: bool = True,
        decoding: Decoding | None = None,
    ):
        height, width = model.input_shape[1:3]
        self.size = (height, width)
        self._source, self._decoding = source, decoding
        self._exif_orientation = exif_orientation

    @property
    def classifier(self) -> Classifier:
        """The model's meaning, read from it where images are not of its size."""
        if not isinstance(self._source, Classifier):
            self._source = Classifier.of(self._source)
        return self._source

    def readers(self, images: Any) -> list[ImageReader]:
        """Return a reader for each image, in order."""
        from keras_vit.data.image_inputs import image_readers

        return image_readers(
            images,
            exif_orientation=self._exif_orientation,
            decoding=self._decoding or self.classifier.decoding,
        )

    def pixels(self, reader: ImageReader) -> np.ndarray:
        """Return float32 pixels `(height, width, 3)` of one image."""
        from keras_vit.data.preprocessing import preprocess

        way = self.classifier.preprocessing
        return np.asarray(preprocess(reader.read(), self.size, way), np.float32)

    def drawn(self, data: Any, limit: int) -> ReadImages:
        """Return images of the test split of a data set, of its classes in turn."""
        return draw_images(data, self.classifier, limit, decoding=self._decoding)

    def batches(self, images: Any, batch_size: int) -> Iterator[np.ndarray]:
        """Return an array in batches of nearly one size, and batches as they are."""
        check_counts(batch_size=batch_size)
        if is_data_set(images):
            images = self.drawn(images, AVERAGED).pixels
        images = self.stacked(images)
        if is_stream(images):
            stream: Any = images
            return _some(self._fitted(_pixels_of(batch)) for batch in stream)
        if is_array(images):
            images = images[None] if len(images.shape) == 3 else images
        else:
            images = self.readers(images)
        if not len(images):
            raise ValueError(NO_IMAGE)
        count = -(-len(images) // batch_size)
        places = np.array_split(np.arange(len(images)), count)
        parts = (images[p[0] : p[-1] + 1] for p in places)
        if isinstance(images, list):
            return (np.stack([self.pixels(one) for one in part]) for part in parts)
        return map(self._fitted, parts)

    def stacked(self, images: Any) -> Any:
        """Return a list of arrays of the model's size as one array."""
        if not isinstance(images, (list, tuple)) or not images:
            return images
        sized = (is_array(one) and one.shape == (*self.size, 3) for one in images)
        return np.stack(images) if all(sized) else images

    def _fitted(self, images: Any) -> np.ndarray:
        """Pixels `(B, height, width, 3)` of an array of images, or of one."""
        if tuple(getattr(images, "shape", ())) == (*self.size, 3):
            images = images[None]
        if tuple(getattr(images, "shape", ()))[1:] == (*self.size, 3):
            return np.asarray(images, np.float32)
        return np.stack([self.pixels(one) for one in self.readers(images)])


def _pixels_of(batch: Any) -> Any:
    """The images of a batch that may bring labels along."""
    return batch[0] if isinstance(batch, tuple) else batch
