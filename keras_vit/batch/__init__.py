"""A finished model on any number of images, on Apache Beam: the extra `beam`."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import keras

    from keras_vit.batch.results import BatchResults
    from keras_vit.classifier import Classifier


def run(
    model: keras.Model | Classifier | str | os.PathLike[str],
    images: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    output: str | os.PathLike[str],
    *,
    what: Sequence[str] = ("classes",),
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
    call again goes on with the images that have no row yet, those too that were
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
            `"attention"`.
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
        what=tuple(what),
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
