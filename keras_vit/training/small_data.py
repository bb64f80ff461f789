"""Settings of a recipe that fit fewer images than it was made for."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from typing import Any


def fitted_to(
    settings: Mapping[str, Any],
    set_by_user: Collection[str],
    training_images: int,
    *,
    replicas: int = 1,
) -> tuple[dict[str, int], list[str]]:
    """Return smaller values for settings that do not fit the training images.

    Nothing that fits is changed, nor what the user has set. A batch becomes the
    largest one that the images fill; then, or where it would be no shorter than
    the run, the warm-up becomes at most a tenth of the run's steps, as does the
    cool-down. What does not fit even so is left to be refused.

    Args:
        settings: of the recipe, by their own names: `batch_size`, `epochs`,
            `steps`, `warmup_steps`, `cooldown_steps`, `accumulation_steps` and
            `repeats`.
        set_by_user: the names of those that the user has set.
        training_images: how many there are, at least 1.
        replicas: which share a batch.

    Returns:
        The changed settings, and a sentence on each.

    Example:

    >>> settings = {"batch_size": 32, "epochs": 20, "steps": None, "repeats": 1}
    >>> settings |= {"warmup_steps": 10, "cooldown_steps": 0, "accumulation_steps": 1}
    >>> changes, sentences = fitted_to(settings, {"epochs"}, 18)
    >>> changes
    {'batch_size': 18, 'warmup_steps': 2}
    >>> sentences[0]
    "batch_size=18 instead of the recipe's 32, for 18 training images."
    """
    changes, sentences = {}, []
    batch_size = settings["batch_size"]
    if batch_size > training_images and "batch_size" not in set_by_user:
        parts = replicas * settings["accumulation_steps"]
        multiple = math.lcm(parts, settings["repeats"])
        fits = training_images // multiple * multiple
        if fits:
            batch_size = changes["batch_size"] = fits
            sentences.append(
                f"batch_size={fits} instead of the recipe's {settings['batch_size']}, "
                f"for {training_images} training image{'s'[: training_images > 1]}."
            )
    if batch_size > training_images:
        return {}, []
    steps = settings["steps"] or settings["epochs"] * (training_images // batch_size)
    left = steps
    for name, fits_in in (("warmup_steps", steps - 1), ("cooldown_steps", None)):
        wanted = settings[name]
        fits_in = left if fits_in is None else fits_in
        short = min(wanted, steps // 10)
        if short < wanted and name not in set_by_user and (changes or wanted > fits_in):
            changes[name] = short
            sentences.append(
                f"{name}={short} instead of the recipe's {wanted}, for a run of "
                f"{steps:,} step{'s'[: steps != 1]}."
            )
        left -= changes.get(name, wanted)
    return changes, sentences
