"""Hugging Face transformers: the towers of images of CLIP and MetaCLIP 2."""

from typing import Any

import numpy as np

from keras_vit.preprocessing import resolve
from keras_vit.weights.files import Stored
from keras_vit.weights.sources import huggingface_config as config_file
from keras_vit.weights.sources import huggingface_processor as processor_file
from keras_vit.weights.sources import huggingface_towers as towers
from keras_vit.weights.sources.huggingface_config import Fields
from keras_vit.weights.sources.huggingface_facts import Facts
from keras_vit.weights.sources.huggingface_family import Family, Written, tower
from keras_vit.weights.sources.source import Arrays, Source
from keras_vit.weights.sources.torch_layout import dense, norm
from keras_vit.weights.translate import TRANSPOSED, reshaped

CLASSIFIER, PROJECTION = "classifier.weight", "visual_projection.weight"
RULES = towers.RULES | {
    "patch_encoder/class_token": (
        "embeddings.class_embedding",
        reshaped(lambda array, _: array.shape[2:]),
    ),
    **norm("pre_norm", "pre_layrnorm"),
}
HEADS = {
    "classified": dense("head", "classifier"),
    "projected": {"head/kernel": (PROJECTION, TRANSPOSED)},
}
DEFAULTS = {
    "hidden_act": "quick_gelu",
    "layer_norm_eps": 1e-5,
    "num_attention_heads": 12,
    "image_size": 224,
}
FIELDS = Fields(
    kinds=dict.fromkeys(
        ("clip_vision_model", "clip", "metaclip_2_vision_model", "metaclip_2"), DEFAULTS
    )
)


def normalise(stored: Arrays) -> dict[str, Stored]:
    """Return arrays by canonical names; the classifier's network has no last norm."""
    names = towers.normalise(stored)
    if CLASSIFIER in names:
        names = {k: v for k, v in names.items() if not k.startswith("post_layernorm.")}
    return names


def spelling(stored: Arrays) -> frozenset[str]:
    """Return which head there is."""
    return frozenset({"classified" if CLASSIFIER in stored else "projected"})


def arguments(stored: Arrays) -> dict[str, Any]:
    """Return the arguments of a model that the arrays determine."""
    info: dict[str, Any] = {"class_token": True, "pooling": "token"}
    info |= {"pre_norm": True, "patch_bias": False}
    if CLASSIFIER in stored:
        info["num_classes"] = stored[CLASSIFIER].shape[0]
        info |= {"pooling": "gap", "final_norm": False}
    elif PROJECTION in stored:
        info |= {"num_classes": stored[PROJECTION].shape[0], "head_bias": False}
    return info


CLIP = Source(
    name="clip",
    kinds=tuple(FIELDS.kinds),
    recognises=lambda names: any(
        name.removeprefix(towers.PREFIX) == "pre_layrnorm.weight" for name in names
    ),
    normalise=normalise,
    rules=lambda architecture, spelling: (
        RULES | HEADS[min(spelling, default="projected")]
    ),
    activation="gelu_quick",
    layer_norm_epsilon=1e-5,
    position_method=lambda stored, config: "bicubic",
    image_size=FIELDS.image_size,
    patches=towers.PATCHES,
    positions=towers.POSITIONS,
    mlp="encoder.layers.*.mlp.fc2.weight",
    arguments=arguments,
    pixels=processor_file.pixels(processor_file.CLIP_PIXELS, "CLIP"),
    preprocessing=processor_file.preprocessing(resolve("dinov2:1"), "CLIP"),
    dropped_with_head=("classifier.", "visual_projection."),
    left_out=towers.LEFT_OUT,
    spelling=spelling,
    classifiers=("classifier",),
    settings=FIELDS.settings,
    class_names=config_file.class_names,
    assumed=config_file.assumed,
)


def _is_projected(facts):
    return facts.has_head and not facts.arguments["head_bias"]


def _config(facts: Facts) -> dict[str, Any]:
    """Return `config.json` of the tower, or of the whole that has a classifier."""
    if not _is_projected(facts):
        return tower(facts, "CLIP", "clip")
    config = tower(facts, "CLIP", "clip", "WithProjection")
    return config | {"projection_dim": facts.arguments["num_classes"]}


def _finished(arrays: Written, facts: Facts) -> Written:
    """Add the last norm, which the classifier's network has and does not use."""
    if facts.arguments["final_norm"]:
        return arrays
    one = np.ones(facts.hidden_dim, np.float32)
    return arrays | {"post_layernorm.weight": one, "post_layernorm.bias": 0 * one}


FAMILY = Family(
    source=CLIP,
    config=_config,
    prefix=towers.PREFIX,
    spelling=lambda facts: frozenset(
        {"projected" if _is_projected(facts) else "classified"}
    ),
    finished=_finished,
)
