"""`keras-vit`: finds the command, reads its flags, reports what went wrong."""

import contextlib
import os
import sys
import textwrap
import warnings

from absl import flags

from keras_vit import __version__
from keras_vit.cli import (
    convert,
    evaluate,
    export,
    inspect,
    inspect_data,
    predict,
    serve,
    train,
    transfer,
)
from keras_vit.cli import list as list_

COMMANDS = {
    "inspect-data": inspect_data,
    "train": train,
    "transfer": transfer,
    "evaluate": evaluate,
    "predict": predict,
    "inspect": inspect,
    "export": export,
    "serve": serve,
    "convert": convert,
    "list": list_,
}
FAILED = 1
USAGE_ERROR = 2
INTERRUPTED = 130
INDENT = "      "


def main(arguments=None):
    """Runs one command and gives its exit status.

    0 for success, 1 where some of the input could not be used, 2 for a call
    that cannot be carried out, which one line explains. A training run ends
    with 1 where a number is not finite, with 42 after SIGTERM, 43 when another
    worker is gone, and 130 after Ctrl-C; the same command goes on with it.
    """
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    name = arguments[0] if arguments else "--help"
    if name in ("--help", "-h", "help"):
        print(_overview())
        return 0
    if name == "--version":
        print(f"keras-vit {__version__}")
        return 0
    if name not in COMMANDS:
        return _complain(
            "keras-vit",
            f"unknown command {name!r}. Expected one of {', '.join(COMMANDS)}",
        )
    return _run(name, COMMANDS[name], arguments[1:])


def _run(name, command, arguments):
    title = f"keras-vit {name}"
    values = flags.FlagValues()
    command.define(values)
    values.set_gnu_getopt(True)
    if {"--help", "-h"} & set(arguments):
        print(_help(title, command, values))
        return 0
    try:
        paths = values([title, *arguments])[1:]
        for flag in command.REQUIRED:
            if values[flag].value is None:
                raise ValueError(f"--{flag} is missing. Expected: {values[flag].help}")
        if paths and not command.TAKES_PATHS:
            raise ValueError(f"unexpected argument {paths[0]!r}; flags begin with --")
        with warnings_in_a_line(title):
            status = command.run(values, *([paths] if command.TAKES_PATHS else []))
        sys.stdout.flush()
        return status
    except BrokenPipeError:  # of `keras-vit list | head`, whose reader has enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except FloatingPointError as error:
        return _complain(title, error, FAILED)
    except (flags.Error, ValueError, OSError, ImportError, RuntimeError) as error:
        return _complain(title, error, getattr(error, "exit_status", USAGE_ERROR))
    except KeyboardInterrupt:
        print(f"\n{title}: interrupted", file=sys.stderr)
        return INTERRUPTED


@contextlib.contextmanager
def warnings_in_a_line(title):
    """Print warnings without the place in the code that they are from."""
    before = warnings.formatwarning
    warnings.formatwarning = lambda message, *_, **__: f"{title}: {message}\n"
    try:
        with warnings.catch_warnings():  # else Python keeps deprecations to itself
            warnings.filterwarnings("default", ".*the old name", DeprecationWarning)
            yield
    finally:
        warnings.formatwarning = before


def _complain(title, error, status=USAGE_ERROR):
    print(f"{title}: {' '.join(str(error).split())}", file=sys.stderr)
    return status


def _overview():
    lines = [f"  {name:<14}{command.SUMMARY}" for name, command in COMMANDS.items()]
    return "\n".join(
        [
            "Vision Transformers for Keras.",
            "",
            "usage: keras-vit COMMAND [--flag=value ...]",
            "",
            *lines,
            "",
            "keras-vit COMMAND --help tells its flags.",
        ]
    )


def _help(title, command, values):
    lines = [command.SUMMARY, "", f"usage: {title} {command.USAGE}", ""]
    for name in sorted(flag for flag in values if len(flag) > 1):
        flag = values[name]
        text = flag.help.partition(";\n")[0]  # without absl's note on repeating
        if flag.default not in (None, []):
            text += f" Default: {flag.default}"
        lines += [
            f"  --{name}=...",
            *textwrap.wrap(text, 80, initial_indent=INDENT, subsequent_indent=INDENT),
        ]
    return "\n".join(lines)
