"""`keras-vit prepare`."""

from absl import flags

from keras_vit.cli import batch, dataset_flags
from keras_vit.cli.flag import Flag, arguments
from keras_vit.cli.flag_types import AT_LEAST_1, Checked
from keras_vit.cli.inspect_data import UNSOUND, report_lines

SUMMARY = "Make a data set of files ready: records that are read in any order."
USAGE = (
    "--dataset=NAME --output=FOLDER [-- BEAM'S OPTIONS]\n\n"
    "The same command again resumes where one was stopped. The exit status is 1 if an\n"
    "image cannot be read or is in two splits, 0 otherwise."
)
REQUIRED = ("dataset", "output")
TAKES_PATHS = True  # what stands after --: Beam's options
CALLS = "prepare"
FLAGS = {
    **dataset_flags.of_dataset("What to make ready"),
    "output": Flag(),
    "name": Flag(),
    "short_side": Flag(AT_LEAST_1),
    "runner": Flag(Checked(batch.check_runner)),
    "shard_size": Flag(AT_LEAST_1),
}


def check(values: flags.FlagValues, options: list[str]) -> None:
    """Refuse a data set that does not exist, and words that are no options."""
    batch.check_options(options)
    dataset_flags.check(values)


def run(values: flags.FlagValues, options: list[str]) -> int:
    """Write the records, print what was found, and return the exit status."""
    from keras_vit.batch import prepare

    done = prepare(
        **arguments(values, CALLS, FLAGS),
        options=options,
        **dataset_flags.arguments(values),
    )
    print("\n".join(report_lines(done.inspection)))
    counts = ", ".join(f"{name} {count:,}" for name, count in done.records.items())
    print(f"  records    {done.output}/ ({counts})")
    return 0 if done.inspection.sound else UNSOUND
