"""The 19 tasks of VTAB-1k (arXiv:1910.04867), a row each.

Of each task 800 images are to train on and 200 to choose settings by; with
these settings a model is trained on all 1,000 and tested on the whole test
split. Which images, and what they are labelled with, is as the code of the
paper has it (github.com/google-research/task_adaptation).
"""

import os
from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass, field
from typing import Any

import tensorflow as tf

from keras_vit.data import tfds
from keras_vit.data.dataset import Dataset
from keras_vit.data.records import Records
from keras_vit.suggestions import did_you_mean

PREFIX = "vtab/"

_TRAINING, _VALIDATION = 800, 200


@dataclass(frozen=True)
class Label:
    """What an image is labelled with, where it is no feature of its own.

    Attributes:
        features: the names of what it is made of, as `tfds.parser` takes them.
        function: of these features' values, in the graph, that returns a class.
        classes: their names.
    """

    features: list | dict
    function: Callable
    classes: tuple[str, ...]


@dataclass(frozen=True)
class Task:
    """Where the images of a task come from.

    Attributes:
        data: the name of the data set in TensorFlow Datasets.
        validation: the split that the 200 images are from, and after how much
            of it, in per cent, they begin. The 800 are the first of `train`.
        test: the split that is tested on, and after how much of it.
        label: a `Label`, or the name of the feature that is the class.
        white: as for `Records`.
        crop: whether a part of an image still has its label.
        flip: whether its mirror image has.
    """

    data: str
    validation: tuple[str, int]
    test: tuple[str, int] = ("test", 0)
    _: KW_ONLY
    label: str | Label = field(default="label", kw_only=True)
    white: int = field(default=255, kw_only=True)
    crop: bool = field(default=True, kw_only=True)
    flip: bool = field(default=True, kw_only=True)


def load(
    name: str, *, data_dir: str | os.PathLike[str] | None = None, download: bool = False
) -> Dataset:
    """Load a task of VTAB-1k.

    Args:
        name: a key of `TASKS` after `vtab/`, such as `"vtab/clevr_count"`.
        data_dir: as for `keras_vit.data.load`.
        download: as for `keras_vit.data.load`.

    Returns:
        A `Dataset` whose `train` are the 1,000 images. `split("train[:800]")`
        and `split("train[800:]")` are what to train on and to choose by.

    Raises:
        ValueError: if there is no such task.
        OSError: if its data set is not prepared, or cannot be downloaded.
    """
    task_name = name.removeprefix(PREFIX)
    task = TASKS.get(task_name)
    if task is None:
        raise ValueError(
            f"Expected one of {', '.join(PREFIX + one for one in TASKS)}. "
            f"Received: {name!r}.{did_you_mean(task_name, TASKS)}"
        )
    builder = tfds.prepared(task.data, data_dir=data_dir, download=download)
    return of_builder(name, task, builder)


def of_builder(name: str, task: Task, builder: Any) -> Dataset:
    """Return a task of a data set that is prepared.

    Args:
        name: what to call it.
        task: a `Task`.
        builder: from `tfds.prepared`.

    Returns:
        A `Dataset`.
    """
    label, features = task.label, builder.info.features
    if isinstance(label, str):
        names = tuple(features[label].names)
        label = Label([task.label], lambda example: example[task.label], names)
    parse = tfds.parser(features, "image", label.features, label.function)

    def place(split, percent):
        return percent * builder.info.splits[split].num_examples // 100

    def records(*parts):
        files = tfds.record_files(builder, parts)
        return Records(*files, parse, len(label.classes), task.white)

    begin = place(*task.validation)
    train = records(
        ("train", slice(_TRAINING)),
        (task.validation[0], slice(begin, begin + _VALIDATION)),
    )
    test = records((task.test[0], slice(place(*task.test), None)))
    return Dataset(name, train, test, label.classes)


def _between(value, bounds):
    """How many of the inner bounds lie below a value; a value on one is under it."""
    return tf.reduce_sum(tf.cast(value > tf.constant(bounds), tf.int64))


def _grouped(feature, size, count):
    """`count` classes of `size` neighbouring ones, `size` being no whole number."""

    def function(example):
        group = tf.cast(example[feature], tf.float32) // size
        return tf.cast(group, tf.int64)

    return Label([feature], function, tuple(map(str, range(count))))


def _clevr_count(example):
    return tf.size(example["objects"]["size"]) - 3


