"""A folder of folders of images -> a data set."""

import os
from collections.abc import Iterator, Sequence

import numpy as np

from keras_vit.data.classes import (
    check_class_names,
    check_trained,
    composed,
    few,
    in_natural_order,
)
from keras_vit.data.dataset import Dataset
from keras_vit.data.groups import (
    divided_groups,
    group_pattern,
    groups_of_paths,
)
from keras_vit.data.holdout import SPLIT_WORDS, held_out, path_hash, with_test_split
from keras_vit.data.images import SUFFIXES
from keras_vit.data.misplaced import check_no_parts, check_tested, hints
from keras_vit.data.splits import Files
from keras_vit.data.unread import Unread, is_hidden

_SUFFIXES = tuple(suffix.encode() for suffix in SUFFIXES)


def read_folder(
    path: str | os.PathLike[str],
    *,
    name: str | None = None,
    exif_orientation: bool = True,
    group: str | None = None,
) -> Dataset:
    """Read a folder that holds a folder of images for each class.

    The classes lie in `train`, `val` (or `validation`) and `test`, or these lie
    in the folder of each class. Or there are none: then about a fifth of every
    class is to be tested on, which the hash of an image's path below the folder
    decides. Folders inside a class's count for it, links are followed, and what
    is hidden or no image is passed over. No image is read.

    Args:
        path: of the folder.
        name: of the data set; the path by default.
        exif_orientation: whether images are turned as their camera noted.
        group: a regular expression that finds in a path below the folder the
            name of the group that an image belongs to, such as a patient: all
            that it matches, or what its first parentheses do. Groups are
            divided whole.

    Returns:
        A `Dataset` of `Files`, by class and then by name.

    Raises:
        ValueError: if the folder is not so, or a split or a class would have
            nothing to learn from.

    Example:

    >>> read_folder("photos").class_names  # doctest: +SKIP
    ('cat', 'dog')
    """
    path, unread = os.fspath(path), Unread()
    pattern = None if group is None else group_pattern(group)
    splits, notes = split_folders(path)
    classes = splits["train"] if splits else _folders(path)
    names = in_natural_order(classes)
    check_class_names(names)
    whole = splits or {None: classes}
    _check_classes(whole, names, path)
    root = os.path.join(os.fsencode(path), b"")
    parts = {}
    for split, folders in whole.items():
        of_classes = [_sorted_images(folders.get(n), unread) for n in names]
        parts[split] = _labelled(of_classes, root, pattern)
    if not splits:
        parts = _divided(parts[None], root)
    advice = "Add some, or remove the folder of that name." if splits else _ADVICE
    _check_parts(parts, names, path, advice + unread.appended())
    if len(names) < 2:
        raise _unlike(names, path)
    files = {
        split: Files(paths, labels, exif_orientation, groups)
        for split, (paths, labels, groups) in parts.items()
    }
    notes = (*notes, *unread.sentences())
    return Dataset(name or path, class_names=names, notes=notes, **files)


_ADVICE = (
    "About a fifth of a folder without splits is tested on, which names decide. Add "
    "images, or divide them yourself into train/ and test/."
)


def _check_classes(splits, names, path):
    """Refuse a folder without splits and classes; classes that train lacks."""
    if not names or (None in splits and len(names) < 2):
        raise _unlike(names, path)
    check_no_parts(names, path, divided=None not in splits)
    if None in splits:
        return
    for split, folders in splits.items():
        others = in_natural_order(folders.keys() - {*names})
        if others:
            raise ValueError(
                f"Expected in {split} the classes of train. Received: {path}, whose "
                f"{split} has classes that train lacks: {few(others)}. Add images of "
                "them to train, or remove them"
            )


def _unlike(names, path):
    unread = Unread()
    _sorted_images(os.fsencode(path), unread)
    message = (
        f"Expected a folder of images for each class in {path}, or train/ and test/ "
        "with such in them, and at least two classes. "
        f"Received: {few(map(repr, names)) or 'none'}"
    )
    more = [one.removesuffix(".") for one in (*hints(path), *unread.sentences())]
    if not more and not names:
        more = ["Make a folder in it for each class, and move its images there"]
    elif not more and len(names) == 1:
        more = ["Add a folder with images of another class"]
    return ValueError(". ".join([message, *more]))


def _labelled(of_classes, root, pattern):
    """Paths of one width, their labels, and their groups where a pattern finds them."""
    labels = np.arange(len(of_classes), dtype=np.int32)
    labels = np.repeat(labels, [len(paths) for paths in of_classes])
    paths = np.concatenate(of_classes)
    groups = None if pattern is None else groups_of_paths(paths, root, pattern)
    return paths, labels, groups


def _divided(whole, root):
    """About a fifth of every class to be tested on, and the rest."""
    paths, labels, groups = whole
    if groups is not None:
        tested = divided_groups(groups, labels, os.fsdecode(root))
    else:
        hashes = (path_hash(path.removeprefix(root)) for path in paths)
        tested = held_out(np.fromiter(hashes, np.uint64, len(paths)), labels)
    return {
        split: (paths[rows], labels[rows], None if groups is None else groups[rows])
        for split, rows in (("train", ~tested), ("test", tested))
    }


