"""A folder of folders of images -> a data set."""

import itertools
import os

import numpy as np

from keras_vit.data.classes import (
    check_class_names,
    check_trained,
    composed,
    few,
    in_natural_order,
)
from keras_vit.data.dataset import Dataset
from keras_vit.data.images import SUFFIXES
from keras_vit.data.shares import SPLIT_WORDS, in_test_share, settled
from keras_vit.data.splits import Files

_SUFFIXES = tuple(suffix.encode() for suffix in SUFFIXES)


def read_folder(path, *, name=None, exif_orientation=True):
    """Reads a folder that holds a folder of images for each class.

    The classes lie in `train`, `val` (or `validation`) and `test`, or at the
    top: then a fifth is to be tested on, which the hash of an image's path
    below the folder decides. Folders inside a class's count for it, links are
    followed, and what is hidden or no image is passed over. No image is read.

    Args:
        path: of the folder.
        name: of the data set; the path by default.
        exif_orientation: whether images are turned as their camera noted.

    Returns:
        A `Dataset` of `Files`, by class and then by name.

    Raises:
        ValueError: if the folder is not so, or a split or a class would have
            nothing to learn from.

    Example:

    >>> read_folder("photos").class_names  # doctest: +SKIP
    ('cat', 'dog')
    """
    path = os.fspath(path)
    splits = _split_folders(path)
    names, blocks = _as_divided(splits, path) if splits else _divided(path)
    parts = {
        split: _files(of_classes, exif_orientation)
        for split, of_classes in blocks.items()
    }
    return Dataset(name or path, class_names=names, **parts)


def _split_folders(path):
    """The folders that are splits, by what they are; none where classes are."""
    found, classes = {}, []
    for name, folder in _folders(path).items():
        split = SPLIT_WORDS.get(name.lower())
        if split is None or (_holds_images(folder) and not _folders(folder)):
            classes.append(name)
        elif split in found:
            raise ValueError(f"{path} has two folders for the {split} split.")
        else:
            found[split] = folder
    if classes and not found and all(n.lower() in SPLIT_WORDS for n in classes):
        raise ValueError(
            f"{path}: the images in {few(classes)} belong into a folder for each "
            "class. Name the classes of loose images in a .csv table."
        )
    return settled(found, path) if found else {}


def _as_divided(splits, path):
    """Class names, and for each split an array of paths for each class."""
    found = {split: _folders(folder) for split, folder in splits.items()}
    names = in_natural_order(found["train"])
    check_class_names(names)
    for split, folders in found.items():
        others = in_natural_order(folders.keys() - {*names})
        if others:
            raise ValueError(
                f"{os.fsdecode(splits[split])} has classes that train lacks: "
                f"{few(others)}"
            )
    blocks = {
        split: [
            _array(_sorted_images(folders[n]) if n in folders else []) for n in names
        ]
        for split, folders in found.items()
    }
    _check(names, blocks, path, "Add some, or remove the folder of that name.")
    return names, blocks


def _divided(path):
    """The same of a folder without splits, a fifth of it to be tested on."""
    folders = _folders(path)
    names = in_natural_order(folders)
    check_class_names(names)
    if len(names) < 2:
        raise ValueError(
            f"Expected a folder of images for each class in {path}, or train/ and "
            f"test/ with such in them. Received: {few(map(repr, names)) or 'none'}"
        )
    blocks = {"train": [], "test": []}
    root = len(os.path.join(os.fsencode(path), b""))
    for name in names:
        paths = _sorted_images(folders[name])
        tested = [in_test_share(one[root:]) for one in paths]
        trained = [not one for one in tested]
        blocks["train"].append(_array(itertools.compress(paths, trained)))
        blocks["test"].append(_array(itertools.compress(paths, tested)))
    _check(
        names,
        blocks,
        path,
        "About a fifth of a folder without splits is tested on, which names decide. "
        "Add images, or divide them yourself into train/ and test/.",
    )
    return names, blocks


def _check(names, blocks, path, advice):
    untrained = [
        n for n, found in zip(names, blocks["train"], strict=True) if not len(found)
    ]
    check_trained(untrained, path, advice)
    empty = [split for split, found in blocks.items() if not sum(map(len, found))]
    if empty:
        raise ValueError(f"{path} has no images in its {empty[0]} split. {advice}")


def _files(of_classes, exif_orientation):
    labels = np.arange(len(of_classes), dtype=np.int32)
    labels = np.repeat(labels, [len(paths) for paths in of_classes])
    return Files(np.concatenate(of_classes), labels, exif_orientation)


def _sorted_images(folder):
    """The paths of the images in and below a folder, if there is one."""
    return sorted(_images(os.path.join(folder, b""), ())) if folder else []


def _array(paths):
    """Paths as bytes of one width: no object for each."""
    return np.array([*paths], dtype=np.bytes_)


def _images(folder, above):
    """Gives the path of each image, going down but never round in circles."""
    place = os.stat(folder)
    here = place.st_dev, place.st_ino
    if here in above:
        return
    with os.scandir(folder) as entries:
        for entry in entries:
            name = entry.name
            if _hidden(name):
                continue
            if entry.is_dir():
                yield from _images(os.path.join(folder, name, b""), (*above, here))
            elif name.lower().endswith(_SUFFIXES):
                yield folder + name


def _folders(path):
    """The folders in a folder, by their names: text, and bytes of the path."""
    found = {}
    with os.scandir(os.fsencode(path)) as entries:
        for entry in entries:
            if _hidden(entry.name) or not entry.is_dir():
                continue
            name = composed(os.fsdecode(entry.name))
            if name in found:
                raise ValueError(f"{os.fsdecode(path)} has two folders {name!r}.")
            found[name] = entry.path
    return found


def _holds_images(folder):
    with os.scandir(folder) as entries:
        return any(
            one.name.lower().endswith(_SUFFIXES)
            for one in entries
            if not _hidden(one.name) and not one.is_dir()
        )


def _hidden(name):
    return name.startswith(b".") or name == b"__MACOSX"
