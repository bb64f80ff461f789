"""Hugging Face transformers: ViT, DeiT, and the same network as MAE, MSN and I-JEPA.

DeiT without a teacher's head reads its class token alone. Its distillation token is
then a register, whose position is part of it.
"""

from typing import Any

from keras_vit.preprocessing import PRESETS
from keras_vit.weights.architecture import Architecture
from keras_vit.weights.files import Stored
from keras_vit.weights.sources import huggingface_config as config_file
from keras_vit.weights.sources import huggingface_names as names_file
from keras_vit.weights.sources import huggingface_processor as processor_file
from keras_vit.weights.sources.huggingface_config import Fields
from keras_vit.weights.sources.huggingface_facts import Facts
from keras_vit.weights.sources.huggingface_family import (
    Family,
    Written,
    common,
    named,
    with_dropout,
    with_positions_of_registers,
)
from keras_vit.weights.sources.huggingface_names import CLASS_TOKEN, LAYER, REGISTERS
from keras_vit.weights.sources.source import HALF, Arrays, Source, Spelling
from keras_vit.weights.sources.torch_layout import dense, norm
from keras_vit.weights.translate import AS_IS, Rules

DISTILLATION = "embeddings.distillation_token"
RULES = (
    names_file.RULES
    | names_file.MLP_OF_VIT
    | {
        "patch_encoder/distillation_token": (DISTILLATION, AS_IS),
        **norm("block_*/norm1", f"{LAYER}.layernorm_before"),
        **norm("block_*/norm2", f"{LAYER}.layernorm_after"),
        **dense("pre_logits", "pooler.dense"),
    }
)
OF_CLASS_TOKEN = ("classifier.", "pooler.", "decoder.")  # what DeiT has without teacher
DEFAULTS = {
    "hidden_act": "gelu",
    "layer_norm_eps": 1e-12,
    "num_attention_heads": 12,
    "image_size": 224,
    "qkv_bias": True,
}
FIELDS = Fields(
    kinds=dict.fromkeys(("vit", "deit", "vit_mae", "ijepa"), DEFAULTS)
    | {"vit_msn": DEFAULTS | {"layer_norm_eps": 1e-6}},
    supported={"qkv_bias": (True, False)},
    further=config_file.qkv_bias,
)


def rules(architecture: Architecture, spelling: Spelling) -> Rules:
    """Return the rules of ViT, or of DeiT with a teacher, which has two heads."""
    if architecture.num_first_tokens < 2:
        return RULES | dense("head", "classifier")
    return (
        RULES
        | dense("head", "cls_classifier")
        | dense("head_distillation", "distillation_classifier")
    )


def normalise(stored: Arrays) -> dict[str, Stored]:
    """Return arrays by canonical names."""
    names = names_file.normalised(stored, names_file.IN_MEMORY_VIT)
    if "classifier.weight" in names:  # which reads the class token itself
        names = {k: v for k, v in names.items() if not k.startswith("pooler.")}
    if DISTILLATION in names and any(k.startswith(OF_CLASS_TOKEN) for k in names):
        names[REGISTERS] = names.pop(DISTILLATION)
    return names


def arguments(stored: Arrays) -> dict[str, Any]:
    """Return the arguments of a model that the arrays determine."""
    info: dict[str, Any] = {
        "distillation": DISTILLATION in stored,
        "class_token": CLASS_TOKEN in stored,
        "pooling": "token" if CLASS_TOKEN in stored else None,
    }
    if REGISTERS in stored:
        info["num_registers"] = stored[REGISTERS].shape[1]
    if "encoder.layer.0.attention.attention.query.bias" not in stored:
        info["block"] = {"qkv_bias": "none"}
    if "pooler.dense.weight" in stored:
        info["representation_size"] = stored["pooler.dense.weight"].shape[0]
    for name in ("classifier.weight", "cls_classifier.weight"):
        if name in stored:
            info["num_classes"] = stored[name].shape[0]
            info["pooling"] = info["pooling"] or "gap"
    return info


