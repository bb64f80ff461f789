"""Arrays of pixels, in memory or in an .npz file -> a data set."""

import os
import pathlib
import zipfile
import zlib
from collections.abc import Sequence
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from keras_vit.data.array_range import pixels_in_range
from keras_vit.data.classes import check_class_names, check_trained, untrained
from keras_vit.data.dataset import Dataset
from keras_vit.data.holdout import content_hash, held_out, with_test_split
from keras_vit.data.images import PLAIN
from keras_vit.data.splits import Split
from keras_vit.decoding import Decoding

# Images and labels.
ArrayPair = tuple[npt.ArrayLike, npt.ArrayLike]
# The two arrays of each split, as they may be called.
_NAMES = {
    "train": (("train_images", "train_labels"), ("x_train", "y_train")),
    "validation": (
        ("validation_images", "validation_labels"),
        ("val_images", "val_labels"),
        ("x_validation", "y_validation"),
        ("x_val", "y_val"),
    ),
    "test": (("test_images", "test_labels"), ("x_test", "y_test")),
}
_UNDIVIDED = ("images", "labels")


def from_arrays(
    train: ArrayPair,
    test: ArrayPair | None = None,
    *,
    validation: ArrayPair | None = None,
    class_names: Sequence[str] | np.ndarray | None = None,
    name: str = "arrays",
    pixel_range: str | tuple[float, float] | None = None,
) -> Dataset:
    """Build a data set from arrays, such as those of Keras's `load_data`.

    Args:
        train: images and labels. Images are uint8 or float32 pixels in
            [0, 255], `(N, H, W, 3)`, or grey, `(N, H, W)` or `(N, H, W, 1)`.
            Labels are integers, `(N,)` or `(N, 1)`, or zeros and ones,
            `(N, K)`.
        test: the same. Without, about a fifth of the training images, which
            the hash of each one's pixels decides.
        validation: the same, if there is such a split.
        class_names: in the order of the labels; their numbers by default.
        name: of the data set.
        pixel_range: the numbers that become 0 and 255 where images are others,
            `(low, high)` or such as `"0:4095"`. Files for the model are read
            by it too. `None`: they are pixels in [0, 255] already.

    Returns:
        A `Dataset`.

    Raises:
        ValueError: if the arrays are not so.

    Example:

    >>> pixels = np.arange(20 * 8 * 8, dtype=np.uint8).reshape(20, 8, 8)
    >>> from_arrays((pixels, np.arange(20) % 2), (pixels, np.ones(20, int))).num_classes
    2
    """
    arrays = {"train": train, "validation": validation, "test": test}
    decoding = Decoding(pixel_range)  # pyright: ignore[reportArgumentType]  text, too
    splits = {
        name: split_of_arrays(pair[0], pair[1], decoding)
        for name, pair in arrays.items()
        if pair is not None
    }
    if test is None:
        if validation is not None:
            raise ValueError(
                "Expected validation together with test. Received: validation alone. "
                "Pass test too, or pass these images as test"
            )
        splits = _divided(splits["train"], train[0], name)
    if class_names is None:
        class_names = np.arange(_count_classes(splits.values()))
    texts = tuple(np.asarray(class_names).astype(str).ravel().tolist())
    check_class_names(texts)
    dataset = Dataset(name, **cast(Any, splits), class_names=texts)
    if test is None:
        check_trained(untrained(dataset), name, "Pass arrays for both.")
    return dataset


def read_arrays(
    path: str | os.PathLike[str], pixel_range: str | tuple[float, float] | None = None
) -> Dataset:
    """Read an .npz file of pixels and labels.

    Its arrays are called train_images, train_labels, test_images, test_labels,
    or x_train, y_train, x_test, y_test, and are as `from_arrays` takes them.
    Validation may be there too, and class_names. The two arrays images and
    labels alone are divided as `from_arrays` does without `test`.

    Args:
        path: of the file.
        pixel_range: as `from_arrays` takes it.

    Raises:
        ValueError: if the file is damaged, or its arrays are not so.
    """
    path = pathlib.Path(path)
    try:
        with np.load(path, allow_pickle=False) as file:
            found = dict(file)
    except (
        zipfile.BadZipFile,
        zlib.error,
        EOFError,
        ValueError,
        AttributeError,
        TypeError,  # of one array, an .npy file
    ) as error:
        raise ValueError(
            f"Expected an .npz file of plain arrays. Received: {path}, which is "
            f"damaged or of another kind ({error}). Write it by numpy.savez"
        ) from error
    parts = {
        split: (found[images], found[labels])
        for split, pairs in _NAMES.items()
        for images, labels in pairs
        if images in found and labels in found
    }
    if parts:
        parts = with_test_split(parts, str(path))
    elif all(name in found for name in _UNDIVIDED):
        parts = {"train": tuple(found[name] for name in _UNDIVIDED)}
    else:
        raise ValueError(
            f"{path}: expected arrays train_images, train_labels, test_images and "
            "test_labels, or x_train, y_train, x_test and y_test, or images and "
            f"labels. Received: {', '.join(found) or 'none'}. Write them by "
            "numpy.savez under such names"
        )
    options = {"class_names": found.get("class_names"), "pixel_range": pixel_range}
    return from_arrays(**parts, name=path.stem, **options)


def split_of_arrays(
    images: npt.ArrayLike, labels: npt.ArrayLike, decoding: Decoding = PLAIN
) -> Split:
    """Return a `Split` of images, RGB or grey, and labels.

    Args:
        images: as `from_arrays` takes them.
        labels: as `from_arrays` takes them.
        decoding: a `keras_vit.decoding.Decoding`; its `pixel_range` maps the
            images.

    Raises:
        ValueError: if the arrays are not so.
    """
    images, labels = np.asarray(images), np.asarray(labels)
    if decoding.pixel_range is not None:
        images = pixels_in_range(images, decoding.pixel_range)
    if images.ndim == 3:
        images = images[..., np.newaxis]
    if images.ndim == 4 and images.shape[-1] == 1:
        images = np.repeat(images, 3, axis=-1)
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.ndim == 1 and labels.dtype.kind in "iu":
        labels = labels.astype(np.int64)  # TensorFlow takes no int16 for a class
    return Split(images, labels, decoding)


def _divided(split, images, name):
    """A split as one to train and one to test on, by the hash of each image."""
    hashes = [content_hash(np.asarray(image).tobytes()) for image in images]
    tested = held_out(np.array(hashes, np.uint64), split.labels)
    if not tested.any() or tested.all():
        raise ValueError(
            "Expected images to train on and to test on. Received: "
            f"{len(split)} in {name}, of which hashes of their pixels chose none for "
            f"{'training' if tested.any() else 'testing'}. Pass arrays for both."
        )
    return {"train": split.subset(~tested), "test": split.subset(tested)}


def _count_classes(splits):
    """How many classes labels tell of."""
    labels = [split.labels for split in splits if len(split)]
    counts = (x.shape[1] if x.ndim == 2 else int(x.max()) + 1 for x in labels)
    return max(counts, default=0)
