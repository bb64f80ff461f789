"""Files of settings, YAML or JSON."""

from __future__ import annotations

import functools
import json
import os
import pathlib
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from keras_vit.recipes.recipe import GROUPS, Recipe, setting_kinds
from keras_vit.recipes.renamed_settings import new_name
from keras_vit.recipes.settings import as_json, value_of
from keras_vit.suggestions import unknown

OF_A_RUN = ("recipe", "seed")  # beside the settings
# Numbers such as 1e-3, which are words to the YAML 1.1 of PyYAML, and not to 1.2.
_NUMBER = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)[eE][-+]?[0-9]+$")


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
    _, dumper = _loader_and_dumper()
    return yaml.dump(content, Dumper=dumper, sort_keys=False)


def read_settings_file(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Return the settings of a file by their own names, and its recipe and seed.

    Args:
        path: of a YAML or JSON file. Settings stand by their own names, or in the
            groups of a recipe: `epochs: 3`, or `run: {epochs: 3}`.

    Returns:
        A dict of settings, as `train` takes them, also `model`, `dataset`, `weights`
        and `teacher`; of `recipe`, a name, and `seed`, where the file has them.

    Raises:
        ValueError: for a file that is neither, an unknown setting, one that is there
            twice, or a recipe or a seed that is none.

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
        if path.suffix == ".json":
            return json.loads(text)
        loader, _ = _loader_and_dumper()
        return yaml.load(text, loader)
    except (ValueError, yaml.YAMLError) as error:
        line = " ".join(str(error).split())
        raise ValueError(f"Expected YAML or JSON. Received: {path} ({line})") from error


@functools.cache
def _loader_and_dumper() -> tuple[Any, Any]:
    """Return classes of PyYAML's that take 1e-3 for a number."""
    import yaml

    class Loader(yaml.SafeLoader):
        pass

    class Dumper(yaml.SafeDumper):  # which quotes the word "1e-3", so that it is one
        pass

    for one in (Loader, Dumper):
        one.add_implicit_resolver(
            "tag:yaml.org,2002:float", _NUMBER, list("-+.0123456789")
        )
    return Loader, Dumper


def _flat(content: Mapping[Any, Any]) -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    for key, value in content.items():
        name = str(key)
        if isinstance(value, Mapping) and name in {*GROUPS, "task"}:
            found += [_of_group(name, str(one), value[one]) for one in value]
        elif name in OF_A_RUN:
            _check_of_a_run(name, value)
            found.append((name, value))
        else:
            found.append(_setting(name, value, (*setting_kinds(), *OF_A_RUN)))
    return found


def _of_group(group: str, name: str, value: Any) -> tuple[str, Any]:
    """Return a setting by its own name, which a group may call otherwise."""
    if name in OF_A_RUN:
        raise ValueError(
            f"{name} must stand beside the groups of settings. Received: {name} in "
            f"{group}. Move it out of there"
        )
    if group == "task":
        own = "task" if name == "name" else name
    else:
        field = GROUPS[group].__dataclass_fields__.get(name)
        own = field.metadata.get("flat", name) if field else name
    return _setting(own, value, setting_kinds())


def _check_of_a_run(name: str, value: Any) -> None:
    """Refuse a recipe that is no name, and a seed that is no number.

    Raises:
        ValueError: saying what was expected.
    """
    if name == "recipe" and not isinstance(value, str):
        raise ValueError(f"recipe must be the name of one. Received: {value!r}")
    if name == "seed":
        checked_seed(value)


def checked_seed(value: Any) -> int:
    """Return the seed that a file holds.

    Raises:
        ValueError: if it is none.

    Example:

    >>> checked_seed(3)
    3
    """
    if type(value) is not int or value < 0:
        raise ValueError(
            f"seed must be a whole number that is not negative. Received: {value!r}"
        )
    return value


def _setting(name: str, value: Any, expected: Iterable[str]) -> tuple[str, Any]:
    name = new_name(name, stacklevel=4)
    if name not in setting_kinds():
        raise ValueError(unknown("setting of a recipe", name, expected))
    if isinstance(value, str):  # a word, or a number in quotes
        return name, value_of(name, value)
    return name, value