def _clevr_distance(example):
    nearest = tf.reduce_min(example["objects"]["pixel_coords"][:, 2])
    return _between(nearest, [8.0, 8.5, 9.0, 9.5, 10.0])


_VEHICLES = 3  # the first types of KITTI's objects: car, van and truck
_FAR_AWAY = 1000.0


def _kitti_distance(example):
    depths = example["objects"]["location"][:, 2]
    vehicles = example["objects"]["type"] < _VEHICLES
    nearest = tf.reduce_min(tf.where(vehicles, depths, _FAR_AWAY))
    return _between(tf.minimum(nearest, _FAR_AWAY), [8.0, 20.0, 999.0])


CLEVR_COUNT = Label(
    {"objects": ["size"]},
    _clevr_count,
    tuple(f"{count} objects" for count in range(3, 11)),
)
CLEVR_DISTANCE = Label(
    {"objects": ["pixel_coords"]},
    _clevr_distance,
    ("up to 8", "8 to 8.5", "8.5 to 9", "9 to 9.5", "9.5 to 10", "over 10"),
)
KITTI_DISTANCE = Label(
    {"objects": ["type", "location"]},
    _kitti_distance,
    ("up to 8 m", "8 to 20 m", "over 20 m", "no vehicle"),
)

_OWN = ("validation", 0)

# The ViT paper prepares images as BiT does (arXiv:1912.11370, section 3.3): resized to
# a square, cropped and mirrored at random in training, but where either would change
# the label. Which tasks those are is not said: `crop` and `flip` are read from labels.
# Checked against the catalogue of TensorFlow Datasets: caltech101, kitti, dmlab,
# sun397 and oxford_iiit_pet have the sizes that the paper's code counts on.
TASKS = {
    "caltech101": Task("caltech101", ("train", 90)),
    "cifar100": Task("cifar100", ("train", 90)),
    "dtd": Task("dtd", _OWN),
    "oxford_flowers102": Task("oxford_flowers102", _OWN),
    # 3.*.*; in 4.0.0 twelve damaged images are mended.
    "oxford_iiit_pet": Task("oxford_iiit_pet", ("train", 80)),
    "sun397": Task("sun397/tfds", _OWN),
    "svhn": Task("svhn_cropped", ("train", 90), flip=False),
    "patch_camelyon": Task("patch_camelyon", _OWN),
    "eurosat": Task("eurosat/rgb", ("train", 60), ("train", 80)),
    "resisc45": Task("resisc45", ("train", 60), ("train", 80)),
    "diabetic_retinopathy": Task("diabetic_retinopathy_detection/btgraham-300", _OWN),
    # The test split of CLEVR has no labels.
    "clevr_count": Task("clevr", ("train", 90), _OWN, label=CLEVR_COUNT, crop=False),
    "clevr_distance": Task(
        "clevr", ("train", 90), _OWN, label=CLEVR_DISTANCE, crop=False
    ),
    "dmlab": Task("dmlab", _OWN, crop=False),
    # 3.1.0; 3.2.0 came with KITTI's newer development kit, which tells the splits.
    "kitti_distance": Task("kitti", _OWN, label=KITTI_DISTANCE, crop=False),
    "dsprites_location": Task(
        "dsprites",
        ("train", 80),
        ("train", 90),
        label=_grouped("label_x_position", 2, 16),
        white=1,
        crop=False,
        flip=False,
    ),
    "dsprites_orientation": Task(
        "dsprites",
        ("train", 80),
        ("train", 90),
        label=_grouped("label_orientation", 2.5, 16),
        white=1,
        flip=False,
    ),
    "smallnorb_azimuth": Task(
        "smallnorb", ("test", 0), ("test", 50), label="label_azimuth", flip=False
    ),
    "smallnorb_elevation": Task(
        "smallnorb", ("test", 0), ("test", 50), label="label_elevation"
    ),
}

# The three groups of the paper, whose means it tells beside that of all tasks.
GROUPS = {
    "natural": (
        "caltech101",
        "cifar100",
        "dtd",
        "oxford_flowers102",
        "oxford_iiit_pet",
        "sun397",
        "svhn",
    ),
    "specialized": (
        "patch_camelyon",
        "eurosat",
        "resisc45",
        "diabetic_retinopathy",
    ),
    "structured": (
        "clevr_count",
        "clevr_distance",
        "dmlab",
        "kitti_distance",
        "dsprites_location",
        "dsprites_orientation",
        "smallnorb_azimuth",
        "smallnorb_elevation",
    ),
}
