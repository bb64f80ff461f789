"""Programs of this package, started in a process of their own."""

import os
import pathlib
import sys

ROOT = pathlib.Path(__file__).parents[2]


def program(name, *arguments):
    """Return the command line of `support.NAME`, to be run with `environment`."""
    return [sys.executable, "-m", f"support.{name}", *map(str, arguments)]


def environment(**variables):
    """Return an environment in which `keras_vit` and `support` can be imported."""
    path = os.pathsep.join([str(ROOT), str(ROOT / "tests")])
    return os.environ | {"PYTHONPATH": path} | variables
