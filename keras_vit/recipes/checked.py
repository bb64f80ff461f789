"""Frozen dataclasses of settings that check the values they hold."""

from __future__ import annotations

import dataclasses
import functools
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from numbers import Real
from typing import Any, ClassVar, Literal, get_args, get_origin

# Metadata of a field: what its number must be.
Metadata = Mapping[str, Any]
POSITIVE_COUNT: Metadata = {"bound": (lambda value: value >= 1, "be at least 1")}
NOT_NEGATIVE: Metadata = {
    "bound": (lambda value: 0 <= value < float("inf"), "not be negative")
}
ABOVE_ZERO: Metadata = {"bound": (lambda value: value > 0, "be above 0")}
SHARE: Metadata = {"bound": (lambda value: 0 <= value <= 1, "lie in [0, 1]")}
BELOW_ONE: Metadata = {"bound": (lambda value: 0 <= value < 1, "lie in [0, 1)")}
HAS_NONE: Metadata = {"has_none": True}  # the word "none" is a value
POSITIVE_SHARE: Metadata = {"bound": (lambda value: 0 < value <= 1, "lie in (0, 1]")}
PART: Metadata = {"bound": (lambda value: 0 < value < 1, "lie in (0, 1)")}


def flat(name: str) -> Metadata:
    """Return metadata of a field that has another name among all settings."""
    return {"flat": name}


def off(value: float) -> Metadata:
    """Return metadata of a field that a number, too, turns off, as `None` does."""
    return {"off": value}


ZERO_IS_OFF: Metadata = {**NOT_NEGATIVE, **off(0)}
ZERO_RATE_IS_OFF: Metadata = {**BELOW_ONE, **off(0)}


@dataclass(frozen=True)
class Kind:
    """What a setting's value may be.

    Attributes:
        type: `int`, `float`, `bool`, `str`, or a tuple's or dict's.
        choices: the words it may be; empty where it is free. With a type other
            than `str`, it is one of them or of the type.
        optional: whether `None` turns it off.
        has_none: whether the word "none" is a value of its own, and not off.
    """

    type: Any
    choices: tuple[str, ...]
    optional: bool
    has_none: bool = False

    @property
    def can_be_off(self) -> bool:
        """Whether `None` and the word "none" turn it off, or empty it."""
        return self.optional or get_origin(self.type) in (tuple, dict)

    @property
    def off(self) -> Any:
        """What it is then: `None`, or empty where it holds several."""
        return None if self.optional else get_origin(self.type)()

    @classmethod
    def of(cls, annotation: Any) -> Kind:
        """Return the kind of a field by its annotation."""
        parts = [annotation]
        if get_origin(annotation) in (types.UnionType, typing.Union):
            parts = list(get_args(annotation))
        optional = type(None) in parts
        parts = [part for part in parts if part is not type(None)]
        words = [
            word
            for part in parts
            if get_origin(part) is Literal
            for word in get_args(part)
        ]
        others = [part for part in parts if get_origin(part) is not Literal]
        return cls(others[0] if others else str, tuple(words), optional)


@dataclass(frozen=True)
class Settings:
    """Checks its fields by their annotations and their metadata.

    A field that may be `None` is off then; the word "none", an empty word and the
    number of `off` become `None`. All of these empty a tuple or a dict that may not.

    Raises:
        TypeError: for a value of another type; a whole number may come as 2.0.
        ValueError: for a number out of its bounds, or an unknown word.
    """

    learns_labels: ClassVar[bool] = True

    def __post_init__(self) -> None:
        for one in fields(self):
            name = one.metadata.get("flat", one.name)
            value = getattr(self, one.name)
            kind = kinds(type(self))[one.name]
            if kind.can_be_off and _is_off(value, one.metadata):
                value = kind.off
            if value is not None or not kind.optional:
                value = _checked(name, value, kind)
                holds, expected = one.metadata.get("bound", (None, ""))
                if holds is not None and not holds(value):
                    raise ValueError(
                        f"{name} must {expected}. Received: {name}={value}"
                    )
            object.__setattr__(self, one.name, value)


@functools.cache
def kinds(settings: type[Settings]) -> dict[str, Kind]:
    """Return the kind of each field of a class of settings."""
    hints = typing.get_type_hints(settings)
    return {
        one.name: dataclasses.replace(
            Kind.of(hints[one.name]), has_none="has_none" in one.metadata
        )
        for one in fields(settings)
    }


def _is_off(value: Any, metadata: Mapping[str, Any]) -> bool:
    if value is None:
        return True
    if isinstance(value, str):
        return value == "" or (value == "none" and "has_none" not in metadata)
    number = isinstance(value, Real) and not isinstance(value, bool)
    return number and "off" in metadata and value == metadata["off"]


def _checked(name: str, value: Any, kind: Kind) -> Any:
    """Return a value of the kind, or raise."""
    if kind.choices and (kind.type is str or isinstance(value, str)):
        if value not in kind.choices:
            words = (*kind.choices, *(["none"] if kind.optional else []))
            raise ValueError(
                f"{name} must be one of {', '.join(words)}. Received: {name}={value!r}"
            )
        return value
    check, expected = _CHECKS.get(get_origin(kind.type) or kind.type, (None, ""))
    if check is not None and not check(value):
        raise TypeError(f"{name} must be {expected}. Received: {name}={value!r}")
    if kind.type == dict[str, float] and not all(map(_is_number, value.values())):
        raise TypeError(f"{name} must be numbers by name. Received: {name}={value!r}")
    if kind.type in (int, float):
        return kind.type(float(value))
    if get_origin(kind.type) is tuple:  # a list, as JSON has it
        return tuple(value)
    return value


def _is_number(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)


_CHECKS: dict[Any, tuple[Callable[[Any], bool], str]] = {
    int: (
        lambda value: _is_number(value) and float(value).is_integer(),
        "a whole number",
    ),
    float: (_is_number, "a number"),
    bool: (lambda value: isinstance(value, bool), "True or False"),
    str: (lambda value: isinstance(value, str), "a word"),
    tuple: (lambda value: isinstance(value, list | tuple), "a list"),
    dict: (lambda value: isinstance(value, Mapping), "a dict"),
}
