"""A recipe with other settings, by name or as text, and as JSON."""

import dataclasses
import inspect
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any

from keras_vit.recipes.recipe import (
    GROUPS,
    Recipe,
    as_flat,
    changed,
    setting_kinds,
)
from keras_vit.recipes.renamed_settings import RENAMED, new_name
from keras_vit.recipes.tasks import TASKS, name_of
from keras_vit.suggestions import unknown
from keras_vit.variants import VARIANTS


def with_model(recipe: Recipe, model: str | None) -> Recipe:
    """Return the recipe with another model instead of its own.

    Of another size in the table the recipe's other arguments and weights are
    kept, with the layer before the head as wide as a token. Any other model
    is taken as it is.
    """
    settings, before = {"model": model}, recipe.model
    if before.name not in VARIANTS or model not in VARIANTS:
        none = {"model_arguments": {}, "stem_blocks": None, "weights": None}
        return changed(recipe, settings | none)
    arguments = dict(before.arguments)
    if "representation_size" in arguments:
        arguments["representation_size"] = VARIANTS[model].hidden_dim
    return changed(recipe, settings | {"model_arguments": arguments})


def with_image_size(recipe: Recipe, size: Sequence[int | None]) -> Recipe:
    """Return the recipe with the size of the images that its model takes.

    Args:
        recipe: of a run.
        size: (height, width), pixels. The setting `image_size` is one number: it is
            `None`, the model's own size, where they differ.

    Example:

    >>> with_image_size(Recipe.of("photos", "runs/pets"), (32, 32)).model.image_size
    32
    """
    height, width = size
    return changed(recipe, {"image_size": height if height == width else None})


def override(recipe: Recipe, settings: Iterable[str]) -> Recipe:
    """Return the recipe with `"key=value"` settings instead of its own.

    Raises:
        ValueError: as `read_settings`.

    Example:

    >>> recipe = Recipe.of("fashion_mnist_sample", "ViT_Ti16")
    >>> override(recipe, ["epochs=2", "freeze=stem,block_0*"]).model.freeze
    ('stem', 'block_0*')
    """
    return changed(recipe, read_settings(settings))


def read_settings(settings: Iterable[str]) -> dict[str, Any]:
    """Return the values of `"key=value"` settings, by key.

    Several words or numbers for one key are separated by commas, a pattern
    from its number by a colon.

    Raises:
        ValueError: for a key that a recipe does not have, or a value of
            another kind. Model, weights and data set are no settings: `train`
            takes them as arguments.

    Example:

    >>> read_settings(["epochs=2", "lr_multipliers=head/*:10"])
    {'epochs': 2, 'lr_multipliers': {'head/*': 10.0}}
    """
    changes = {}
    for setting in settings:
        key, equals, text = setting.partition("=")
        key = new_name(key, stacklevel=3)
        if not equals:
            raise ValueError(
                f"Expected key=value, as in epochs=3. Received: {setting!r}"
            )
        if key not in _KINDS:
            raise ValueError(unknown("setting of a recipe", key, _KINDS))
        changes[key] = value_of(key, text)
    return changes


def value_of(key: str, text: str) -> Any:
    """Return the value of a setting that came as text.

    Raises:
        ValueError: for a value of another kind.
    """
    kind, setting = setting_kinds()[key], f"{key}={text}"
    if kind.can_be_off and not kind.has_none and text == "none":
        return kind.off
    if text in kind.choices:
        return text
    if kind.type not in _READERS:
        raise ValueError(f"{key} must be names and values. Received: {setting!r}")
    read, expected = _READERS[kind.type]
    expected = _EXPECTED.get(key, expected)
    try:
        return read(text)
    except ValueError:
        raise ValueError(f"{key} must be {expected}. Received: {setting!r}") from None


def setting_names() -> list[str]:
    """Return the settings that `read_settings` takes."""
    return list(_KINDS)


