"""`keras-vit prepare`."""

from absl import flags

from keras_vit.cli import batch, dataset_flags, flag_types
from keras_vit.cli.inspect_data import UNSOUND, report_lines

SUMMARY = "Make a data set of files ready: records that are read in any order."
USAGE = (
    "--dataset=NAME --output=FOLDER [-- BEAM'S OPTIONS]\n\n"
    "The same command again resumes where one was stopped. The exit status is 1 if an\n"
    "image cannot be read or is in two splits, 0 otherwise."
)
REQUIRED = ("dataset", "output")
TAKES_PATHS = True  # what stands after --: Beam's options


def define(values: flags.FlagValues) -> None:
    """Define the flags."""
    dataset_flags.define(values, "What to make ready")
    flag_types.path(values, "output", "The folder of the records, or one in a bucket.")
    flag_types.text(
        values, "name", "What TensorFlow Datasets calls it; as the data set by default."
    )
    flag_types.whole(
        values,
        "short_side",
        "Pixels to which a longer short side is reduced; images keep their size if "
        "not given.",
        least=1,
    )
    batch.define_runner(values)


def check(values: flags.FlagValues, options: list[str]) -> None:
    """Refuse a data set that does not exist, and words that are no options."""
    batch.check_options(options)
    dataset_flags.check(values)


def run(values: flags.FlagValues, options: list[str]) -> int:
    """Write the records, print what was found, and return the exit status."""
    from keras_vit.batch import prepare

    done = prepare(
        values.dataset,
        values.output,
        name=values.name,
        short_side=values.short_side,
        shard_size=values.shard_size,
        runner=values.runner,
        options=options,
        **dataset_flags.arguments(values),
    )
    print("\n".join(report_lines(done.inspection)))
    counts = ", ".join(f"{name} {count:,}" for name, count in done.records.items())
    print(f"  records    {done.output}/ ({counts})")
    return 0 if done.inspection.sound else UNSOUND
