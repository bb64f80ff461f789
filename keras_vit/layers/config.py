"""What the configs of layers have in common: frozen dataclasses of choices."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

Config = TypeVar("Config")


def check_choices(config: Any, choices: Mapping[str, Sequence[str]], of: str) -> None:
    """Refuse a config whose fields have values that there are not.

    Args:
        config: a dataclass.
        choices: a field -> its values.
        of: what the config is of, for the message.

    Raises:
        ValueError: naming the field and its values.
    """
    for field, values in choices.items():
        if getattr(config, field) not in values:
            raise ValueError(
                f"{field} of {of} must be one of {', '.join(values)}. "
                f"Received: {field}={getattr(config, field)!r}"
            )


def config_of(kind: type[Config], fields: Mapping[str, Any], of: str) -> Config:
    """Return a config of its fields.

    Raises:
        ValueError: for a field that there is not, naming those that there are.
    """
    known = [field.name for field in dataclasses.fields(kind)]  # pyright: ignore[reportArgumentType]
    unknown = [name for name in fields if name not in known]
    if unknown:
        raise ValueError(
            f"Unknown choice of {of}. Expected some of {', '.join(known)}. "
            f"Received: {', '.join(map(repr, unknown))}"
        )
    return kind(**fields)


def as_dict(config: Any) -> dict[str, Any]:
    """Return the fields that differ from the defaults, for JSON."""
    return {
        field.name: _plain(value)
        for field in dataclasses.fields(config)
        if (value := getattr(config, field.name)) != field.default
    }


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value):
        return as_dict(value)
    return list(value) if isinstance(value, tuple) else value
