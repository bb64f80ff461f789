"""A model -> the arrays and settings that one of transformers' classes loads.

Of the families that can hold a model the first is taken, one that resizes positions
as the model does before others. What is to be written is read again as any file is,
and has to give the arguments that the model was built by.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from keras_vit.weights.file_arguments import arguments_of, plain
from keras_vit.weights.files import Stored
from keras_vit.weights.sources import (
    huggingface,
    huggingface_aimv2,
    huggingface_beit,
    huggingface_clip,
    huggingface_dinov2,
    huggingface_dinov3,
    huggingface_pixio,
    huggingface_siglip,
    huggingface_tipsv2,
    without_left_out,
)
from keras_vit.weights.sources.huggingface_facts import Facts, facts_of
from keras_vit.weights.sources.huggingface_family import Family, Written
from keras_vit.weights.translate import names_in, to_theirs

FAMILIES: tuple[Family, ...] = (
    *huggingface.FAMILIES,
    huggingface_dinov2.FAMILY,
    huggingface_tipsv2.FAMILY,
    huggingface_dinov3.FAMILY,
    huggingface_clip.FAMILY,
    *huggingface_siglip.FAMILIES,
    huggingface_beit.FAMILY,
    huggingface_aimv2.FAMILY,
    huggingface_pixio.FAMILY,
)
USUAL: dict[str, Any] = {  # what a source that says nothing of an argument means
    "class_token": True,
    "distillation": False,
    "num_registers": 0,
    "position_embedding": "learned",
    "fc_norm": False,
    "layer_scale": None,
    "qk_norm": False,
    "patch_bias": True,
    "patch_norm": False,
    "pre_norm": False,
    "final_norm": True,
    "head_bias": True,
    "representation_size": None,
    "num_classes": None,
    "block": {},
}


HEADS = ("classifier.", "cls_classifier.", "distillation_classifier.")
HEADS += ("visual_projection.",)


@dataclass(frozen=True)
class Attempt:
    """A model as a family would be given it.

    Attributes:
        arrays: by the names in the file.
        config: `config.json`.
        problems: in words, what the family cannot hold.
        resizes_alike: whether its classes resize positions as the model does.
        is_near: whether the family could be tried to its end.
    """

    arrays: Written
    config: dict[str, Any]
    problems: list[str]
    resizes_alike: bool = False
    is_near: bool = True


def huggingface_files(
    model: keras.Model, class_names: Sequence[str] | None = None
) -> tuple[Written, dict[str, Any]]:
    """Return the arrays of a model and its `config.json`, for JSON.

    Args:
        model: a ViT that a factory of this package built.
        class_names: in the order of the logits; `None`: `LABEL_0` and so on,
            as the library itself makes them up.

    Raises:
        ValueError: for a model that no family of classes holds, naming what the
            nearest one lacks.
    """
    facts = facts_of(model)
    attempts = [_attempt(facts, family) for family in FAMILIES]
    fitting = [one for one in attempts if not one.problems]
    if not fitting:
        nearest = min(attempts, key=lambda one: (not one.is_near, len(one.problems)))
        raise ValueError(
            f"huggingface's files cannot hold: {', '.join(nearest.problems)}"
        )
    chosen = max(fitting, key=lambda one: one.resizes_alike)
    config = chosen.config
    if facts.has_head and facts.arguments["head_bias"]:
        count = facts.arguments["num_classes"]
        labels = class_names or [f"LABEL_{n}" for n in range(count)]
        config["id2label"] = dict(enumerate(labels))
        config["label2id"] = {label: number for number, label in enumerate(labels)}
    return chosen.arrays, config


def _attempt(facts: Facts, family: Family) -> Attempt:
    """Write a model for a family, and read what was written."""
    source = family.source
    names, unknown = names_in(
        source.rules(facts.architecture, family.spelling(facts)), facts.weights
    )
    try:
        config = family.config(facts)
        if unknown:
            return Attempt({}, config, unknown)
        arrays = to_theirs(facts.weights, names, facts.architecture)
        arrays = _with_prefix(family.finished(arrays, facts), family, config, facts)
        stored = {name: _stored(array) for name, array in arrays.items()}
        canonical, _ = without_left_out(source, source.normalise(stored))
        read = arguments_of(source, canonical, config)
    except ValueError as error:
        return Attempt({}, {}, [*unknown, str(error)], is_near=False)
    rule = facts.architecture.position_interpolation
    alike = not facts.has_positions or rule in (
        None,
        source.position_method(stored, config),
    )
    return Attempt(arrays, config, _differences(facts, read), alike)


def _with_prefix(arrays, family, config, facts):
    """The backbone's names as they are where a head is beside it."""
    if not facts.has_head:
        return arrays
    prefix = family.prefix or f"{config['model_type']}."
    return {
        name if name.startswith(HEADS) else prefix + name: array
        for name, array in arrays.items()
    }


def _stored(array: np.ndarray) -> Stored:
    return Stored(array.shape, array.dtype, lambda: array)


def _differences(facts: Facts, read: dict[str, Any]) -> list[str]:
    """Return, in words, in what arguments that were read differ from the model's."""
    expected, found = USUAL | read, []
    for argument, ours in facts.arguments.items():
        pair = [plain(argument, one) for one in (ours, expected[argument])]
        if argument == "layer_scale":
            pair = [one is not None for one in pair]
        if argument == "pooling" and ours is None and not facts.has_head:
            continue  # all tokens, which every class returns
        if pair[0] != pair[1]:
            found.append(f"{argument}={pair[0]!r} (its code has {pair[1]!r})")
    return found
