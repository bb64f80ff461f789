"""The kinds of flags: what each takes is read and checked without Keras.

A flag's text is parsed as absl does it, `~` is expanded in paths, and a word that
is unknown is refused with what was probably meant. Whether there is anything at a
path is asked by `check_all`, once all flags are read.
"""

import os
import pathlib
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

from absl import flags

from keras_vit.suggestions import unknown

Values = flags.FlagValues
T = TypeVar("T")


def text(values: Values, name: str, help: str, default: str | None = None) -> None:
    """Define a flag of any text."""
    flags.DEFINE_string(name, default, help, flag_values=values)


def texts(values: Values, name: str, help: str) -> None:
    """Define a flag that may be repeated, of any text."""
    flags.DEFINE_multi_string(name, [], help, flag_values=values)


def boolean(values: Values, name: str, help: str, default: bool = False) -> None:
    """Define a flag that is true or false; `--name` and `--noname` will do."""
    flag = flags.BooleanFlag(name, default, help)
    flag.parser = _Boolean()
    flags.DEFINE_flag(flag, values)


def whole(
    values: Values,
    name: str,
    help: str,
    default: int | None = None,
    *,
    least: int | None = None,
    most: int | None = None,
) -> None:
    """Define a flag of a whole number."""
    _define(values, name, default, help, _Number(int, least, most))


def number(
    values: Values,
    name: str,
    help: str,
    default: float | None = None,
    *,
    least: float | None = None,
    most: float | None = None,
) -> None:
    """Define a flag of a number."""
    _define(values, name, default, help, _Number(float, least, most))


def word(
    values: Values,
    name: str,
    help: str,
    choices: Iterable[str],
    default: str | None = None,
) -> None:
    """Define a flag of one word of a table, which its own name describes.

    A choice such as `tpu:<name>` stands for all words with that beginning.
    """
    _define(values, name, default, help, _Word(name, list(choices)))


def words(
    values: Values, name: str, help: str, choices: Iterable[str], kind: str
) -> None:
    """Define a flag of words of a table, separated by commas, each of a kind."""
    _define(values, name, None, help, _Words(kind, list(choices)))


def numbers(
    values: Values,
    name: str,
    help: str,
    kind: type = float,
    *,
    expected: str = "numbers separated by commas",
) -> None:
    """Define a flag of numbers, separated by commas."""
    _define(values, name, None, help, _Numbers(kind, expected))


def checked(
    values: Values,
    name: str,
    help: str,
    check: Callable[[str], Any],
    default: str | None = None,
) -> None:
    """Define a flag of text that a function refuses by a ValueError."""
    _define(values, name, default, help, _Checked(check))


def path(values: Values, name: str, help: str, default: str | None = None) -> None:
    """Define a flag of a path that need not exist."""
    _define(values, name, default, help, _Path())


def folder(values: Values, name: str, help: str) -> None:
    """Define a flag of a folder to be written, which need not exist."""
    _define(values, name, None, help, _Folder())


def existing(values: Values, name: str, help: str, expected: str) -> None:
    """Define a flag of the path of a file or folder that exists."""
    _define(values, name, None, help, _Existing(expected))


def existing_many(values: Values, name: str, help: str, expected: str) -> None:
    """Define a flag of paths that exist, separated by commas."""
    _define(values, name, None, help, _ExistingMany(expected))


def custom(
    values: Values, name: str, help: str, parser: "flags.ArgumentParser[Any]"
) -> None:
    """Define a flag that another module's parser reads."""
    _define(values, name, None, help, parser)


def check_all(values: Values) -> None:
    """Check every flag that has a value by its parser's `check`, where it has one.

    Raises:
        ValueError, OSError: naming the flag.
    """
    for name in values:
        check = getattr(values[name].parser, "check", None)
        if check is not None and values[name].value is not None:
            with_flag(name, check, values[name].value)


def with_flag(name: str, check: Callable[..., T], *args: Any) -> T:
    """Return what a check returns; what it raises names the flag.

    Raises:
        ValueError, OSError: of the kind that the check raises.
    """
    try:
        return check(*args)
    except FileNotFoundError as error:
        raise FileNotFoundError(f"--{name}: {error}") from error
    except ValueError as error:
        raise ValueError(f"--{name}: {error}") from error