def _check_parts(parts, names, path, advice):
    counts = np.bincount(parts["train"][1], minlength=len(names))
    check_trained(
        [n for n, c in zip(names, counts, strict=True) if not c], path, advice
    )
    empty = [split for split, (paths, *_) in parts.items() if not len(paths)]
    if empty:
        raise ValueError(
            f"Expected images in every split. Received: {path}, which has no images in "
            f"its {empty[0]} split. {advice}"
        )


def split_folders(
    path: str | os.PathLike[str],
) -> tuple[dict[str, dict[str, bytes]], Sequence[str]]:
    """Find the splits of a folder: at the top, or inside the folder of each class.

    Args:
        path: of the folder.

    Returns:
        For each split the folders of classes, by name; empty where there are
        no splits. And a sentence on each thing that is passed over.

    Raises:
        ValueError: if images lie loose in splits, or only some classes have
            splits inside.
    """
    folders = _folders(path)
    found, classes = {}, []
    for name, folder in folders.items():
        split = SPLIT_WORDS.get(name.lower())
        if split is None or (_holds_images(folder) and not _folders(folder)):
            classes.append(name)
        elif split in found:
            raise ValueError(
                f"Expected one folder for the {split} split. Received: {path}, which "
                f"has two folders for it, such as {name!r}. Merge or rename one"
            )
        else:
            found[split] = _folders(folder)
    if classes and not found and all(n.lower() in SPLIT_WORDS for n in classes):
        raise ValueError(
            f"Expected in each split a folder of images for each class. Received: "
            f"{path}, whose images lie loose in {few(classes)}. Move them into a "
            "folder for each class, or list their classes in a .csv table."
        )
    if found:
        check_tested(found, path, classes)
        notes = [f"{few(classes)} beside the splits is not read."] if classes else []
        return with_test_split(found, path), notes
    found = _splits_inside(path, folders)
    return (with_test_split(found, path) if found else {}), []


def _splits_inside(path, folders):
    """The same of a folder in which each class has its splits; else nothing."""
    inside = {name: _folders(folder) for name, folder in folders.items()}
    words = {
        name: {SPLIT_WORDS.get(one.lower()) for one in within} - {None}
        for name, within in inside.items()
    }
    divided = [n for n in folders if "train" in words[n] and len(words[n]) > 1]
    if not divided:
        return {}
    found = {}
    for name, within in inside.items():
        others = [one for one in within if one.lower() not in SPLIT_WORDS]
        wrong = None
        if _holds_images(folders[name]):
            wrong = "images beside them"
        elif len(words[name]) < len(within) - len(others):
            wrong = "two folders for one split"
        elif any(len(_sorted_images(within[one], Unread())) for one in others):
            wrong = f"images in {few(others)}"
        if wrong:
            raise ValueError(
                f"{path}: expected train/ and test/ in the folder of each class, as in "
                f"{few(divided)}, and all its images in these. Received: {name} with "
                f"{wrong}"
            )
        for one in within.keys() - {*others}:
            found.setdefault(SPLIT_WORDS[one.lower()], {})[name] = within[one]
    return found


def _sorted_images(folder, unread):
    """The paths of the images in and below a folder, if there is one.

    As bytes of one width, which takes no object for each.
    """
    found = _images(os.path.join(folder, b""), (), unread) if folder else ()
    return np.array(sorted(found), np.bytes_)


def _images(folder: bytes, above, unread) -> Iterator[bytes]:
    """Yield the path of each image, going down but never round in circles."""
    place = os.stat(folder)
    here = place.st_dev, place.st_ino
    if here in above:
        return
    with os.scandir(folder) as entries:
        for entry in entries:
            name = entry.name
            if is_hidden(name):
                continue
            if entry.is_dir():
                inside = folder + name + os.fsencode(os.sep)
                yield from _images(inside, (*above, here), unread)
            elif name.lower().endswith(_SUFFIXES):
                yield folder + name
            else:
                unread.add(name)


def _folders(path):
    """The folders in a folder, by their names: text, and bytes of the path."""
    found = {}
    with os.scandir(os.fsencode(path)) as entries:
        for entry in entries:
            if is_hidden(entry.name) or not entry.is_dir():
                continue
            name = composed(os.fsdecode(entry.name))
            if name in found:
                raise ValueError(
                    "Expected a different name for each folder. Received: "
                    f"{os.fsdecode(path)}, which has two folders {name!r}, their "
                    "accents encoded in two ways. Rename or merge them"
                )
            found[name] = entry.path
    return found


def _holds_images(folder: bytes) -> bool:
    with os.scandir(folder) as entries:
        return any(
            one.name.lower().endswith(_SUFFIXES)
            for one in entries
            if not is_hidden(one.name) and not one.is_dir()
        )
