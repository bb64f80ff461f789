"""Images of any kind through a classifier of any kind, one batch after the other."""

from __future__ import annotations

import os
import pathlib
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from keras_vit.ahead import one_ahead
from keras_vit.class_names import checked_names
from keras_vit.litert_model import SUFFIX, LiteRTModel
from keras_vit.preprocessing import Preprocessing

if TYPE_CHECKING:
    import keras

    from keras_vit.classifier import Classifier
    from keras_vit.data.image_inputs import ImageReader
    from keras_vit.model_files import ServedModel

Source: TypeAlias = (
    "keras.Model | ServedModel | LiteRTModel | Classifier | str | os.PathLike[str]"
)


def classifier_of(
    source: Source, class_names: Sequence[str] | None
) -> Classifier | LiteRTModel:
    """Return the classifier of a model or a path. A .tflite file needs no Keras.

    Args:
        source: as `predict` takes it.
        class_names: instead of those saved with the model; `None`: those.

    Raises:
        FileNotFoundError, TypeError, ValueError: as `predict`.
    """
    if isinstance(source, str | os.PathLike) and pathlib.Path(source).suffix == SUFFIX:
        source = LiteRTModel(source)
    if isinstance(source, LiteRTModel):
        return source
    from keras_vit.classifier import Classifier

    return Classifier.of(source, class_names=class_names)


def names_of_classes(
    classifier: Classifier | LiteRTModel, class_names: Sequence[str] | None
) -> tuple[str, ...]:
    """Return the names of all classes, which are numbered if they are unknown."""
    names = classifier.class_names
    if isinstance(classifier, LiteRTModel) and class_names is not None:
        names = checked_names(class_names, classifier.num_classes)
    return names or tuple(f"class {number}" for number in range(classifier.num_classes))


def probabilities_in_batches(
    classifier: Classifier | LiteRTModel,
    readers: list[ImageReader],
    resizing: Preprocessing | None,
    batch_size: int,
) -> Iterator[np.ndarray | str]:
    """Yield each image's probabilities, `(K,)` float32, or why it cannot be read.

    Args:
        classifier: of K classes.
        readers: of the images, which are read a batch ahead.
        resizing: how images become the model's size; `None`: as the model has it.
        batch_size: images at a time.
    """
    preprocess = _preprocess_of(classifier)
    size, resizing = classifier.image_size, resizing or classifier.preprocessing

    def pixels_of(batch: list[ImageReader]) -> list[np.ndarray | str]:
        return [_pixels_or_error(one, preprocess, size, resizing) for one in batch]

    batches = [
        readers[start : start + batch_size]
        for start in range(0, len(readers), batch_size)
    ]
    for found in one_ahead(pixels_of, batches):
        pixels = [one for one in found if not isinstance(one, str)]
        rows = iter(classifier.probabilities(np.stack(pixels)) if pixels else ())
        for one in found:
            if isinstance(one, str):
                yield one
            else:
                yield np.array(next(rows), np.float32)  # that no batch is kept by it


def _pixels_or_error(
    reader: ImageReader, preprocess: Any, size: tuple[int, int], resizing: Preprocessing
) -> np.ndarray | str:
    """Return an image `(height, width, 3)` of the model's size, or what is wrong."""
    from keras_vit.data.images import UnreadableImageError

    try:
        return np.asarray(preprocess(reader.read(), size, resizing), np.float32)
    except UnreadableImageError as error:
        return str(error)


def _preprocess_of(classifier: Classifier | LiteRTModel) -> Any:
    """Return the function that makes pixels of the model's size."""
    if isinstance(classifier, LiteRTModel):
        from keras_vit.data.array_preprocessing import preprocess_array

        return preprocess_array
    from keras_vit.data.preprocessing import preprocess

    return preprocess
