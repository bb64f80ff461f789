"""The learning rates of a sweep, and the splits that it is run on."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from keras_vit import recipes
from keras_vit.data.vtab import PREFIX, TASKS
from keras_vit.recipes.paper import LEARNING_RATES

if TYPE_CHECKING:
    from keras_vit.experiments.trials import Outcome
    from keras_vit.recipes import Recipe


OF_PAPER = {f"paper/finetune_{one}": rates for one, rates in LEARNING_RATES.items()}
# Of a recipe's own rate, as far apart as those of Table 4.
FACTORS = (0.1, 0.3, 1.0, 3.0)
DEV_SHARE = "10%"  # of a training split for which no recipe says another
VTAB_DEV = ("train[:800]", "train[800:]")  # arXiv:1910.04867


def best_of(rates: Iterable[float], sweep: Iterable[Outcome]) -> float:
    """Return the rate of the most accurate outcome; of equals, of the least loss."""
    pairs = zip(rates, sweep, strict=True)
    return max(pairs, key=lambda pair: (pair[1].top1, -pair[1].loss))[0]


def checked_rates(
    rates: Iterable[float] | None, name: str, recipe: Any
) -> tuple[float, ...]:
    """Return the learning rates to be tried, as `transfer` describes.

    Raises:
        ValueError: for rates that are no rates, or twice the same.

    Example:

    >>> checked_rates(None, "paper/finetune_cifar10", None)
    (0.001, 0.003, 0.01, 0.03)
    """
    if rates is None and name in OF_PAPER:
        return OF_PAPER[name]
    if rates is None and recipe.data.name.startswith(PREFIX):
        return (recipe.schedule.base_lr,)
    if rates is None:
        rates = [float(f"{factor * recipe.schedule.base_lr:.3g}") for factor in FACTORS]
    rates = tuple(map(float, rates))
    whole = all(0 < rate < math.inf for rate in rates)
    if not rates or not whole or len({f"{rate:g}" for rate in rates}) < len(rates):
        raise ValueError(
            "rates must be one or several different learning rates above 0. "
            f"Received: {', '.join(f'{rate:g}' for rate in rates) or 'none'}"
        )
    return rates


def dev_splits(dev: str | None, name: str, recipe: Recipe) -> tuple[str, str]:
    """Return the splits that a sweep trains and is evaluated on (see `transfer`).

    Raises:
        ValueError: for a `dev` that is no share, a share of a share, or the split
            that the runs are tested on.
    """
    split, tried = recipe.data.train_split, recipes.RECIPES.get(f"{name}_dev")
    if recipe.data.validation is not None:
        dev = _dev_beside_validation(dev, recipe.data.validation)
    if dev is None and split == "train":
        left_out = tried and tried.data.eval_split
        if tried and left_out and tried.data.name == recipe.data.name:
            return tried.data.train_split, left_out
        if (recipe.data.name or "").startswith(PREFIX):
            return VTAB_DEV
    dev = dev or DEV_SHARE
    if dev == recipe.data.eval_split:
        raise ValueError(
            "dev, the split that the rates are chosen on, must not be eval_split, "
            "which the runs are tested on. "
            f"Received: dev={dev!r} and eval_split={recipe.data.eval_split!r}"
        )
    if dev == "validation":
        return split, dev
    share = re.fullmatch(r"([1-9]\d?)%", dev)
    if not share or "[" in split:
        raise ValueError(
            "dev must be a share of a whole training split, such as 10%, or "
            f"validation. Received: dev={dev!r} of train_split={split!r}"
        )
    kept = 100 - int(share[1])
    return f"{split}[:{kept}%]", f"{split}[{kept}%:]"


def _dev_beside_validation(dev: str | None, validation: float) -> str:
    """Return the split of a sweep whose recipe takes validation from training."""
    if dev not in (None, "validation"):
        raise ValueError(
            "dev must be validation, or be left out, beside the setting validation, "
            f"which takes that split from training. Received: dev={dev!r} and "
            f"validation={validation:g}"
        )
    return "validation"


def keeping_labels(recipe: Recipe) -> Recipe:
    """Return the recipe without augmentations that change labels of a VTAB task.

    Example:

    >>> recipe = recipes.get("paper/finetune_vtab")
    >>> recipe = recipes.changed(recipe, {"dataset": "vtab/dsprites_location"})
    >>> recipe.augmentation.crop, keeping_labels(recipe).augmentation.crop
    ('inception', None)
    """
    name = recipe.data.name or ""
    task = TASKS.get(name.removeprefix(PREFIX))
    if task is None or not name.startswith(PREFIX):
        return recipe
    changes = {} if task.crop else {"crop": "none", "crop_padding": 0}
    changes |= {} if task.flip else {"flip": False}
    return recipes.changed(recipe, changes)
