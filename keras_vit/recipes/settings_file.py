"""Files of settings, YAML or JSON."""

from __future__ import annotations

import json
import os
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

from keras_vit.recipes.recipe import GROUPS, Recipe, new_name, setting_kinds
from keras_vit.recipes.settings import as_json, value_of
from keras_vit.suggestions import unknown

OF_A_RUN = ("recipe", "seed")  # beside the settings


def holds_a_run(path: str | os.PathLike[str]) -> bool:
    """Return whether a file is the `config.json` of a run, and not one of settings.

    A dry run writes the same as YAML (see `as_yaml`).

    Raises:
        ValueError: for a file that is neither YAML nor JSON.
    """
    content = read_file(path)
    return isinstance(content, Mapping) and "given_in_python" in content


def as_yaml(recipe: Recipe, seed: int, given_in_python: Sequence[str] = ()) -> str:
    """Return a recipe as text, in the form of a run's `config.json`.

    Args:
        recipe: with all settings in it.
        seed: of the run.
        given_in_python: the names of arguments that a file cannot hold.

    Example:

    >>> text = as_yaml(Recipe.of("photos", "ViT_Ti16"), seed=3)
    >>> text.split()[:4], text.split()[-3:]
    (['recipe:', 'model:', 'name:', 'ViT_Ti16'], ['3', 'given_in_python:', '[]'])
    """
    import yaml

    content = {
        "recipe": as_json(recipe),
        "seed": seed,
        "given_in_python": [*given_in_python],
    }
    return yaml.safe_dump(content, sort_keys=False)


def read_settings_file(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Return the settings of a file by their own names, and its recipe and seed.

    Args:
        path: of a YAML or JSON file. Settings stand by their own names, or in the
            groups of a recipe: `epochs: 3`, or `run: {epochs: 3}`.

    Returns:
        A dict of settings, as `train` takes them, also `model`, `dataset`, `weights`
        and `teacher`; of `recipe`, a name, and `seed`, where the file has them.

    Raises:
        ValueError: for a file that is neither, an unknown setting, or one that is
            there twice.

    Example:

    >>> import tempfile
    >>> with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
    ...     _ = file.write("recipe: finetune\\nrun: {epochs: 3}\\nbase_lr: 1e-3")
    ...     file.flush()
    ...     read_settings_file(file.name)
    {'recipe': 'finetune', 'epochs': 3, 'base_lr': 0.001}
    """
    content = read_file(path)
    if not isinstance(content, Mapping):
        raise ValueError(
            "A file of settings must hold names and values, such as `epochs: 3`. "
            f"Received: {path}, which holds {type(content).__name__}"
        )
    settings: dict[str, Any] = {}
    for name, value in _flat(content):
        if name in settings:
            raise ValueError(f"Each setting must be in {path} once. Received: {name}")
        settings[name] = value
    return settings


def read_file(path: str | os.PathLike[str]) -> Any:
    """Return what a YAML or JSON file holds.

    Raises:
        ValueError: for a file that is neither.
    """
    import yaml  # here, as few need it

    path = pathlib.Path(path)
    text = path.read_text(encoding="utf-8")
    try:
        return json.loads(text) if path.suffix == ".json" else yaml.safe_load(text)
    except (ValueError, yaml.YAMLError) as error:
        line = " ".join(str(error).split())
        raise ValueError(f"Expected YAML or JSON. Received: {path} ({line})") from error


def _flat(content: Mapping[Any, Any]) -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    for key, value in content.items():
        name = str(key)
        if isinstance(value, Mapping) and name in {*GROUPS, "task"}:
            found += [_of_group(name, str(one), value[one]) for one in value]
        elif name in OF_A_RUN:
            found.append((name, value))
        else:
            found.append(_setting(name, value))
    return found


def _of_group(group: str, name: str, value: Any) -> tuple[str, Any]:
    """Return a setting by its own name, which a group may call otherwise."""
    if group == "task":
        return _setting("task" if name == "name" else name, value)
    fields = GROUPS[group].__dataclass_fields__
    if name in fields:
        return _setting(fields[name].metadata.get("flat", name), value)
    return _setting(name, value)


def _setting(name: str, value: Any) -> tuple[str, Any]:
    name, kinds = new_name(name, stacklevel=4), setting_kinds()
    if name not in kinds:
        raise ValueError(unknown("setting of a recipe", name, [*kinds, *OF_A_RUN]))
    if isinstance(value, str):  # such as 1e-3, which YAML takes for a word
        return name, value_of(name, value)
    return name, value
