"""What a classifier sees in images."""

from __future__ import annotations

import pathlib
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

from keras_vit.classified_images import (
    Source,
    classifier_of,
    names_of_classes,
    probabilities_in_batches,
)
from keras_vit.counts import check_counts
from keras_vit.decoding import AUTO, FULL, Decoding
from keras_vit.preprocessing import Preprocessing, resolve

if TYPE_CHECKING:
    from keras_vit.data.image_inputs import ImageInputs

TOP = 5  # classes that a prediction names where no number is asked for


class ClassProbability(NamedTuple):
    """A class and its probability."""

    label: str
    probability: float


def _nothing() -> np.ndarray:
    return np.zeros(0, np.float32)


@dataclass(frozen=True, eq=False)
class Prediction:
    """What a classifier sees in one image, or why the image could not be read.

    Attributes:
        path: of the file; `None` for an image from memory.
        class_names: K names, in the order of the model's outputs. All predictions
            of one call share them.
        class_probabilities: `(K,)` float32, in the same order: 4 bytes a class.
            Empty if the image could not be read.
        error: why the image could not be read; `None` if it could.

    Example:

    >>> seen = Prediction(None, ("cat", "dog"), np.float32([0.25, 0.75]))
    >>> seen.label, seen.probability
    ('dog', 0.75)
    """

    path: pathlib.Path | None
    class_names: tuple[str, ...] = ()
    class_probabilities: np.ndarray = field(default_factory=_nothing)
    error: str | None = None
    _named: int = TOP  # that `classes` and `probabilities` name

    def __repr__(self) -> str:
        if self.error is not None:
            return f"Prediction(path={self.path!r}, error={self.error!r})"
        top = ", ".join(f"{name} {100 * share:.1f} %" for name, share in self.top())
        return f"Prediction(path={self.path!r}, {top})"

    @property
    def label(self) -> str | None:
        """The likeliest class; `None` if the image could not be read."""
        return self.class_names[self._likeliest] if self.error is None else None

    @property
    def probability(self) -> float:
        """The likeliest class's probability; NaN if the image could not be read."""
        if self.error is not None:
            return float("nan")
        return float(self.class_probabilities[self._likeliest])

    def top(self, k: int = TOP) -> list[ClassProbability]:
        """Return the k likeliest classes, the likeliest first.

        Args:
            k: how many; all classes if there are fewer.

        Returns:
            Pairs `(label, probability)`; none if the image could not be read.

        Raises:
            ValueError: for k below 1.

        Example:

        >>> Prediction(None, ("cat", "dog"), np.float32([0.25, 0.75])).top(1)
        [ClassProbability(label='dog', probability=0.75)]
        """
        check_counts(k=k)
        order = np.argsort(-self.class_probabilities, kind="stable")[:k]
        return [
            ClassProbability(self.class_names[i], float(self.class_probabilities[i]))
            for i in order
        ]

    @property
    def classes(self) -> tuple[str, ...]:
        """The likeliest classes' names. Deprecated: `top(k)` names any number."""
        _deprecated("Prediction.classes", "Prediction.top(k)")
        return tuple(one.label for one in self.top(self._named))

    @property
    def probabilities(self) -> tuple[float, ...]:
        """The likeliest classes' probabilities. Deprecated: as `classes`."""
        _deprecated("Prediction.probabilities", "Prediction.top(k)")
        return tuple(one.probability for one in self.top(self._named))

    @property
    def _likeliest(self) -> int:
        return int(np.argmax(self.class_probabilities))


