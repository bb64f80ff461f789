"""`keras-vit doctor`."""

from absl import flags

from keras_vit.cli.failures import FAILED
from keras_vit.cli.flag import Flag
from keras_vit.cli.flag_types import Number

SUMMARY = "Print what this machine has for training, and what to do about the rest."
USAGE = "[--seconds=1]"
CALLS = "diagnose"
FLAGS = {"seconds": Flag(Number(0.01))}


def run(values: flags.FlagValues) -> int:
    """Print each finding; return 1 where something does not work that should."""
    from keras_vit.diagnosis import diagnose

    found = diagnose(values.seconds)
    print(*found, sep="\n")
    return FAILED if any(one.is_problem for one in found) else 0
