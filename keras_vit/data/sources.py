"""Data sets by name: embedded, of Keras, or files that people have."""

import dataclasses
import importlib.resources
import os
import pathlib
from typing import Any

import numpy as np

from keras_vit.data import prepared_records, tfds, vtab
from keras_vit.data.archives import extracted
from keras_vit.data.arrays import read_arrays, split_of_arrays
from keras_vit.data.columns import TableOptions
from keras_vit.data.dataset import Dataset
from keras_vit.data.folders import read_folder
from keras_vit.data.pixel_range import read_as
from keras_vit.data.split_tables import tables_in_splits
from keras_vit.data.tables import read_split_tables, read_table
from keras_vit.dataset_names import EXPECTED as EXPECTED
from keras_vit.dataset_names import OPTIONS as OPTIONS
from keras_vit.dataset_names import SUFFIXES as FILES
from keras_vit.dataset_names import no_data_set
from keras_vit.decoding import AUTO, check_range


def load(
    name: str | os.PathLike[str],
    *,
    data_dir: str | os.PathLike[str] | None = None,
    download: bool = False,
    exif_orientation: bool = True,
    group: str | None = None,
    fold: int | None = None,
    image_column: str | None = None,
    label_column: str | None = None,
    suffix: str | None = None,
    pixel_range: str | tuple[float, float] | None = AUTO,
    background: str = "white",
    max_pixels: int | None = None,
) -> Dataset:
    """Load a data set by its name or its path.

    Args:
        name: a key of `SOURCES`; or the path of

            - a folder that holds a folder of images for each class, at the top,
              or inside train, val and test, or with these inside
              (`folders.read_folder`); or a table in train, val and test;
            - a `.zip` archive of such a folder, extracted once;
            - a `.csv`, `.tsv`, `.jsonl` or `.json` table of files and labels,
              also COCO's and others' (`tables.read_table`);
            - an `.npz` file of pixels and labels (`arrays.read_arrays`);
            - a folder that `keras_vit.batch.prepare`, or TensorFlow Datasets,
              has prepared;

            or a data set of TensorFlow Datasets, such as `"imagenet2012"` or
            `"tfds:cifar10"`; or a task of VTAB-1k, such as `"vtab/dtd"`.

            Where nothing says what is for testing, about a fifth of each class
            is: an image's path or pixels decide, so it stays when others come
            or go, but for some in classes of fewer than about 500 images
            (`holdout.held_out`).
        data_dir: where archives are extracted, the images of a table lie, or
            TensorFlow Datasets has its own. By default `datasets` in
            `$KERAS_HOME/keras_vit`; beside the table; and `$TFDS_DATA_DIR` or
            `~/tensorflow_datasets`.
        download: whether TensorFlow Datasets may download and prepare what is
            not there. What comes from Keras is always downloaded.
        exif_orientation: whether image files are turned as their camera noted.
            The records of TensorFlow Datasets are taken as they are.
        group: a column of a table, or a regular expression for the path below the
            folder, that says which images stay together, such as those of a
            patient. The first parentheses of the expression, or else all of it,
            match a group's name.
        fold: of a table's column fold, the one that is tested on; the last by
            default.
        image_column: of a table, the column of the path, where that has an
            unusual name.
        label_column: of a table, the column of the label; or several
            columns of 0 and 1, one for each class, separated by commas.
        suffix: what is added to a table's paths, such as `".jpg"`; by default
            what is found there, for paths without an image's suffix.
        pixel_range: which samples of more than 8 bits become black and white,
            such as `"0:4095"`; `"full"`: all that their bits can hold; `"auto"`,
            the default: what a sample of the training files uses
            (`pixel_range.range_of_files`). Of arrays in an `.npz` file, those
            numbers that do.
        background: what is seen behind transparent pixels of files, `"white"`
            or `"black"`; `"ignore"`: transparency is dropped. White by default.
        max_pixels: files of more are refused, 62 million by default. A file
            takes 3 bytes a pixel once decoded, and up to 16 on the way.

    Returns:
        A `Dataset`.

    Raises:
        ValueError: if there is none of that name, or the files are not so.
        OSError: if its files can neither be found nor downloaded.

    Example:

    >>> load("fashion_mnist_sample").train.images.shape
    (12000, 28, 28, 3)
    """
    check_name(name)
    check_range(pixel_range)
    options = TableOptions(group, fold, image_column, label_column, suffix)
    found = _found(
        os.fspath(name),
        options,
        data_dir,
        download,
        exif_orientation=exif_orientation,
        arrays_range=None if pixel_range == AUTO else pixel_range,
    )
    how = {"background": background, "max_pixels": max_pixels}
    return read_as(found, pixel_range=pixel_range, **how)


