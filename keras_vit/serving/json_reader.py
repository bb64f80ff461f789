"""The JSON text of a request, read one image at a time.

The numbers of one image are an array before those of the next are read. A list of
Python's takes sixteen times the memory, and one call for a whole request would hold
up every other thread meanwhile.
"""

import json
import re
from collections.abc import Callable
from typing import Any, NoReturn

import numpy as np

NUMERIC = b"0123456789+-.eE,[] \t\r\n"  # all that lists of numbers are written with
TENSORS = ("instances", "inputs")
Read = tuple[Any, int]  # a value, and the character after its end
_SPACE: Any = re.compile(r"[ \t\n\r]*")  # as JSON has it, none included


def scan(body: bytes | bytearray, most: int) -> dict[str, Any]:
    """Read the members of a JSON object.

    Args:
        body: the text, in UTF-8.
        most: how many elements the lists of `instances` and `inputs` may have.

    Returns:
        A dict. In `instances` and `inputs` the lists in lists are arrays, of int64
        or float64; all else is as `json.loads` returns it.

    Raises:
        ValueError: if it is not JSON, or not an object.
        OverflowError: for more elements than allowed.

    Example:

    >>> scan(b'{"instances": [[1, 2], [3, 4]]}', most=2)
    {'instances': [array([1, 2]), array([3, 4])]}
    """
    try:
        text = body.decode("utf-8")
        _check_marks(text, most)
        start = _after_space(text, 0)
        if text[start : start + 1] != "{":
            raise ValueError("it does not begin with {")
        found, end = _object(text, start, _Members(most).read)
        if _after_space(text, end) != len(text):
            raise ValueError(f"something follows its end at character {end}")
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    return found


def _check_marks(text: str, most: int) -> None:
    """Refuse more marks than images need: Python would make an object of each.

    Each element has a few names in a few objects. Pixels have three numbers in
    their innermost lists, so two commas.
    """
    few = 8 * most + 64
    allowed = {"{": few, ":": few, "[": few + text.count(",") // 2}
    for mark, count in allowed.items():
        if text.count(mark) > count:
            raise ValueError(f"it has more of {mark!r} than {most} elements need")


class _Members:
    """A reader of the members of the outermost object."""

    def __init__(self, most: int) -> None:
        self._most = most

    def read(self, key: str, text: str, start: int) -> Read:
        """Read the tensors one image at a time, other members as `json` does."""
        if key not in TENSORS:
            return _decode(text, start)
        if text[start] == "{" and key == "inputs":
            return _object(text, start, self._tensor)
        return self._tensor(key, text, start)

    def _tensor(self, key: str, text: str, start: int) -> Read:
        if text[start] == "[":
            return _list(text, start, self._most)
        return _value(key, text, start)


def _value(key: str | None, text: str, start: int) -> Read:
    """Read an element: numbers, a string, or an object of them by name."""
    if text[start] == "{":
        return _object(text, start, _value)
    value, end = _decode(text, start)
    if isinstance(value, list):
        value = _array(value, text[start:end])
    return value, end


def _array(value: list[Any], text: str) -> Any:
    """Return numbers in lists as an array; anything else as it is, to be refused."""
    if text.encode("ascii", "replace").translate(None, NUMERIC):
        return value
    try:
        return np.asarray(value)
    except ValueError:
        raise ValueError("lists side by side differ in length") from None


def _object(text: str, start: int, read: Callable[[str, str, int], Read]) -> Read:
    """Read an object whose values are read by `read(key, text, start)`."""
    found: dict[str, Any] = {}
    at = _after_space(text, start + 1)
    if text[at : at + 1] == "}":
        return found, at + 1
    while True:
        key, at = _decode(text, at)
        at = _after_space(text, at)
        if not isinstance(key, str) or text[at : at + 1] != ":":
            raise ValueError(f"a name and a colon were expected at character {at}")
        at = _after_space(text, at + 1)
        found[key], at = read(key, text, _within(text, at))
        at = _after_space(text, at)
        if text[at : at + 1] == "}":
            return found, at + 1
        at = _after_comma(text, at)


def _list(text: str, start: int, most: int) -> Read:
    """Read the elements of a list, each on its own."""
    found: list[Any] = []
    at = _after_space(text, start + 1)
    if text[at : at + 1] == "]":
        return found, at + 1
    while True:
        if len(found) == most:
            raise OverflowError(f"more than {most} elements")
        value, at = _value(None, text, _within(text, at))
        found.append(value)
        at = _after_space(text, at)
        if text[at : at + 1] == "]":
            return found, at + 1
        at = _after_comma(text, at)


def _after_comma(text: str, at: int) -> int:
    if text[at : at + 1] != ",":
        raise ValueError(f"a comma was expected at character {at}")
    return _after_space(text, at + 1)


def _after_space(text: str, at: int) -> int:
    return _SPACE.match(text, at).end()


def _within(text: str, at: int) -> int:
    if at >= len(text):
        raise ValueError("it ends too early")
    return at


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a number in JSON")


_decode = json.JSONDecoder(parse_constant=_refuse_constant).raw_decode
