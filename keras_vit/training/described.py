"""What a file can tell of an object that a run was given."""

from __future__ import annotations

import dataclasses
import functools
import inspect
import json
import os
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np


def described(value: Any) -> Any:
    """Return the class of an object, or a function's name, and its configuration.

    Objects that are made alike are described alike, in every process and after a
    way through a file: names that Keras counts, shapes that layers were built for and
    addresses are left out. Of a function there is its name alone.

    Args:
        value: a loss, an optimizer, a layer, a task, a function, or several in a list.

    Returns:
        Dicts, lists, texts and numbers, as JSON holds them.

    Example:

    >>> described([np.square, keras.losses.Dice(axis=1)])[1]["config"]["axis"]
    1
    """
    return _lasting(json.loads(json.dumps(_told(value), default=_told)))


def kind_of(value: Any) -> str:
    """Return the name of an object's class, with its module.

    Example:

    >>> kind_of(keras.losses.Dice())
    'keras.src.losses.losses.Dice'
    """
    return f"{type(value).__module__}.{type(value).__qualname__}"


def _told(value: Any) -> Any:
    """Return an object as values of JSON, and others that are told in their turn."""
    if isinstance(value, list | tuple):
        return [_told(one) for one in value]
    if value is None or isinstance(value, str | int | float | Mapping):
        return value
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if inspect.isroutine(value):
        return {"function": f"{value.__module__}.{value.__qualname__}"}
    if isinstance(value, functools.partial):
        arguments = [value.args, value.keywords]
        return {"partial": _told(value.func), "arguments": arguments}
    config: Mapping[str, Any] = {}
    if hasattr(value, "get_config"):
        config = value.get_config()
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        config = dataclasses.asdict(value)
    elif not callable(value) and type(value).__repr__ is not object.__repr__:
        return str(value)
    if isinstance(value, keras.optimizers.Optimizer | keras.layers.Layer):
        config = {name: one for name, one in config.items() if name != "name"}
    return {"class": kind_of(value), "config": dict(config)}


def _lasting(value: Any) -> Any:
    """Leave out what differs between serialized objects that are made alike."""
    if isinstance(value, list):
        return [_lasting(one) for one in value]
    if not isinstance(value, dict):
        return value
    if isinstance(value.get("config"), dict) and "class_name" in value:
        config = {n: one for n, one in value["config"].items() if n != "name"}
        value = {n: one for n, one in value.items() if n != "build_config"}
        value["config"] = config
    return {name: _lasting(one) for name, one in value.items()}
