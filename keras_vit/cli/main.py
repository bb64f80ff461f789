"""`keras-vit`: finds the command, reads its flags, reports what went wrong.

A call goes through three stages. Its words are read and checked; this needs the
standard library and absl alone, so that help and mistakes are answered at once.
Then `load` loads Keras and TensorFlow. Then the command runs.
"""

import contextlib
import importlib
import os
import sys
import traceback
import types
import warnings
from collections.abc import Callable, Iterator, Sequence

from absl import flags

from keras_vit.cli.failures import FAILED as FAILED
from keras_vit.cli.failures import USAGE_ERROR, line_of
from keras_vit.cli.flag import check_all, define
from keras_vit.cli.help import help_of, overview
from keras_vit.recipes.settings import setting_names
from keras_vit.suggestions import did_you_mean, unknown
from keras_vit.version import VERSION

NAMES = (
    *("inspect-data", "prepare", "train", "transfer", "evaluate", "predict", "batch"),
    *("inspect", "export", "serve", "convert", "list", "doctor"),
)
COMMANDS: dict[str, types.ModuleType] = {
    name: importlib.import_module(f"keras_vit.cli.{name.replace('-', '_')}")
    for name in NAMES
}
SETTINGS_ELSEWHERE = {  # flags of other programs -> the settings of recipes
    "lr": "base_lr",
    "learning_rate": "base_lr",
    "opt": "optimizer",
    "wd": "weight_decay",
    "batch": "batch_size",
    "img_size": "image_size",
    "smoothing": "label_smoothing",
    "clip_grad": "clip_norm",
    "reprob": "random_erasing",
    "grad_accum_steps": "accumulation_steps",
}
INTERRUPTED = 130
TRACEBACK = "KERAS_VIT_TRACEBACK"  # of the environment: show where errors are raised


def main(
    arguments: Sequence[str] | None = None, *, load: Callable[[], None] | None = None
) -> int:
    """Run one command and return its exit status.

    0 for success, 1 where some of the input could not be used, 2 for a call
    that cannot be carried out, which one line explains. A training run ends
    with 1 where a number is not finite, with 42 after SIGTERM, 43 when another
    worker is gone, and 130 after Ctrl-C; the same command resumes it.

    Args:
        arguments: the words after `keras-vit`; those of the process by default.
        load: loads Keras, once all words are found to be right. Nothing by
            default, for callers that have imported `keras_vit`.
    """
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    if arguments[:1] == ["help"]:
        arguments = [*arguments[1:2], "--help"]
    name = arguments[0] if arguments else "--help"
    if name in ("--help", "-h"):
        print(overview(COMMANDS))
        return 0
    if name == "--version":
        print(f"keras-vit {VERSION}")
        return 0
    if name not in COMMANDS:
        print(f"keras-vit: {unknown('command', name, COMMANDS)}", file=sys.stderr)
        return USAGE_ERROR
    return _run(name, COMMANDS[name], arguments[1:], load)


def _run(
    name: str,
    command: types.ModuleType,
    arguments: list[str],
    load: Callable[[], None] | None,
) -> int:
    title = f"keras-vit {name}"
    values = flags.FlagValues()
    define(values, command)
    values.set_gnu_getopt(True)
    if {"--help", "-h"} & set(arguments):
        print(help_of(title, command, values))
        return 0
    try:
        with warnings_in_a_line(title):
            paths = _read(title, command, values, arguments)
            if load is not None and _needs_keras(command, values):
                load()
            status = command.run(values, *paths)
        sys.stdout.flush()
        return status
    except BrokenPipeError:  # of `keras-vit list | head`, whose reader has enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        print(f"\n{title}: interrupted", file=sys.stderr)
        return INTERRUPTED
    except Exception as error:
        answer = line_of(error)
        if answer is None:
            raise
        if os.environ.get(TRACEBACK):
            traceback.print_exc()
        print(f"{title}: {answer[0]}", file=sys.stderr)
        return answer[1]


def _read(
    title: str,
    command: types.ModuleType,
    values: flags.FlagValues,
    arguments: list[str],
) -> list[list[str]]:
    """Read and check all words of a call.

    Returns:
        What `run` takes beside the flags: the paths, where the command takes any.

    Raises:
        flags.Error, ValueError, OSError: saying what is wrong.
    """
    try:
        paths = values([title, *arguments])[1:]
    except flags.UnrecognizedFlagError as error:
        raise ValueError(_unknown_flag(title, error, values)) from None
    for flag in getattr(command, "REQUIRED", ()):
        if values[flag].value is None:
            raise ValueError(f"--{flag} is missing. Expected: {values[flag].help}")
    takes_paths = getattr(command, "TAKES_PATHS", False)
    if paths and not takes_paths:
        raise ValueError(
            f"unexpected argument {paths[0]!r}. Expected flags, which begin with --; "
            f"{title} --help lists them"
        )
    check_all(values)
    taken = [[os.path.expanduser(path) for path in paths]] if takes_paths else []
    if hasattr(command, "check"):
        command.check(values, *taken)
    return taken


def _unknown_flag(
    title: str, error: flags.UnrecognizedFlagError, values: flags.FlagValues
) -> str:
    name, value = error.flagname, str(error.flagvalue).partition("=")[2]
    plain = name.replace("-", "_")
    setting = SETTINGS_ELSEWHERE.get(plain, plain)
    if "set" in values and setting in setting_names():
        return (
            f"--{name} is a setting of the recipe, not a flag. Use --set "
            f"{setting}={value or '...'}"
        )
    near = did_you_mean(f"--{name}", [f"--{flag}" for flag in values])
    return (
        f"Unknown flag. Expected one that {title} --help lists. Received: --{name}."
        f"{near}"
    )


def _needs_keras(command: types.ModuleType, values: flags.FlagValues) -> bool:
    """Whether a call computes anything, and does not just list names."""
    return not hasattr(command, "needs_keras") or command.needs_keras(values)


@contextlib.contextmanager
def warnings_in_a_line(title: str) -> Iterator[None]:
    """Print warnings without the place in the code that they are from."""
    before = warnings.formatwarning
    warnings.formatwarning = lambda message, *_, **__: f"{title}: {message}\n"
    try:
        with warnings.catch_warnings():  # else Python keeps deprecations to itself
            warnings.filterwarnings("once", ".*the old name", DeprecationWarning)
            yield
    finally:
        warnings.formatwarning = before
