"""Data sets that TensorFlow Datasets has prepared on this machine."""

import os
import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from keras_vit.data.dataset import Dataset
from keras_vit.data.records import Records
from keras_vit.data.tfrecord import RecordFiles
from keras_vit.dataset_names import has_tfds, needs_tfds
from keras_vit.suggestions import did_you_mean

PREFIX = "tfds:"

_NAME = re.compile(
    r"(?P<name>[a-zA-Z]\w*)(/(?P<config>[\w.+-]+))?(:(?P<version>\d+\.\d+\.\d+))?"
)
_VERSION = re.compile(r"\d+\.\d+\.\d+")


def is_known(name: str, data_dir: str | os.PathLike[str] | None = None) -> bool:
    """Return whether TensorFlow Datasets has a data set of that name.

    Args:
        name: such as `"cifar100"`, `"eurosat/rgb"`, `"kitti:3.2.0"`, with or
            without `tfds:` before it.
        data_dir: as for `load`.
    """
    found = _NAME.fullmatch(name.removeprefix(PREFIX))
    if not found:
        return False
    if tf.io.gfile.isdir(os.path.join(_root(data_dir), found["name"])):
        return True
    return found["name"] in names()


def names() -> list[str]:
    """Return the names that TensorFlow Datasets can prepare; none without it."""
    if not has_tfds():
        return []
    tfds = _library()
    return tfds.list_builders(with_community_datasets=False)


def _library() -> Any:
    """Return the package `tensorflow_datasets`, which takes seconds to import."""
    try:
        import tensorflow_datasets
    except ImportError as error:
        raise ImportError(f"{needs_tfds()} Received: {error}") from error
    return tensorflow_datasets


def load(
    name: str, *, data_dir: str | os.PathLike[str] | None = None, download: bool = False
) -> Dataset:
    """Load a data set that TensorFlow Datasets has prepared.

    `test` are the images of the split `test`; or of `validation`, where there
    is no `test` or its labels are kept secret, as ImageNet's are.

    Args:
        name: such as `"cifar100"`, `"eurosat/rgb"`, `"kitti:3.2.0"`, with or
            without `tfds:` before it. Without a version: the newest that is
            prepared.
        data_dir: where data sets are prepared; `None`: `$TFDS_DATA_DIR`, or
            `~/tensorflow_datasets`.
        download: whether TensorFlow Datasets is to download and prepare what
            is not there. Without a network that takes it minutes to give up.

    Returns:
        A `Dataset` of `Records`.

    Raises:
        ValueError: if there is none of that name, or it is not of images of
            one class each, or has no such splits.
        OSError: if it is not prepared, or can be neither downloaded nor read.
    """
    return of_builder(name, prepared(name, data_dir=data_dir, download=download))


def of_builder(name: str, builder: Any) -> Dataset:
    """Return the data set that a builder has prepared, as `load` does.

    Args:
        name: of the data set.
        builder: from `prepared`.

    Raises:
        ValueError: as `load`.
    """
    features, splits = builder.info.features, builder.info.splits
    image, label = _image_and_label(builder.info)
    names = features[label].names
    parse = parser(features, image, [label], lambda example: example[label])

    def records(split):
        if split not in splits or not splits[split].num_examples:
            return None
        return Records(*record_files(builder, [(split, ...)]), parse, len(names))

    train, validation, test = map(records, ("train", "validation", "test"))
    if test is None or parse(test.files.reader([0])(tf.constant(0)))[1] < 0:
        test, validation = validation, None
    if train is None or test is None:
        raise ValueError(
            "Expected the splits train, and test or validation, with labels. "
            f"Received: {name!r} with the splits {', '.join(splits)}"
        )
    return Dataset(name, train, test, tuple(names), validation)


def prepared(
    name: str, *, data_dir: str | os.PathLike[str] | None = None, download: bool = False
) -> Any:
    """Return the builder of a prepared data set, which knows all about it.

    Args:
        name: as for `load`.
        data_dir: as for `load`.
        download: as for `load`.

    Returns:
        A `tfds.core.DatasetBuilder` that reads what is there.

    Raises:
        ValueError: if there is none of that name, or its records are in
            another format than TFRecord.
        OSError: if it is not prepared, or cannot be downloaded.
    """
    _library()  # or else the error says what is missing
    name = name.removeprefix(PREFIX)
    if not is_known(name, data_dir):
        raise ValueError(
            "Expected the name of a data set of TensorFlow Datasets, such as "
            f"cifar100, eurosat/rgb or kitti:3.2.0. Received: {name!r}."
            f"{did_you_mean(name, names())}"
        )
    root = _root(data_dir)
    folder = _folder(root, name)
    if folder is None and download:
        _download(name, root)
        folder = _folder(root, name)
    if folder is None:
        raise FileNotFoundError(
            f"Expected a data set that is prepared in {root}. Received: {name}, which "
            "is not prepared there. To download and prepare it, pass download=True "
            f"(--download), or run: tfds build {name} --data_dir={root}"
        )
    return prepared_in(folder, name)


