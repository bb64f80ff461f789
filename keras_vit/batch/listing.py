"""What people name as images -> an item for each, in an order that stays the same.

Nothing is kept in memory but the names of one folder: a job may have more images
than fit into it.
"""

from __future__ import annotations

import glob
import os
import pathlib
import re
import zipfile
from collections.abc import Iterator, Sequence

from keras_vit.batch import filesystem
from keras_vit.batch.items import Item
from keras_vit.batch.path_tables import SUFFIXES as OF_TABLES
from keras_vit.batch.path_tables import paths_in_table
from keras_vit.data.images import SUFFIXES
from keras_vit.data.unread import is_hidden

_OF_RECORDS = re.compile(r"\.tfrecords?(-\d{5}-of-\d{5})?$", re.IGNORECASE)
_TFDS = "tfds:"
EXPECTED = (
    "image files, folders, patterns such as photos/**/*.jpg, archives (.zip), tables "
    f"of paths ({', '.join(OF_TABLES)}), records (.tfrecord, tfds:<name>, or a folder "
    "of TensorFlow Datasets), each on disk or such as gs://bucket/photos"
)


def listed(
    images: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    *,
    split: str | None = None,
    image_column: str | None = None,
    data_dir: str | os.PathLike[str] | None = None,
) -> Iterator[Item]:
    """Yield an `Item` for each image that is named, one after the other.

    A folder stands for the image files in and below it, by name, as in `predict`;
    an archive for those in it; a table for its paths, whether there is a file or
    not, which are relative to its own folder or to `data_dir`.

    Args:
        images: one or several of `EXPECTED`.
        split: of records of TensorFlow Datasets, the only one to take.
        image_column: of a table, the column of the path; of TFRecord files, the
            feature that is the image.
        data_dir: where the images of a table lie, or prepared data sets.

    Raises:
        FileNotFoundError: if there is nothing at a path.
        ValueError: for a folder, an archive or a pattern without images.

    Example:

    >>> pathlib.Path("photos/cats").mkdir(parents=True)
    >>> for name in ("b.jpg", "cats/a.png", "notes.txt"):
    ...     pathlib.Path("photos", name).touch()
    >>> [item.name for item in listed("photos")]
    ['photos/b.jpg', 'photos/cats/a.png']
    """
    several = [images] if isinstance(images, str | os.PathLike) else list(images)
    column, folder = image_column or "", None if data_dir is None else str(data_dir)
    for one in [os.fspath(source) for source in several]:
        if one.startswith(_TFDS):
            yield from _of_builder(one, split, folder)
            continue
        count = 0
        for path in _expanded(one):
            for item in _of_path(path, split, column, folder):
                count += 1
                yield item
        if not count:
            raise ValueError(
                f"Expected {EXPECTED}. Received: {one!r}, which has no images"
            )


def _expanded(path: str) -> Iterator[str]:
    """The path with `~` expanded, or what matches a pattern, by name."""
    if filesystem.is_remote(path):
        pattern = glob.has_magic(path)
        yield from filesystem.matching(path) if pattern else [path]
        return
    path = os.path.expanduser(path)
    if path and (os.path.exists(path) or not glob.has_magic(path)):
        yield path
    else:
        yield from sorted(glob.glob(path, recursive=True))


def _of_path(
    path: str, split: str | None, column: str, data_dir: str | None
) -> Iterator[Item]:
    suffix = os.path.splitext(path)[1].lower()
    if not filesystem.is_remote(path) and os.path.isdir(path):
        if os.path.isfile(os.path.join(path, "dataset_info.json")):
            return _of_builder(path, split, None)
        return (Item(one) for one in image_files(path))
    if _OF_RECORDS.search(path):
        return _of_records(path, column)
    if suffix == ".zip":
        return _of_archive(path)
    if suffix in OF_TABLES:
        return (Item(one) for one in paths_in_table(path, column, data_dir))
    if filesystem.is_remote(path) and suffix not in SUFFIXES:
        inside = filesystem.matching(path.rstrip("/") + "/**")
        return (Item(one) for one in inside if one.lower().endswith(SUFFIXES))
    if not filesystem.is_remote(path) and not os.path.exists(path):
        raise FileNotFoundError(f"No such file or folder: {path}. Expected {EXPECTED}")
    return iter([Item(path)])


def image_files(folder: str) -> Iterator[str]:
    """Yield the image files in and below a folder, by name, as `find_images` sorts.

    Links to files are followed, links to folders are not.
    """
    with os.scandir(folder) as entries:
        inside = sorted(entries, key=lambda entry: entry.name)
    for entry in inside:
        if entry.is_dir(follow_symlinks=False):
            yield from image_files(entry.path)
        elif entry.name.lower().endswith(SUFFIXES) and entry.is_file():
            yield entry.path


def _of_archive(path: str) -> Iterator[Item]:
    try:
        with filesystem.opened(path) as file, zipfile.ZipFile(file) as archive:
            names = sorted(archive.namelist())
    except zipfile.BadZipFile as error:
        raise ValueError(
            f"Expected a zip archive. Received: {path}, which is damaged or of another "
            f"kind ({error}). Make or download it again"
        ) from error
    for name in dict.fromkeys(names):
        hidden = any(is_hidden(part) for part in name.split("/"))
        if name.lower().endswith(SUFFIXES) and not hidden:
            yield Item(f"{path}/{name}", path, name)


def _of_records(path: str, key: str) -> Iterator[Item]:
    with filesystem.on_disk(path) as file:
        from keras_vit.data.tfrecord import record_offsets

        for number, offset in enumerate(record_offsets(file).tolist()):
            yield Item(f"{path}, record {number}", path, key, offset)


def _of_builder(name: str, split: str | None, data_dir: str | None) -> Iterator[Item]:
    from keras_vit.data import tfds

    if name.startswith(_TFDS):
        builder = tfds.prepared(name, data_dir=data_dir)
    else:
        builder = tfds.prepared_in(name)
    splits = builder.info.splits
    if split is not None and split not in splits:
        raise ValueError(
            f"Expected a split of {name}: {', '.join(splits)}. Received: {split!r}"
        )
    key = tfds.image_feature(builder.info)
    for one in [split] if split else sorted(splits):
        for path in splits[one].filepaths:
            yield from _of_records(os.fspath(path), key)


def check_named(images: Sequence[str]) -> None:
    """Refuse paths on this machine at which there is nothing, without Beam.

    Raises:
        FileNotFoundError: naming them.
    """
    missing = [
        one
        for one in images
        if not one.startswith(_TFDS)
        and not filesystem.is_remote(one)
        and not glob.has_magic(one)
        and not pathlib.Path(one).expanduser().exists()
    ]
    if missing:
        raise FileNotFoundError(
            f"No such file or folder: {', '.join(missing)}. Expected {EXPECTED}"
        )
