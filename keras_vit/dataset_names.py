"""What names a data set, readable without TensorFlow.

`keras_vit.data.load` reads what is named here; this module reports beforehand
whether there is anything to read.
"""

import functools
import importlib.util
import os
import pathlib
import re

from keras_vit.extras import install
from keras_vit.suggestions import did_you_mean, unknown

NAMES = ("fashion_mnist_sample", "fashion_mnist", "cifar10")
SUFFIXES = (".zip", ".csv", ".tsv", ".jsonl", ".json", ".npz")
VTAB_PREFIX, TFDS_PREFIX = "vtab/", "tfds:"
VTAB_TASKS = (
    "caltech101",
    "cifar100",
    "dtd",
    "oxford_flowers102",
    "oxford_iiit_pet",
    "sun397",
    "svhn",
    "patch_camelyon",
    "eurosat",
    "resisc45",
    "diabetic_retinopathy",
    "clevr_count",
    "clevr_distance",
    "dmlab",
    "kitti_distance",
    "dsprites_location",
    "dsprites_orientation",
    "smallnorb_azimuth",
    "smallnorb_elevation",
)
EXPECTED = (
    f"one of {', '.join(NAMES)}, or the path of a folder with a folder of images for "
    f"each class, in train/ and test/ or at the top, or of a file {', '.join(SUFFIXES)}"
    f", or a name of TensorFlow Datasets, or {VTAB_PREFIX} and a task of VTAB-1k"
)
# The arguments of `keras_vit.data.load` that determine which images there are and
# how they are read; a run keeps them, to read its data set alike wherever it is read.
OPTIONS = (
    "exif_orientation",
    "group",
    "fold",
    "image_column",
    "label_column",
    "suffix",
    "pixel_range",
    "background",
    "max_pixels",
)
_NO_BUILDERS = ("core", "datasets", "testing")  # folders of TensorFlow Datasets
_OF_NO_BUILDER = re.compile(r"_(config|info|builder)$|^__pycache__$")
_OF_TFDS = re.compile(r"([a-zA-Z]\w*)(/[\w.+-]+)?(:\d+\.\d+\.\d+)?")


def needs_tfds() -> str:
    """Return what installs TensorFlow Datasets, as a sentence."""
    return f"Names of TensorFlow Datasets need that package: {install('datasets')}."


def check_exists(name: str, data_dir: str | None = None) -> None:
    """Raise what `keras_vit.data.load` would for a name of nothing.

    Args:
        name: as `keras_vit.data.load` takes it.
        data_dir: as `keras_vit.data.load` takes it.

    Raises:
        FileNotFoundError: for the path of nothing.
        ValueError: for an unknown name, with those that are near.
    """
    path = pathlib.Path(name).expanduser()
    if name in NAMES or (name and path.is_dir()):
        return
    if path.suffix.lower() in SUFFIXES:
        if not path.is_file():
            raise FileNotFoundError(no_such_path(name, EXPECTED))
        return
    if name.startswith(VTAB_PREFIX):
        if name.removeprefix(VTAB_PREFIX) not in VTAB_TASKS:
            task = name.removeprefix(VTAB_PREFIX)
            raise ValueError(unknown("task of VTAB-1k", task, VTAB_TASKS))
        return
    if not has_tfds() and name.startswith(TFDS_PREFIX):
        raise ImportError(f"{needs_tfds()} Received: {name!r}")
    if not _may_be_of_tfds(name, data_dir):
        raise no_data_set(name)


def no_data_set(name: str) -> Exception:
    """Return the error for the name, or the path, of no data set."""
    known = [*NAMES, *(VTAB_PREFIX + task for task in VTAB_TASKS), *_tfds_names()]
    if pathlib.Path(name).expanduser().is_file():
        return ValueError(
            f"Expected {EXPECTED}. Received: {name!r}, a file of another kind. Pass "
            "the folder of its images, or a table of files and labels"
        )
    if any(sign in name for sign in ("/", "\\", "~")):
        hint = did_you_mean(name, known)
        return FileNotFoundError(f"{no_such_path(name, EXPECTED)}{hint}")
    hint = "" if has_tfds() else f" {needs_tfds()}"
    return ValueError(unknown("data set", name, known, expected=EXPECTED) + hint)


def no_such_path(path: str | os.PathLike[str], expected: str) -> str:
    """Return the message for a path at which there is nothing."""
    return f"No such file or folder: {os.fspath(path)}. Expected {expected}."


def has_tfds() -> bool:
    """Return whether TensorFlow Datasets is installed."""
    return importlib.util.find_spec("tensorflow_datasets") is not None


def _may_be_of_tfds(name: str, data_dir: str | None) -> bool:
    """Whether TensorFlow Datasets may know the name; False only where it cannot."""
    found = _OF_TFDS.fullmatch(name.removeprefix(TFDS_PREFIX))
    if not found:
        return False
    root = data_dir or os.environ.get("TFDS_DATA_DIR") or "~/tensorflow_datasets"
    if "://" in root:  # a bucket, which TensorFlow alone can look into
        return True
    if os.path.isdir(os.path.join(os.path.expanduser(root), found[1])):
        return True
    return found[1] in _tfds_names() or (has_tfds() and not _tfds_names())


@functools.cache
def _tfds_names() -> frozenset[str]:
    """The builders that the installed TensorFlow Datasets defines, and some more.

    They are the classes and folders in its files, as importing it takes seconds.
    """
    package = importlib.util.find_spec("tensorflow_datasets")
    names = set()
    for folder in (package and package.submodule_search_locations) or ():
        root = pathlib.Path(folder)
        names |= {one.name for one in root.glob("datasets/*") if one.is_dir()}
        for file in root.glob("*/**/*.py"):
            top = file.relative_to(root).parts[0]
            if top not in _NO_BUILDERS and not file.name.endswith("_test.py"):
                text = file.read_text(encoding="utf-8")
                names |= {*map(_snake, re.findall(r"^class (\w+)\(", text, re.M))}
    return frozenset(name for name in names if not _OF_NO_BUILDER.search(name))


def _snake(name: str) -> str:
    name = re.sub(r"(.)([A-Z][a-z0-9]+)", r"\1_\2", name)
    return re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", name).lower()
