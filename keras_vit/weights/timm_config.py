"""The `config.json` with which timm builds the model of the weights beside it."""

import dataclasses
import re
from collections.abc import Sequence
from typing import Any

import keras

from keras_vit.weights.architecture import describe
from keras_vit.weights.file_arguments import plain
from keras_vit.weights.pixels import for_timm
from keras_vit.weights.sources import timm_settings
from keras_vit.weights.sources.timm_architectures import ARCHITECTURES
from keras_vit.weights.sources.timm_positions import embeds_patches_alone
from keras_vit.weights.sources.timm_stems import STEMS
from keras_vit.weights.timm_arguments import model_args
from keras_vit.weights.timm_differences import differences

DISTILLED = "deit_base_distilled_patch16_224"
PLAIN = "vit_base_patch16_224"
# In a name: the stem.
HYBRID = re.compile(r"_r(?:\d*_s\d+|esnet\d+d?(?:_s\d+)?)_|_mci_")


def architecture_of(model: keras.Model) -> str | None:
    """Return timm's name of what builds such a model, given the other sizes.

    `None` for a hybrid whose stem timm has no name for.
    """
    layers = {layer.name: layer for layer in model.layers}
    if "head_distillation" in layers or "features_distillation" in layers:
        return DISTILLED
    stem = layers.get("stem")
    if stem is None:
        return PLAIN
    fixed = stem.get_config() | {
        "patch_size": tuple(layers["patches"].patch_size),
        "hidden_dim": layers["patch_encoder"].hidden_dim,
    }
    for one in STEMS:
        for name, arguments in one.architectures.items():
            if type(stem) is one.layer and arguments.items() <= fixed.items():
                return name
    return None


def chosen(model: keras.Model, architecture: str | None) -> tuple[str | None, bool]:
    """Return timm's architecture for a model, and whether patches alone have positions.

    Args:
        model: a ViT that a factory of this package built.
        architecture: the name that the user asks for; `None`: one that fits the model.

    Raises:
        ValueError: for an architecture of another kind than the model's.
    """
    described = describe(model)
    fits = architecture_of(model)
    encoder = model.get_layer("patch_encoder")
    others = differences(model, None) if architecture is None else ()
    if others:
        raise ValueError(
            f"timm has names for models like {model.name!r}, which differs from its "
            f"usual ones in {', '.join(others)}. Expected architecture=, one of them, "
            "such as 'vit_base_patch16_clip_224'. Received: architecture=None"
        )
    distilled = fits == DISTILLED
    if distilled and described.num_registers:
        raise ValueError(
            "timm's code has no registers beside a distillation token. "
            f"Received: {model.name!r}, with {described.num_registers}"
        )
    if architecture is not None:
        return _checked(architecture, model, fits)
    if distilled or encoder.positions is None:
        return fits, False
    first = encoder.positions.numpy()[:, : described.num_first_tokens]
    return fits, bool(described.num_registers or (first.size and not first.any()))


def _checked(architecture, model, fits):
    """The name of an architecture that builds this model, and who has positions."""
    name = architecture.partition(".")[0]
    if name not in ARCHITECTURES:
        raise ValueError(
            "Unknown architecture. Expected a name that timm has for a Vision "
            f"Transformer, such as {fits!r}. Received: {architecture!r}"
        )
    others = differences(model, name)
    if others or _kind(name) != _kind(fits):
        raise ValueError(
            f"timm's {name} differs from {model.name!r}"
            f"{' in ' + ', '.join(others) if others else ''}. Expected an architecture "
            f"of the model's kind{f', such as {fits!r}' if fits else ''}. "
            f"Received: {architecture!r}"
        )
    return name, bool(embeds_patches_alone(name))


def _kind(name):
    """What no argument of timm's changes: the stem, and a second head."""
    hybrid = HYBRID.search(name or "")
    return hybrid and hybrid.group(), "_distilled_" in (name or "")


def _check_pooling(model, architecture, arguments):
    """Refuse a pooling that timm's class with these arguments does not have."""
    config: dict[str, Any] = {"model_args": arguments}
    if architecture is not None:
        config["architecture"] = architecture
    described = describe(model)
    ours = described.pooling
    theirs = timm_settings.settings(config)["pooling"]
    if ours is not None and ours.num_heads == described.num_heads:
        ours = dataclasses.replace(ours, num_heads=None)
    if ours is not None and "attn_pool_mlp_ratio" in arguments:
        ours = dataclasses.replace(ours, mlp_dim=None)
    pair = [plain("pooling", one) for one in (ours, theirs)]
    if pair[0] != pair[1]:
        raise ValueError(
            f"timm's {architecture or 'models'} cannot hold pooling={pair[0]!r} of "
            f"{model.name!r}. Expected {pair[1]!r}"
        )


def timm_config(
    model: keras.Model,
    architecture: str | None,
    patches_alone: bool,
    class_names: Sequence[str] | None = None,
) -> dict[str, Any]:
    """Return the `config.json` of a model, for JSON.

    `timm.create_model("local-dir:FOLDER", pretrained=True)` reads it, and so does
    `timm.create_model(config["architecture"], **config["model_args"])`.

    Args:
        model: a ViT that a factory of this package built.
        architecture: timm's name, as `chosen` returns it.
        patches_alone: whether `no_embed_class` is set there.
        class_names: in the order of the logits; `None`: not known.
    """
    layers = {layer.name: layer for layer in model.layers}
    height, width = model.input_shape[1:3]
    num_classes = layers["head"].units if "head" in layers else 0
    arguments = model_args(model, architecture, patches_alone)
    _check_pooling(model, architecture, arguments)
    config = {
        "num_classes": num_classes,
        "num_features": layers["patch_encoder"].hidden_dim,
        "global_pool": arguments["global_pool"],
        "model_args": arguments,
        "pretrained_cfg": {
            "num_classes": num_classes,
            "input_size": [3, height, width],
            "fixed_input_size": True,
            "first_conv": "patch_embed.proj",
            "classifier": "head",
            **for_timm(model),
        },
    }
    if class_names is not None:
        config["label_names"] = class_names
    return config if architecture is None else {"architecture": architecture} | config