def prepared_in(folder: str | os.PathLike[str], name: str | None = None) -> Any:
    """Return the builder of the prepared data set that a folder is.

    Args:
        folder: that holds `dataset_info.json` and the records.
        name: of the data set, for the message; the folder by default.

    Raises:
        ValueError: if its records are in another format than TFRecord, or
            TensorFlow Datasets cannot read it.
    """
    tfds = _library()

    name = name or os.fspath(folder)
    try:
        builder: Any = tfds.builder_from_directory(folder)
    except Exception as error:  # of JSON, of protobuf, of features' classes
        raise ValueError(
            f"Expected a folder of a prepared data set. Received: {folder}, which "
            f"TensorFlow Datasets cannot read ({error}). Prepare it again"
        ) from error
    if builder.info.file_format.value != "tfrecord":
        raise ValueError(
            f"Records must be in TFRecord files: tfds build {name} "
            f"--file_format=tfrecord. Received: {builder.info.file_format.value} "
            f"files in {folder}"
        )
    return builder


def record_files(
    builder: Any, parts: Sequence[tuple[str, Any]]
) -> tuple[RecordFiles, np.ndarray]:
    """Return the records of parts of splits, one part after the other.

    Args:
        builder: from `prepared`.
        parts: pairs of a split's name and a slice of its records; `...` for
            a slice: all of them.

    Returns:
        `RecordFiles` of the splits, and the indices in them of the records.
    """
    paths, counts, indices, first = [], [], [], {}
    for split, part in parts:
        info = builder.info.splits[split]
        if split not in first:
            first[split] = sum(counts)
            paths += info.filepaths
            counts += info.shard_lengths
        indices.append(first[split] + np.arange(info.num_examples)[part])
    return RecordFiles(paths, counts), np.concatenate(indices)


def parser(
    features: Any,
    image: str,
    needed: Sequence[str] | dict[str, Sequence[str]],
    label: Callable[[Any], tf.Tensor],
) -> Callable[[tf.Tensor], tuple[tf.Tensor, tf.Tensor]]:
    """Return a function for the graph: `(record) -> (image file, label)`.

    Args:
        features: of the data set.
        image: the name of the feature that is the image.
        needed: the names of the features that the label is made of; where
            they are inside of others, by the others' names.
        label: a function of these features' values that returns an integer.

    Returns:
        A function of a record's data that returns bytes and an int64 label.
        It parses what is needed and nothing else.

    Raises:
        ValueError: if the image is not of uint8 pixels.
    """
    tfds = _library()

    if features[image].np_dtype != np.uint8:
        raise ValueError(
            f"Images must be of uint8 pixels. Received: {image} of "
            f"{np.dtype(features[image].np_dtype).name} pixels"
        )
    undecoded = {image: tfds.decode.SkipDecoding()}
    parts = {image: features[image]}
    for name in needed:
        parts[name] = features[name]
        if isinstance(needed, dict):
            inside = {one: features[name].feature[one] for one in needed[name]}
            parts[name] = tfds.features.Sequence(inside)
    features = tfds.features.FeaturesDict(parts)

    def parse(data):
        example = features.deserialize_example(data, decoders=undecoded)
        return example[image], tf.cast(label(example), tf.int64)

    return parse