HUGGINGFACE = Source(
    name="huggingface",
    kinds=tuple(FIELDS.kinds),
    recognises=lambda names: (
        names_file.has(r"layernorm_before\.")(names)
        and not names_file.has("lambda_1|.*relative_position_bias")(names)
    ),
    normalise=normalise,
    rules=rules,
    activation="gelu_erf",
    layer_norm_epsilon=None,  # in config.json, 1e-12 by default
    position_method=lambda stored, config: "bicubic",
    image_size=FIELDS.image_size,
    first_rows=names_file.first_rows,
    aligned=names_file.aligned,
    patches=names_file.PATCHES,
    positions=names_file.POSITIONS,
    mlp="encoder.layer.*.output.dense.weight",
    arguments=arguments,
    pixels=processor_file.pixels(HALF, "ViT"),
    preprocessing=processor_file.preprocessing(PRESETS["huggingface"], "ViT"),
    dropped_with_head=(
        "classifier.",
        "cls_classifier.",
        "distillation_classifier.",
        "pooler.",
    ),
    dropped_without_pooling=("pooler.",),
    left_out=names_file.LEFT_OUT,
    classifiers=("classifier", "cls_classifier", "distillation_classifier"),
    settings=FIELDS.settings,
    class_names=config_file.class_names,
    assumed=config_file.assumed,
    check_pre_logits=config_file.check_pooler,
)


def _check(facts: Facts, tokens: tuple[bool, bool, int]) -> None:
    """Refuse other tokens than a class has: class, distillation token and registers."""
    names = ("class_token", "distillation", "num_registers")
    has = {name: facts.arguments[name] for name in names}
    if tuple(has.values()) != tokens:
        raise ValueError(", ".join(f"{name}={value}" for name, value in has.items()))


def _pooler(facts):
    width = facts.arguments["representation_size"]
    return {} if width is None else {"pooler_output_size": width, "pooler_act": "tanh"}


def _vit_config(facts: Facts) -> dict[str, Any]:
    """Return `config.json` of ViT, or of MSN, which has no pooler without a head."""
    _check(facts, (True, False, 0))
    pooler = _pooler(facts)
    name, kind = ("ViT", "vit") if facts.has_head or pooler else ("ViTMSN", "vit_msn")
    return named(name, kind, facts) | common(facts) | with_dropout(facts) | pooler


def _deit_config(facts: Facts) -> dict[str, Any]:
    """Return `config.json` of DeiT, which has a second token."""
    if not facts.arguments["distillation"]:
        _check(facts, (True, False, 1))
    if not facts.has_head and not _pooler(facts):
        raise ValueError("neither a head nor pre_logits, of which DeiT's has one")
    config = named("DeiT", "deit", facts) | common(facts) | with_dropout(facts)
    if facts.arguments["distillation"] and facts.has_head:
        config["architectures"] = ["DeiTForImageClassificationWithTeacher"]
    return config | _pooler(facts)


def _deit_finished(arrays: Written, facts: Facts) -> Written:
    """Make the one register the second token of a model without teacher."""
    if REGISTERS not in arrays:
        return arrays
    arrays = with_positions_of_registers(arrays)
    arrays[DISTILLATION] = arrays.pop(REGISTERS)
    return arrays


def _ijepa_config(facts: Facts) -> dict[str, Any]:
    """Return `config.json` of I-JEPA, which has no class token."""
    _check(facts, (False, False, 0))
    return named("IJepa", "ijepa", facts) | common(facts) | with_dropout(facts)


FAMILIES = (
    Family(source=HUGGINGFACE, config=_vit_config),
    Family(source=HUGGINGFACE, config=_deit_config, finished=_deit_finished),
    Family(source=HUGGINGFACE, config=_ijepa_config),
)
