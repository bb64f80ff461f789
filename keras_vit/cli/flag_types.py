"""The kinds of flags: what each takes is read and checked without Keras.

A flag's text is parsed as absl does it, `~` is expanded in paths, and a word that
is unknown is refused with what was probably meant. A parser's `check`, where it has
one, asks whether there is anything at a path; it is called once all flags are read.
"""

import ast
import os
import pathlib
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from absl import flags

from keras_vit.suggestions import unknown

Parser = flags.ArgumentParser
MOST_LISTED = 13  # words of a flag that its help names


def parser_of(name: str, annotation: str) -> "Parser[Any]":
    """Return the parser for an argument of a function.

    Args:
        name: of the flag.
        annotation: the argument's type, as its file has it. A type that is none of
            those that a terminal knows is read as text.

    Example:

    >>> parser_of("format", "Literal['onnx', 'tflite'] | None").parse("onnx")
    'onnx'
    """
    words = re.search(r"Literal(\[.*?\])", annotation)
    if words:
        return Word(name, ast.literal_eval(words[1]))
    kinds = {"bool": Boolean, "int": Whole, "float": Number}
    kind = kinds.get(annotation.removesuffix(" | None"))
    if kind is not None:
        return kind()
    return Path() if re.search(r"\b(PathLike|Path)\b", annotation) else Parser()


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


class Boolean(flags.BooleanParser):
    """True or false; `--name` and `--noname` will do."""

    def parse(self, argument: Any) -> bool:
        """Return what a word means."""
        try:
            return super().parse(argument)
        except (TypeError, ValueError):
            raise ValueError("Expected true or false.") from None


class Number(Parser):
    """A number, from `least` to `most`."""

    kind, described = float, "a number"

    def __init__(self, least: float | None = None, most: float | None = None) -> None:
        self.least, self.most = least, most
        self.expected = self.described
        if most is not None:
            self.expected += f" from {least} to {most}"
        elif least is not None:
            self.expected += f" of at least {least}"

    def parse(self, argument: Any) -> Any:
        """Return the number."""
        try:
            value = self.kind(argument)
        except ValueError:
            raise ValueError(f"Expected {self.expected}.") from None
        low = self.least is not None and not value >= self.least
        high = self.most is not None and not value <= self.most
        if low or high:
            raise ValueError(f"Expected {self.expected}.")
        return value


class Whole(Number):
    """A whole number, from `least` to `most`."""

    kind, described = int, "a whole number"


class Separated(Parser):
    """Values separated by commas, each of a kind, and as many as `counts` has."""

    def __init__(
        self,
        kind: Callable[[str], Any] = float,
        expected: str = "numbers separated by commas",
        counts: Sequence[int] = (),
    ) -> None:
        self.kind, self.expected, self.counts = kind, expected, counts

    def parse(self, argument: Any) -> Any:
        """Return the values as a list."""
        if isinstance(argument, list):
            return argument
        parts = [part.strip() for part in argument.split(",") if part.strip()]
        try:
            found = [self.kind(part) for part in parts]
        except ValueError:
            found = None
        if found is None or (self.counts and len(found) not in self.counts):
            raise ValueError(f"Expected {self.expected}.")
        return found


class Size(Separated):
    """The height and width of an image or a patch, in pixels, or one for both."""

    def __init__(self) -> None:
        super().__init__(int, "pixels, or height,width", (1, 2))

    def parse(self, argument: Any) -> Any:
        """Return (height, width)."""
        if isinstance(argument, tuple):
            return argument
        found = super().parse(argument)
        if min(found) < 1:
            raise ValueError(f"Expected {self.expected}.")
        return found[0], found[-1]

    def full_help(self, help: str) -> str:
        """Return a flag's help with (height, width) as it is typed."""
        return help.replace("an integer or (height, width)", "or height,width")


class Word(Parser):
    """One word of a table, of a kind that has a name.

    A choice such as `tpu:<name>` stands for all words with that beginning.
    """

    help = "One of {}."

    def __init__(self, kind: str, choices: Iterable[str]) -> None:
        self.kind, self.choices = kind, list(choices)

    def parse(self, argument: str) -> str:
        """Return the word."""
        starts = [one.partition("<")[0] for one in self.choices if "<" in one]
        if argument in self.choices or (starts and argument.startswith(tuple(starts))):
            return argument
        raise ValueError(unknown(self.kind, argument, self.choices))

    def full_help(self, help: str) -> str:
        """Return a flag's help with the words, where it does not name them itself."""
        help = re.sub(r"^A key of [\w.]+\.\s*", "", help)
        named = all(re.search(rf"\b{re.escape(one)}", help) for one in self.choices)
        if named or len(self.choices) > MOST_LISTED:
            return help
        return f"{help} {self.help.format(', '.join(self.choices))}".strip()


class Words(Word):
    """Some words of a table, separated by commas."""

    help = "Some of {}, separated by commas."

    def parse(self, argument: Any) -> Any:
        """Return the words as a list."""
        found = Separated(str).parse(argument)
        for one in found:
            if one not in self.choices:
                expected = f"some of {', '.join(self.choices)}"
                raise ValueError(
                    unknown(self.kind, one, self.choices, expected=expected)
                )
        return found


class Checked(Parser):
    """Text that a function refuses by a ValueError."""

    def __init__(self, function: Callable[[str], Any]) -> None:
        self.function = function

    def parse(self, argument: str) -> str:
        """Return the text."""
        self.function(argument)
        return argument


class Path(Parser):
    """A path at which there need be nothing."""

    def parse(self, argument: str) -> str:
        """Return the path with `~` expanded."""
        return os.path.expanduser(argument)


class Folder(Path):
    """A folder to be written, which need not exist."""

    def check(self, value: str) -> None:
        """Refuse a file."""
        found = pathlib.Path(value)
        if found.exists() and not found.is_dir():
            raise ValueError(
                f"{value} is not a folder. Expected a folder, or a path at which "
                "there is nothing. Name another, or remove the file."
            )


class Existing(Path):
    """A file or folder that exists."""

    def __init__(self, expected: str) -> None:
        self.expected = expected

    def check(self, value: Any) -> None:
        """Refuse a path of nothing."""
        check_paths([value] if isinstance(value, str) else value, self.expected)


class ExistingMany(Existing):
    """Files or folders that exist, separated by commas."""

    def parse(self, argument: Any) -> Any:
        """Return the paths as a list."""
        return Separated(os.path.expanduser).parse(argument)


AT_LEAST_1 = Whole(1)