def write_info(
    folder: str | os.PathLike[str],
    name: str,
    features: dict[str, Sequence[str] | None],
    splits: dict[str, tuple[Sequence[int], int]],
    *,
    where: str,
) -> None:
    """Write the files by which TensorFlow Datasets opens TFRecord files.

    Args:
        folder: where they go.
        name: of the data set, and of its files.
        features: `image` is one; of the others the names of classes, for text
            `None`.
        splits: of each the number of records in every file, and their bytes.
        where: the folder of the records.
    """
    tfds = _library()

    kinds: dict[str, Any] = {"image": tfds.features.Image()}
    for key, classes in features.items():
        if classes is None:
            kinds[key] = tfds.features.Text()
        else:
            one = tfds.features.ClassLabel(names=[*classes])
            kinds[key] = tfds.features.Sequence(one) if key == "labels" else one
    core: Any = tfds.core
    identity = core.dataset_info.DatasetIdentity(
        name=name, version=core.Version("1.0.0"), data_dir=where, module_name=""
    )
    info = core.DatasetInfo(
        builder=identity,
        features=tfds.features.FeaturesDict(kinds),
        supervised_keys=("image", "label" if "label" in kinds else "labels"),
    )
    info.set_file_format("tfrecord")
    found = [
        core.SplitInfo(
            name=split,
            shard_lengths=[*lengths],
            num_bytes=size,
            filename_template=core.ShardedFileTemplate(
                data_dir=where,
                dataset_name=name,
                split=split,
                filetype_suffix="tfrecord",
            ),
        )
        for split, (lengths, size) in splits.items()
    ]
    info.set_splits(core.splits.SplitDict(found))
    info.write_to_directory(folder)


def image_feature(info: Any) -> str:
    """Return the name of the one feature of a data set that is an image.

    Args:
        info: of its builder.

    Raises:
        ValueError: if there is none, or several.
    """
    tfds = _library()

    images = [k for k, f in info.features.items() if isinstance(f, tfds.features.Image)]
    if len(images) != 1:
        raise ValueError(
            "Expected a data set with one Image. Received: "
            f"{info.name} with the features {', '.join(info.features)}"
        )
    return images[0]


def _image_and_label(info):
    """The names of the features that are the image and what it shows."""
    tfds = _library()

    features = info.features
    kinds = tfds.features.Image, tfds.features.ClassLabel
    keys = info.supervised_keys
    if not (keys and len(keys) == 2 and all(isinstance(key, str) for key in keys)):
        named = [[k for k, f in features.items() if type(f) is kind] for kind in kinds]
        keys = [names[0] for names in named if len(names) == 1]
    if len(keys) != 2 or not all(
        isinstance(features[key], kind) for key, kind in zip(keys, kinds, strict=True)
    ):
        listed = ", ".join(f"{k}: {type(f).__name__}" for k, f in features.items())
        raise ValueError(
            "Expected a data set of images of one class each: one Image and one "
            f"ClassLabel. Received: {info.name} with the features {listed}"
        )
    return keys


def _root(data_dir):
    root = data_dir or os.environ.get("TFDS_DATA_DIR") or "~/tensorflow_datasets"
    return os.path.expanduser(root)


def _folder(root: str, name: str) -> str | None:
    """Where a data set is prepared; `None` if it is not."""
    found = _NAME.fullmatch(name)
    assert found  # `is_known` refused others
    home = os.path.join(root, found["name"])
    if found["config"]:
        home = os.path.join(home, found["config"])
    elif not _versions(home):
        configs = [one for one in _folders(home) if _versions(os.path.join(home, one))]
        if len(configs) > 1:
            raise ValueError(
                f"Expected one of {', '.join(f'{name}/{one}' for one in configs)}. "
                f"Received: {name!r}, which is prepared in several ways. Name one"
            )
        home = os.path.join(home, *configs)
    versions = _versions(home)
    version = found["version"] or next(iter(versions[-1:]), None)
    return os.path.join(home, version) if version and version in versions else None


def _versions(folder):
    """The versions that are prepared in a folder, the newest last."""
    return sorted(
        (
            one
            for one in _folders(folder)
            if _VERSION.fullmatch(one)
            and tf.io.gfile.exists(os.path.join(folder, one, "dataset_info.json"))
        ),
        key=lambda one: [*map(int, one.split("."))],
    )


def _folders(folder):
    if not tf.io.gfile.isdir(folder):
        return []
    return sorted(one.rstrip("/") for one in tf.io.gfile.listdir(folder))


def _download(name, root):
    tfds = _library()

    try:
        # From its own source: Google's copies of prepared data are another way.
        config = tfds.download.DownloadConfig(try_download_gcs=False)
        builder = tfds.builder(name, data_dir=root)
        builder.download_and_prepare(download_config=config)
    except Exception as error:  # of the network, of a source, of an extractor
        raise OSError(
            f"Expected to download {name} and prepare it in {root}. Received: {error}. "
            f"Check the network, or run where there is one: tfds build {name}"
        ) from error
