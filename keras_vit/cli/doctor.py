"""`keras-vit doctor`."""

from absl import flags

from keras_vit.cli import flag_types
from keras_vit.cli.failures import FAILED

SUMMARY = "Print what this machine has for training, and what to do about the rest."
USAGE = "[--seconds=1]"
REQUIRED = ()
TAKES_PATHS = False


def define(values: flags.FlagValues) -> None:
    """Define the flags."""
    flag_types.number(
        values,
        "seconds",
        "How long matrices are multiplied in each precision.",
        1.0,
        least=0.01,
    )


def check(values: flags.FlagValues) -> None:
    """Do nothing: each flag is checked by itself."""


def run(values: flags.FlagValues) -> int:
    """Print each finding; return 1 where something does not work that should."""
    from keras_vit.diagnosis import diagnose

    found = diagnose(values.seconds)
    print(*found, sep="\n")
    return FAILED if any(one.is_problem for one in found) else 0