def predict(
    model: Source,
    images: ImageInputs,
    *,
    class_names: Sequence[str] | None = None,
    batch_size: int = 32,
    preprocessing: Preprocessing | str | None = None,
    exif_orientation: bool = True,
    pixel_range: tuple[float, float] | str | None = None,
    background: Literal["white", "black", "ignore"] | None = None,
    max_pixels: int | None = None,
    top: int | None = None,
) -> list[Prediction]:
    """Classify images: files, folders, arrays, PIL images or bytes.

    Each image is resized as in evaluation. An image that cannot be read does not
    stop the others: its `Prediction` says why. The list keeps all probabilities,
    4 bytes for each class and image; `iter_predictions` keeps none.

    Args:
        model: a Keras model of logits or of probabilities (see
            `keras_vit.logits.logits_model`), the path of a run's folder, a `.keras`
            file, a SavedModel or a `.tflite` file, or a `Classifier`. A `.tflite`
            file is run by LiteRT, its images are resized by Pillow and NumPy.
        images: one image or a list of several. Paths of files and folders, in which
            `~` and `*` are expanded; arrays `(H, W, 3)` or `(B, H, W, 3)`, uint8 or
            float32 pixels in [0, 255], or grey, `(H, W)` or `(B, H, W, 1)`; PIL
            images of any mode; bytes of image files. They may have any size.
        class_names: in the order of the outputs, instead of those saved with the
            model. A model of one output takes two, or that of its class alone.
        batch_size: images at a time.
        preprocessing: how images become the model's size, as `evaluate` takes
            it, instead of the model's own.
        exif_orientation: whether the camera's note on the orientation counts.
        pixel_range: which samples of more than 8 bits, or which numbers of arrays,
            become black and white, such as `"0:4095"`, or `"full"`; instead of the
            model's own.
        background: what is seen behind transparent pixels, `"white"` or
            `"black"`; `"ignore"`: transparency is dropped. The model's own by
            default.
        max_pixels: files of more pixels are refused. The model's own by default.
        top: deprecated; `Prediction.top(k)` names any number of classes.

    Returns:
        A `Prediction` for each image, in order.

    Raises:
        FileNotFoundError: if a path does not exist.
        TypeError: for what is neither a model nor an image.
        ValueError: before any image is classified: if a folder has no images, an
            array has another shape or other numbers than pixels, class names and
            outputs differ in number, or for an unknown preprocessing or range.

    Example:

    >>> for seen in predict("runs/fashion_mnist", "shoes/"):  # doctest: +SKIP
    ...     print(seen.path.name, seen.label, round(seen.probability, 2))
    1.png Ankle boot 0.93
    """
    if top is not None:
        _deprecated("predict(top=...)", "Prediction.top(k)")
    found = iter_predictions(
        model,
        images,
        class_names=class_names,
        batch_size=batch_size,
        preprocessing=preprocessing,
        exif_orientation=exif_orientation,
        pixel_range=pixel_range,
        background=background,
        max_pixels=max_pixels,
    )
    return [one if top is None else replace(one, _named=top) for one in found]


def iter_predictions(
    model: Source,
    images: ImageInputs,
    *,
    class_names: Sequence[str] | None = None,
    batch_size: int = 32,
    preprocessing: Preprocessing | str | None = None,
    exif_orientation: bool = True,
    pixel_range: tuple[float, float] | str | None = None,
    background: Literal["white", "black", "ignore"] | None = None,
    max_pixels: int | None = None,
) -> Iterator[Prediction]:
    """Classify images one batch after the other, as `predict` does.

    Args:
        model: as `predict` takes it, and so are all other arguments.

    Returns:
        An iterator of a `Prediction` for each image, in order. Arguments are
        checked before it is returned; images are read as it is asked for them, a
        batch ahead, by a thread beside the model.

    Raises:
        FileNotFoundError, TypeError, ValueError: as `predict`.

    Example:

    >>> for seen in iter_predictions("runs/x", "photos/"):  # doctest: +SKIP
    ...     print(seen.path, seen.label)
    """
    from keras_vit.data.image_inputs import image_readers, listed_inputs

    check_counts(batch_size=batch_size)
    resizing = None if preprocessing is None else resolve(preprocessing)
    images = listed_inputs(images)  # a wrong path is refused before a model is loaded
    classifier = classifier_of(model, class_names)
    changes = {
        "pixel_range": pixel_range,
        "background": background,
        "max_pixels": max_pixels,
    }
    decoding = _changed(classifier.decoding, changes)
    array_range = None if pixel_range is None else decoding.pixel_range
    readers = image_readers(
        images,
        exif_orientation=exif_orientation,
        decoding=decoding,
        array_range=FULL if pixel_range == FULL else array_range,
    )
    names = names_of_classes(classifier, class_names)
    found = probabilities_in_batches(classifier, readers, resizing, batch_size)
    return (
        Prediction(reader.path, names, error=one)
        if isinstance(one, str)
        else Prediction(reader.path, names, one)
        for reader, one in zip(readers, found, strict=True)
    )


def _changed(decoding: Decoding, changes: dict) -> Decoding:
    """Return a `Decoding` with the values that are not `None`."""
    if changes["pixel_range"] == AUTO:
        raise ValueError(
            "pixel_range=auto is found in a data set. Expected full, or two numbers "
            "such as 0:4095, or None for the model's own. Received: auto"
        )
    return replace(decoding, **{k: v for k, v in changes.items() if v is not None})


def _deprecated(old: str, new: str) -> None:
    warnings.warn(
        f"{old} goes with the next version; use {new}", DeprecationWarning, stacklevel=3
    )
