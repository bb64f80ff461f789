"""`keras-vit batch`."""

import os
import re

from absl import flags

from keras_vit.choices import BATCH_RESULTS, RUNNERS
from keras_vit.cli import dataset_flags
from keras_vit.cli.flag import Flag, arguments, with_flag
from keras_vit.cli.flag_types import AT_LEAST_1, Checked, Words, check_paths
from keras_vit.cli.model_flag import BUCKET, LITERT, SERVED, TRAINED, Model
from keras_vit.suggestions import unknown

SUMMARY = "Classify, or compute features of, any number of images, on Apache Beam."
USAGE = (
    "--model=MODEL --images=IMAGES --output=FOLDER [-- BEAM'S OPTIONS]\n\n"
    "The same command again resumes with the images that have no row yet. The exit\n"
    "status is 1 if an image cannot be read, 0 otherwise."
)
UNREADABLE = 1
REQUIRED = ("model", "output")
TAKES_PATHS = True  # what stands after --: Beam's options


def check_runner(name: str) -> None:
    """Refuse what is neither a runner of Beam's nor a class's full name.

    Raises:
        ValueError: with those that are near.
    """
    if "." not in name and name not in RUNNERS:
        raise ValueError(unknown("runner", name, RUNNERS))


CALLS = "run"
FLAGS = {
    "model": Flag(Model(TRAINED, SERVED, LITERT, BUCKET)),
    "images": Flag(repeated=True),
    "output": Flag(),
    "what": Flag(
        Words("result", BATCH_RESULTS),
        f"Some of {', '.join(BATCH_RESULTS)}, separated by commas; classes if not "
        "given.",
        None,
    ),
    "top": Flag(AT_LEAST_1),
    "features_dtype": Flag(),
    "runner": Flag(Checked(check_runner)),
    "batch_size": Flag(AT_LEAST_1),
    "batch_mb": Flag(AT_LEAST_1, "The most MB of their pixels, 4 bytes each.", 64),
    "shard_size": Flag(AT_LEAST_1),
    "preprocessing": dataset_flags.PREPROCESSING,
    "exif_orientation": Flag(),
    "split": Flag(),
    "image_column": Flag(),
    "data_dir": Flag(),
    **dataset_flags.of_decoding(),
}


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
    with_flag(
        "images",
        check_paths,
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


def run(values: flags.FlagValues, options: list[str]) -> int:
    """Write the files, print what is in them, and return the exit status."""
    from keras_vit.batch import run

    done = run(
        **arguments(values, CALLS, FLAGS),
        options=options,
        batch_bytes=values.batch_mb << 20,
        **dataset_flags.decoding(values),
    )
    print(f"  rows        {done.rows:,} in {done.output}/")
    print(f"  readable    {done.manifest['readable']:,}")
    for kind, count in done.errors.items():
        print(f"  {kind:<11} {count:,}")
    if done.errors:
        print(f"  reasons     in the column error of {done.output}/")
    for label, count in [*done.labels.items()][: values.top]:
        print(f"  {count:>11,} {label}")
    return UNREADABLE if done.errors else 0