def documented() -> dict[str, str]:
    """Return what is said of each setting where it is declared, by name.

    Example:

    >>> documented()["beta2"]
    'of Adam.'
    """
    found = {}
    classes = dict.fromkeys(
        one
        for settings in (*GROUPS.values(), *TASKS.values())
        for one in reversed(settings.__mro__)
        if is_dataclass(one)
    )
    for settings in classes:
        text = (inspect.getdoc(settings) or "").partition("Attributes:\n")[2]
        own = {one.name: one.metadata.get("flat", one.name) for one in fields(settings)}
        for name, words in re.findall(r"^    (\w+): (.+(?:\n {8}.+)*)", text, re.M):
            found.setdefault(own[name], " ".join(words.split()))
    learnt = ", ".join(f"`{name}`" for name in TASKS)
    return found | {"task": f"what is learnt: {learnt}."}


def difference(one: Recipe, other: Recipe) -> list[str]:
    """Return the settings that differ between two recipes, a line of text for each.

    Example:

    >>> difference(Recipe.of("photos", epochs=3), Recipe.of("photos", epochs=5))
    ['epochs: 3 and 5']
    """
    before, after = (json.loads(json.dumps(as_flat(r))) for r in (one, other))
    return [
        f"{name}: {before.get(name)!r} and {after.get(name)!r}"
        for name in before | after
        if before.get(name) != after.get(name)
    ]


def as_json(recipe: Recipe) -> dict[str, Any]:
    """Return a recipe as JSON gives it back: groups, and the settings in each.

    Example:

    >>> as_json(Recipe.of("photos", masked_patches="pixels"))["task"]
    {'name': 'masked_patches', 'masked_patches': 'pixels'}
    """
    groups = dataclasses.asdict(recipe)
    groups["task"] = {"name": name_of(recipe.task)} | groups["task"]
    return json.loads(json.dumps(groups))


def from_json(settings: Mapping[str, Any]) -> Recipe:
    """Return the recipe of a file, which an earlier version may have written.

    Args:
        settings: as `as_json` returns them, or each by its own name, as earlier
            versions wrote them; what is not among them has its default.

    Raises:
        TypeError: for a setting that a recipe does not have.
        ValueError: for a wrong value.
    """
    if not isinstance(settings.get("model"), Mapping):
        return _from_flat(
            {RENAMED.get(name, name): settings[name] for name in settings}
        )
    groups: dict[str, Any] = {
        name: GROUPS[name](**values)
        for name, values in settings.items()
        if name != "task"
    }
    if "task" in settings:
        task = dict(settings["task"])
        groups["task"] = TASKS[task.pop("name")](**task)
    return Recipe(**groups)


def _from_flat(settings: Mapping[str, Any]) -> Recipe:
    """Return the recipe of a file that has every setting of every task."""
    chosen = [name for name in TASKS if settings.get(name) not in (None, "none")]
    task = TASKS[chosen[-1] if chosen else "classification"]
    own = {one.name for one in fields(task)}
    of_tasks = {one.name for kind in TASKS.values() for one in fields(kind)}
    return changed(
        Recipe(), {n: v for n, v in settings.items() if n in own or n not in of_tasks}
    )


def _read_bool(text: str) -> bool:
    words = {"true": True, "1": True, "false": False, "0": False}
    if text.lower() not in words:
        raise ValueError(text)
    return words[text.lower()]


def _read_words(text: str) -> tuple[str, ...]:
    return tuple(word for word in text.split(",") if word)


def _read_counts(text: str) -> tuple[int, ...]:
    return tuple(int(word) for word in _read_words(text))


def _read_factors(text: str) -> dict[str, float]:
    pairs = (part.rpartition(":") for part in _read_words(text))
    return {pattern: float(factor) for pattern, _, factor in pairs}


_READERS: dict[Any, tuple[Callable[[str], Any], str]] = {
    int: (int, "a whole number"),
    float: (float, "a number"),
    bool: (_read_bool, "true or false"),
    str: (str, "a word"),
    tuple[str, ...]: (_read_words, "words separated by commas"),
    tuple[int, ...]: (_read_counts, "whole numbers separated by commas"),
    dict[str, float]: (_read_factors, "pattern:factor, separated by commas"),
}
_EXPECTED = {"class_weights": "balanced, or name:number, separated by commas"}
_ARGUMENTS = ("dataset", "model", "weights", "teacher")  # of `train`, no settings
_KINDS = {
    name: kind
    for name, kind in setting_kinds().items()
    if kind.type in _READERS and name not in _ARGUMENTS
}