def check_paths(paths: Sequence[str], expected: str) -> None:
    """Refuse paths at which there is nothing.

    Raises:
        FileNotFoundError: naming them.
    """
    missing = [one for one in paths if not pathlib.Path(one).exists()]
    if missing:
        raise FileNotFoundError(
            f"No such file or folder: {', '.join(missing)}. Expected {expected}."
        )


def _define(
    values: Values,
    name: str,
    default: Any,
    help: str,
    parser: "flags.ArgumentParser[Any]",
) -> None:
    flags.DEFINE(parser, name, default, help, flag_values=values)


class _Boolean(flags.BooleanParser):
    def parse(self, argument: Any) -> bool:
        try:
            return super().parse(argument)
        except (TypeError, ValueError):
            raise ValueError("Expected true or false.") from None


class _Number(flags.ArgumentParser):
    def __init__(self, kind: type, least: float | None, most: float | None) -> None:
        self.kind, self.least, self.most = kind, least, most

    def parse(self, argument: Any) -> Any:
        try:
            value = self.kind(argument)
        except ValueError:
            raise ValueError(f"Expected {self._expected()}.") from None
        low = self.least is not None and not value >= self.least
        high = self.most is not None and not value <= self.most
        if low or high:
            raise ValueError(f"Expected {self._expected()}.")
        return value

    def _expected(self) -> str:
        kind = "a whole number" if self.kind is int else "a number"
        if self.most is not None:
            return f"{kind} from {self.least} to {self.most}"
        return kind if self.least is None else f"{kind} of at least {self.least}"


class _Numbers(flags.ArgumentParser):
    def __init__(self, kind: type, expected: str) -> None:
        self.kind, self.expected = kind, expected

    def parse(self, argument: Any) -> Any:
        if isinstance(argument, list):
            return argument
        parts = [part.strip() for part in argument.split(",") if part.strip()]
        try:
            return [self.kind(part) for part in parts]
        except ValueError:
            raise ValueError(f"Expected {self.expected}.") from None


class _Word(flags.ArgumentParser):
    def __init__(self, kind: str, choices: list[str]) -> None:
        self.kind, self.choices = kind, choices

    def parse(self, argument: str) -> str:
        starts = [one.partition("<")[0] for one in self.choices if "<" in one]
        if argument in self.choices or (starts and argument.startswith(tuple(starts))):
            return argument
        raise ValueError(unknown(self.kind, argument, self.choices))


class _Words(_Word):
    def parse(self, argument: Any) -> Any:
        if isinstance(argument, list):
            return argument
        found = [one.strip() for one in argument.split(",") if one.strip()]
        for one in found:
            if one not in self.choices:
                expected = f"some of {', '.join(self.choices)}"
                raise ValueError(
                    unknown(self.kind, one, self.choices, expected=expected)
                )
        return found


class _Checked(flags.ArgumentParser):
    def __init__(self, function: Callable[[str], Any]) -> None:
        self.function = function

    def parse(self, argument: str) -> str:
        self.function(argument)
        return argument


class _Path(flags.ArgumentParser):
    def parse(self, argument: str) -> str:
        return os.path.expanduser(argument)


class _Folder(_Path):
    def check(self, value: str) -> None:
        found = pathlib.Path(value)
        if found.exists() and not found.is_dir():
            raise ValueError(
                f"{value} is not a folder. Expected a folder, or a path at which "
                "there is nothing. Name another, or remove the file."
            )


class _Existing(_Path):
    def __init__(self, expected: str) -> None:
        self.expected = expected

    def check(self, value: str) -> None:
        check_paths([value], self.expected)


class _ExistingMany(_Existing):  # the value is a list of paths
    def parse(self, argument: Any) -> Any:
        if isinstance(argument, list):
            return argument
        parts = [part.strip() for part in argument.split(",") if part.strip()]
        return [os.path.expanduser(part) for part in parts]

    def check(self, value: Any) -> None:
        check_paths(value, self.expected)
