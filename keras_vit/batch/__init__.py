"""Any number of images on Apache Beam, classified or made ready: the extra `beam`."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal, Unpack

if TYPE_CHECKING:
    import keras

    from keras_vit.batch.results import BatchResults, Prepared
    from keras_vit.classifier import Classifier
    from keras_vit.data.dataset import Dataset
    from keras_vit.data.inputs import LoadOptions


def run(
    model: keras.Model | Classifier | str | os.PathLike[str],
    images: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    output: str | os.PathLike[str],
    *,
    what: str | Sequence[str] = ("classes",),
    top: int = 5,
    features_dtype: Literal["float32", "float16"] = "float32",
    runner: str = "DirectRunner",
    options: Sequence[str] = (),
    batch_size: int = 32,
    batch_bytes: int = 1 << 26,
    shard_size: int | None = None,
    class_names: Sequence[str] | None = None,
    preprocessing: str | None = None,
    exif_orientation: bool = True,
    pixel_range: tuple[float, float] | str | None = None,
    background: Literal["white", "black", "ignore"] | None = None,
    max_pixels: int | None = None,
    split: str | None = None,
    image_column: str | None = None,
    data_dir: str | os.PathLike[str] | None = None,
) -> BatchResults:
    """Write what a model computes of many images as a folder of Parquet files.

    The images are listed once, into a plan in the output folder, and cut into
    shards; Beam's workers write a file for each, which appears whole. The same
    call again resumes with the images that have no row yet, those too that were
    added since. Numbers are those of `keras_vit.predict`, to float32 rounding,
    whatever the runner, the number of workers and the batch size.

    A row has `path` and `error`, which says why an image could not be read and
    is missing otherwise; of `"classes"` also `label`, `probability`,
    `top_labels` and `top_probabilities`; and vectors of a fixed length called
    `probabilities`, `features` and `attention` (rollout, row by row of patches),
    NaN where the image could not be read.

    Args:
        model: the path of a run's folder, a `.keras` file, a SavedModel or a
            `.tflite` file, on this machine or such as `gs://bucket/model.keras`;
            or a Keras model or `Classifier`, which is saved into the output
            folder first.
        images: one or several of: image files, folders, patterns, `.zip`
            archives, tables of paths, `.tfrecord` files, `tfds:<name>` or a
            folder of TensorFlow Datasets; on this machine, or in a bucket that
            one of Beam's file systems reads.
        output: the folder of the results, on this machine or in a bucket.
        what: some of `"classes"`, `"probabilities"`, `"features"` and
            `"attention"`, or one of them.
        top: how many classes are named.
        features_dtype: of the column of features.
        runner: one of Beam's: `"DirectRunner"` (this machine), `"PrismRunner"`,
            `"FlinkRunner"`, `"SparkRunner"`, `"DataflowRunner"`, or another by
            its class's full name.
        options: Beam's own, as words, such as `["--direct_num_workers=2"]`.
        batch_size: the most images at a time.
        batch_bytes: the most bytes of their pixels, 4 a sample.
        shard_size: images of a file; by default such that there are 32 files or
            more, of 16 to 4,096 images.
        class_names: as `predict` takes them.
        preprocessing: as `predict` takes it, by name.
        exif_orientation: as `predict` takes it.
        pixel_range: as `predict` takes it.
        background: as `predict` takes it.
        max_pixels: as `predict` takes it.
        split: of records of TensorFlow Datasets, the only one to take.
        image_column: of tables, the column of the path; of TFRecord files, the
            feature that is the image.
        data_dir: where the images of a table lie, or prepared data sets.

    Returns:
        `BatchResults`: how many rows there are, and of which kinds.

    Raises:
        ImportError: without the packages of the extra `beam`.
        FileNotFoundError: if there is nothing at a path.
        ValueError: for unknown words, a model without what is wanted, or a
            folder with a plan for something else.
        OSError: if another job writes to the folder.
        RuntimeError: if the pipeline fails.

    Example:

    >>> done = run("runs/pets", "photos/", "scores/")  # doctest: +SKIP
    >>> done.rows, done.errors  # doctest: +SKIP
    (12000, {'not readable': 3})
    """
    from keras_vit.batch.running import require_beam

    require_beam()
    from keras_vit.batch.classify import classify

    changes = {
        "pixel_range": pixel_range,
        "background": background,
        "max_pixels": max_pixels,
    }
    decoding: dict[str, Any] = {k: v for k, v in changes.items() if v is not None}
    return classify(
        model,
        images,
        output,
        what=(what,) if isinstance(what, str) else tuple(what),
        top=top,
        features_dtype=features_dtype,
        runner=runner,
        options=tuple(options),
        batch_size=batch_size,
        batch_bytes=batch_bytes,
        shard_size=shard_size,
        class_names=None if class_names is None else tuple(class_names),
        preprocessing=preprocessing,
        exif_orientation=exif_orientation,
        decoding=decoding,
        listing={"split": split, "image_column": image_column, "data_dir": data_dir},
    )


def prepare(
    dataset: Dataset | str | os.PathLike[str],
    output: str | os.PathLike[str],
    *,
    name: str | None = None,
    short_side: int | None = None,
    shard_size: int | None = None,
    runner: str = "DirectRunner",
    options: Sequence[str] = (),
    **load_options: Unpack[LoadOptions],
) -> Prepared:
    """Write a data set of image files as TFRecord files, to be read in any order.

    Splits, labels and groups are those of `keras_vit.data.load`, which opens the
    result too, as `tfds.builder_from_directory` does; so `train`, `evaluate` and
    all others take its folder as a data set. Records stand in a random order.
    Upright JPEG and PNG files of 8 bits are kept as they are, so that training
    reads the same pixels from records as from files; others become PNG files of
    the pixels that would be read. Files that cannot be read have no record. What
    `keras_vit.data.inspect` reports is written into the folder `_inspection`. The
    same call again resumes where a call was stopped.

    Args:
        dataset: what `keras_vit.data.load` takes, or a `Dataset`, of image files:
            a folder, an archive or a table.
        output: the folder of the result, on this machine or in a bucket.
        name: what TensorFlow Datasets calls it; that of the data set by default.
        short_side: pixels to which a longer short side is reduced; `None`: images
            keep their size.
        shard_size: images of a file; by default such that a split has 16 files or
            more, of 16 to 4,096 images.
        runner: as `run` takes it.
        options: as `run` takes them.
        **load_options: of `keras_vit.data.load`, for a name or a path.

    Returns:
        `Prepared`: how many records there are, and what was found in the files.

    Raises:
        ImportError: without the packages of the extra `beam`.
        ValueError: for a data set that is not of image files, or a folder with a
            plan for something else.
        OSError: if another job writes to the folder.
        RuntimeError: if the pipeline fails.

    Example:

    >>> done = prepare("photos/", "prepared/", short_side=256)  # doctest: +SKIP
    >>> done.records  # doctest: +SKIP
    {'train': 9600, 'test': 2400}
    """
    from keras_vit.batch.running import require_beam

    require_beam()
    from keras_vit.batch.prepared import prepare_dataset
    from keras_vit.data.dataset import Dataset
    from keras_vit.data.sources import load

    if not isinstance(dataset, Dataset):
        dataset = load(dataset, **load_options)
    elif load_options:
        raise ValueError(
            f"{', '.join(load_options)} must go with a data set's name or path. "
            "Received: a Dataset, which was loaded with its own"
        )
    return prepare_dataset(
        dataset,
        output,
        name=name,
        short_side=short_side,
        shard_size=shard_size,
        runner=runner,
        options=tuple(options),
    )
