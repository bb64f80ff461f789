"""The images of an inspection, as the model's evaluation would see them."""

import pathlib

import numpy as np

from keras_vit.data.evaluation import evaluation_batches
from keras_vit.data.images import PLAIN, find_images, read_image
from keras_vit.data.preprocessing import preprocess


def images_of_files(
    paths, size, preprocessing, limit, exif_orientation=True, *, decoding=PLAIN
):
    """Reads image files.

    Args:
        paths: of files and folders.
        size: (height, width) of the model, in pixels.
        preprocessing: a `keras_vit.preprocessing.Preprocessing`.
        limit: the most to read, the first.
        exif_orientation: whether the cameras' notes on the orientation count.
        decoding: a `keras_vit.decoding.Decoding`.

    Returns:
        `(B, height, width, 3)` float32 pixels, and their files' names.

    Raises:
        FileNotFoundError: for a path that does not exist.
        ValueError: for a folder without images, or a file that is none.
    """
    files = find_images(paths)[:limit]
    images = [
        preprocess(read_image(path, exif_orientation, decoding), size, preprocessing)
        for path in files
    ]
    return np.stack(images).astype(np.float32), tuple(path.name for path in files)


def images_of_split(split, class_names, size, preprocessing, limit, seed=0):
    """Draws images of a split, of its classes in turn.

    Args:
        split: as `keras_vit.data.Split`.
        class_names: in the order of its labels.
        size: (height, width) of the model, in pixels.
        preprocessing: a `keras_vit.preprocessing.Preprocessing`.
        limit: the most to draw.
        seed: of the draw.

    Returns:
        `(B, height, width, 3)` float32 pixels, and a line for each: the names
        of its true classes and its own.

    Raises:
        UnreadableImageError: naming an image that cannot be read.

    Example:

    >>> from keras_vit.preprocessing import Preprocessing
    >>> split = data.Split(np.zeros((6, 4, 4, 3), np.uint8), np.arange(6) // 3)
    >>> _, names = images_of_split(split, ("cat", "dog"), (4, 4), Preprocessing(), 4)
    >>> sorted(name.split(" (")[0] for name in names)
    ['true: cat', 'true: cat', 'true: dog', 'true: dog']
    """
    drawn = _in_turn(split.labels, np.random.default_rng(seed))[:limit]
    part = split.subset(drawn)
    images, labels, _ = next(evaluation_batches(part, len(part), size, preprocessing))
    names = (
        f"true: {_classes(label, class_names)} ({_own_name(split, index)})"
        for label, index in zip(labels, drawn, strict=True)
    )
    return np.asarray(images, np.float32), tuple(names)


def _in_turn(labels, rng):
    """All indices in random order, no class again before each had its turn."""
    order = rng.permutation(len(labels))
    if labels.ndim == 2:
        return order
    turns = np.empty(len(order), int)
    for label in np.unique(labels):
        of_class = labels[order] == label
        turns[of_class] = np.arange(of_class.sum())
    return order[np.argsort(turns, kind="stable")]


def _classes(label, class_names):
    if np.ndim(label) == 0:
        return class_names[label]
    return " and ".join(class_names[one] for one in np.flatnonzero(label)) or "no class"


def _own_name(split, index):
    name = split.name(index)
    return f"number {name}" if name.isdigit() else pathlib.Path(name).name
