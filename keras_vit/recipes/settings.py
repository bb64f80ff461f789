"""A recipe with other settings, by name or as text, and as JSON."""

import dataclasses
import inspect
import json
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from keras_vit.recipes.recipe import CHOICES, RENAMED, Recipe, new_name
from keras_vit.renamed import with_new_names
from keras_vit.suggestions import unknown
from keras_vit.variants import VARIANTS


def with_model(recipe: Recipe, model: str | None) -> Recipe:
    """Return the recipe with another model instead of its own.

    Of another size in the table the recipe's other arguments and weights are
    kept, with the layer before the head as wide as a token. Any other model
    is taken as it is.
    """
    if recipe.model not in VARIANTS or model not in VARIANTS:
        return dataclasses.replace(
            recipe, model=model, model_arguments={}, stem_blocks=None, weights=None
        )
    arguments = dict(recipe.model_arguments)
    if "representation_size" in arguments:
        arguments["representation_size"] = VARIANTS[model].hidden_dim
    return dataclasses.replace(recipe, model=model, model_arguments=arguments)


def changed(recipe: Recipe, changes: Mapping[str, Any]) -> Recipe:
    """Return the recipe with other values; `epochs` replaces `steps`."""
    changes = with_new_names(dict(changes), RENAMED, "Recipe", stacklevel=3)
    if "epochs" in changes:
        changes = {"steps": 0} | changes
    return dataclasses.replace(recipe, **changes)


def override(recipe: Recipe, settings: Iterable[str]) -> Recipe:
    """Return the recipe with `"key=value"` settings instead of its own.

    Raises:
        ValueError: as `read_settings`.

    Example:

    >>> recipe = Recipe("fashion_mnist_sample", "ViT_Ti16")
    >>> override(recipe, ["epochs=2", "freeze=stem,block_0*"]).freeze
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
        read, expected = _READERS[_KINDS[key]]
        try:
            changes[key] = read(text)
        except ValueError:
            raise ValueError(
                f"{key} must be {expected}. Received: {setting!r}"
            ) from None
    return changes


def setting_names() -> list[str]:
    """Return the settings that `read_settings` takes."""
    return list(_KINDS)


def documented() -> dict[str, str]:
    """Return what `Recipe` says of each of its fields, by name.

    Example:

    >>> documented()["beta2"]
    'of Adam.'
    """
    text = (inspect.getdoc(Recipe) or "").partition("Attributes:\n")[2]
    entries = re.findall(r"^    (\w+): (.+(?:\n {8}.+)*)", text, re.M)
    return {name: " ".join(words.split()) for name, words in entries}


def difference(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    """Return the settings that differ between two recipes, a line of text for each.

    Args:
        one: as `as_json` returns it.
        other: as `as_json` returns it.
    """
    return [
        f"{name}: {one.get(name)!r} and {other.get(name)!r}"
        for name in {**one, **other}
        if one.get(name) != other.get(name)
    ]


def as_json(recipe: Recipe) -> dict[str, Any]:
    """Return a recipe as JSON gives it back."""
    return json.loads(json.dumps(dataclasses.asdict(recipe)))


def from_json(settings: Mapping[str, Any]) -> Recipe:
    """Return the recipe of a file, which an earlier version may have written.

    Args:
        settings: as `as_json` returns them; what is not among them has its
            default.

    Raises:
        TypeError: for a setting that a recipe does not have.
        ValueError: for a wrong value.
    """
    return Recipe(**{RENAMED.get(name, name): settings[name] for name in settings})


def _read_bool(text: str) -> bool:
    words = {"true": True, "1": True, "false": False, "0": False}
    if text.lower() not in words:
        raise ValueError(text)
    return words[text.lower()]


def _read_words(text: str) -> tuple[str, ...]:
    return tuple(word for word in text.split(",") if word)


def _read_factors(text: str) -> dict[str, float]:
    pairs = (part.rpartition(":") for part in _read_words(text))
    return {pattern: float(factor) for pattern, _, factor in pairs}


_READERS: dict[Any, tuple[Callable[[str], Any], str]] = {
    int: (int, "a whole number"),
    float: (float, "a number"),
    bool: (_read_bool, "true or false"),
    str: (str, "a word"),
    tuple[str, ...]: (_read_words, "words separated by commas"),
    dict[str, float]: (_read_factors, "pattern:factor, separated by commas"),
}
_ARGUMENTS = ("dataset", "model")  # of `train`, no settings
_KINDS = {
    one.name: str if one.name in CHOICES else one.type
    for one in dataclasses.fields(Recipe)
    if (one.type in _READERS or one.name in CHOICES) and one.name not in _ARGUMENTS
}
