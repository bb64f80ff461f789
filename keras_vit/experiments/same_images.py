"""Trials that are compared have to be evaluated on the same images."""

from __future__ import annotations

import json
import pathlib
from typing import Any

from keras_vit import recipes
from keras_vit.training.artifacts.folder import CONFIG


def check_same_images(folder: pathlib.Path, evaluated: dict[Any, Any]) -> None:
    """Refuse a trial that was evaluated on other images than one before it.

    Args:
        folder: of the trial.
        evaluated: notes on those before, to which this one's are added.

    Raises:
        ValueError: naming both.
    """
    config = json.loads((folder / CONFIG).read_text())
    recipe = recipes.from_json(config["recipe"])
    data, noted = recipe.data, config["dataset"]
    split = noted.get("final_split", noted.get("eval_split", data.eval_split))
    fingerprint = noted.get("final_fingerprint", noted.get("eval_fingerprint"))
    if fingerprint is None:  # of an earlier version
        return
    options = json.dumps(data.options, sort_keys=True)
    same = data.name, options, split
    first, expected = evaluated.setdefault(same, (folder, fingerprint))
    if fingerprint != expected:
        raise ValueError(
            f"Trials must be evaluated on the same images. Received: {folder}, whose "
            f"{split} images of {data.name} differ from those "
            f"of {first}. Restore them, or remove the folder with the other images"
        )
