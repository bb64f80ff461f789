"""`keras-vit batch`."""

import os
import re

from absl import flags

from keras_vit.choices import BATCH_RESULTS, FEATURES_DTYPES, RUNNERS
from keras_vit.cli import dataset_flags, flag_types, model_flag
from keras_vit.cli.model_flag import BUCKET, LITERT, SERVED, TRAINED
from keras_vit.preprocessing import PRESETS, resolve

SUMMARY = "Classify, or compute features of, any number of images, on Apache Beam."
USAGE = (
    "--model=MODEL --images=IMAGES --output=FOLDER [-- BEAM'S OPTIONS]\n\n"
    "The same command again resumes with the images that have no row yet. The exit\n"
    "status is 1 if an image cannot be read, 0 otherwise."
)
UNREADABLE = 1
REQUIRED = ("model", "output")
TAKES_PATHS = True  # what stands after --: Beam's options


def define(values: flags.FlagValues) -> None:
    """Define the flags."""
    model_flag.define(
        values,
        "model",
        "A run's folder, a .keras file, a SavedModel or a .tflite file.",
        (TRAINED, SERVED, LITERT, BUCKET),
    )
    flag_types.texts(
        values,
        "images",
        "Image files, a folder, a pattern, a .zip archive, a table of paths, .tfrecord "
        "files, tfds:NAME, or such as gs://bucket/photos. May be repeated.",
    )
    flag_types.path(values, "output", "The folder of the results, or one in a bucket.")
    flag_types.words(
        values,
        "what",
        f"Some of {', '.join(BATCH_RESULTS)}, separated by commas; classes if not "
        "given.",
        BATCH_RESULTS,
        "result",
    )
    flag_types.whole(values, "top", "How many classes to name.", 5, least=1)
    flag_types.word(
        values, "features_dtype", "Of features.", FEATURES_DTYPES, "float32"
    )
    define_runner(values)
    flag_types.whole(values, "batch_size", "The most images at a time.", 32, least=1)
    flag_types.whole(
        values, "batch_mb", "The most MB of their pixels, 4 bytes each.", 64, least=1
    )
    flag_types.checked(
        values,
        "preprocessing",
        f"How images become the model's size: one of {', '.join(PRESETS)}, with a crop "
        "fraction if need be, as in timm:0.95; the model's own if not given.",
        resolve,
    )
    flag_types.boolean(
        values,
        "exif_orientation",
        "Whether images are turned as their camera noted.",
        True,
    )
    flag_types.text(values, "split", "Of records of TensorFlow Datasets, the one.")
    flag_types.text(
        values, "image_column", "A table's column of paths, or a record's image."
    )
    flag_types.path(values, "data_dir", "Where the images of a table lie.")
    dataset_flags.define_decoding(values, "as the model was trained")


def define_runner(values: flags.FlagValues) -> None:
    """Define `--runner` and `--shard_size`."""
    flag_types.checked(
        values,
        "runner",
        f"Apache Beam's: {', '.join(RUNNERS)}, or a class's full name.",
        _check_runner,
        RUNNERS[0],
    )
    flag_types.whole(
        values,
        "shard_size",
        "Images of a file; by default such that there are 32 files, of 16 to 4,096.",
        least=1,
    )


def check(values: flags.FlagValues, options: list[str]) -> None:
    """Refuse images that are not there, and words that are no options of Beam's."""
    check_options(options)
    if not values.images:
        raise ValueError(
            "--images is missing. Expected image files, a folder, a pattern, an "
            "archive or a table, as in --images=photos/"
        )
    patterns = re.compile(r"://|^tfds:|[*?\[]")
    named = [os.path.expanduser(one) for one in values.images]
    flag_types.with_flag(
        "images",
        flag_types.check_paths,
        [one for one in named if not patterns.search(one)],
        "image files, folders, archives or tables",
    )


def check_options(options: list[str]) -> None:
    """Refuse words that are no options.

    Raises:
        ValueError: naming the first of them.
    """
    if options and not options[0].startswith("--"):
        raise ValueError(
            f"unexpected argument {options[0]!r}. Expected flags, and after -- the "
            "options of Apache Beam, such as -- --direct_num_workers=2"
        )


def _check_runner(name: str) -> None:
    if "." not in name and name not in RUNNERS:
        from keras_vit.suggestions import unknown

        raise ValueError(unknown("runner", name, RUNNERS))


def run(values: flags.FlagValues, options: list[str]) -> int:
    """Write the files, print what is in them, and return the exit status."""
    from keras_vit.batch import run

    done = run(
        values.model,
        values.images,
        values.output,
        what=values.what or ("classes",),
        top=values.top,
        features_dtype=values.features_dtype,
        runner=values.runner,
        options=options,
        batch_size=values.batch_size,
        batch_bytes=values.batch_mb << 20,
        shard_size=values.shard_size,
        preprocessing=values.preprocessing,
        exif_orientation=values.exif_orientation,
        split=values.split,
        image_column=values.image_column,
        data_dir=values.data_dir,
        **dataset_flags.decoding(values),
    )
    print(f"  rows        {done.rows:,} in {done.output}/")
    print(f"  readable    {done.manifest['readable']:,}")
    for kind, count in done.errors.items():
        print(f"  {kind:<11} {count:,}")
    for label, count in [*done.labels.items()][: values.top]:
        print(f"  {count:>11,} {label}")
    return UNREADABLE if done.errors else 0