def _found(name, options, data_dir, download, *, exif_orientation, arrays_range):
    """The data set of that name, its files read in the usual way."""
    path = pathlib.Path(name).expanduser()
    if name not in SOURCES and name and path.is_dir():
        if (path / "dataset_info.json").is_file():
            _check_options(options, (), name)
            return prepared_records.load_prepared(path)
        return _of_folder(path, None, exif_orientation, options, data_dir)
    if name not in SOURCES and path.suffix.lower() in FILES:
        return _of_file(path, data_dir, exif_orientation, options, arrays_range)
    _check_options(options, (), name)
    if name in SOURCES:
        return SOURCES[name]()
    if name.startswith(vtab.PREFIX):
        return vtab.load(name, data_dir=data_dir, download=download)
    if name.startswith(tfds.PREFIX) or tfds.is_known(name, data_dir):
        return tfds.load(name, data_dir=data_dir, download=download)
    raise no_data_set(name)


def check_name(dataset: Any) -> None:
    """Refuse what is neither a name nor a path.

    Raises:
        TypeError: for anything but text or a path, such as a tf.data.Dataset.
    """
    if not isinstance(dataset, str | os.PathLike):
        raise TypeError(
            "dataset must be a name, a path, or a keras_vit.data.Dataset, which reads "
            "any image by its number, and a stream of batches cannot: put arrays into "
            "keras_vit.data.Dataset(name, Split(images, labels), Split(test_images, "
            "test_labels), class_names), or image files into a folder for each class. "
            f"Received: {type(dataset).__module__}.{type(dataset).__qualname__}"
        )


def _of_folder(path, name, exif_orientation, options, data_dir=None):
    tables = tables_in_splits(path)
    how = {"name": name, "exif_orientation": exif_orientation}
    if tables:
        how |= {"options": options, "data_dir": data_dir}
        return read_split_tables(tables, path, **how)
    _check_options(options, ("group",), path)
    return read_folder(path, **how, group=options.group)


def _check_options(options, taken, name):
    """Refuse options that have no effect on a data set."""
    others = [
        option
        for option, value in dataclasses.asdict(options).items()
        if value is not None and option not in taken
    ]
    if others:
        what = "a table, or group a folder" if "group" in others else "a table"
        raise ValueError(f"{', '.join(others)} must go with {what}. Received: {name}")


def _of_file(path, data_dir, exif_orientation, options, arrays_range):
    if not path.is_file():
        raise FileNotFoundError(f"No such file or folder: {path}. Expected {EXPECTED}")
    if path.suffix.lower() == ".npz":
        _check_options(options, (), path)
        return read_arrays(path, arrays_range)
    if path.suffix.lower() == ".zip":
        folder = extracted(path, data_dir)
        return _of_folder(folder, path.stem, exif_orientation, options)
    how = {"exif_orientation": exif_orientation, "options": options}
    return read_table(path, **how, data_dir=data_dir)


FASHION_MNIST_CLASSES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)

CIFAR10_CLASSES = (
    "airplane",
    "automobile",
    "bird",
    "cat",
    "deer",
    "dog",
    "frog",
    "horse",
    "ship",
    "truck",
)


def _fashion_mnist_sample():
    """12,000 and 2,000 images of Fashion-MNIST, which come with the package."""
    folder = importlib.resources.files("keras_vit.data") / "fashion_mnist_sample"
    with (folder / "fashion_mnist_sample.npz").open("rb") as file:
        arrays = np.load(file, allow_pickle=False)
        train, test = (
            split_of_arrays(arrays[f"{split}_images"], arrays[f"{split}_labels"])
            for split in ("train", "test")
        )
    return Dataset("fashion_mnist_sample", train, test, FASHION_MNIST_CLASSES)


def _of_keras(name, class_names, files):
    """Return a function that loads a whole data set by Keras, which downloads it."""

    def load_it():
        import keras

        try:
            train, test = getattr(keras.datasets, name).load_data()
        except Exception as error:  # of urllib, of a cut file: Keras lets all through
            home = os.environ.get("KERAS_HOME") or "~/.keras"
            raise OSError(
                f"{name} could be neither found nor downloaded. Put {files} into "
                f"{home}/datasets, or name a folder of images, or use "
                f"fashion_mnist_sample, which needs no network. Received: {error}"
            ) from error
        return Dataset(
            name, split_of_arrays(*train), split_of_arrays(*test), class_names
        )

    return load_it


SOURCES = {
    "fashion_mnist_sample": _fashion_mnist_sample,
    "fashion_mnist": _of_keras(
        "fashion_mnist",
        FASHION_MNIST_CLASSES,
        "its four *-ubyte.gz files, in a folder fashion-mnist,",
    ),
    "cifar10": _of_keras("cifar10", CIFAR10_CLASSES, "its cifar-10-batches-py folder"),
}
