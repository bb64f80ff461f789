"""Hugging Face transformers: DINOv2, with registers and without, and its giant."""

from typing import Any

from keras_vit.preprocessing import PRESETS
from keras_vit.weights.files import Stored
from keras_vit.weights.sources import huggingface_config as config_file
from keras_vit.weights.sources import huggingface_names as names_file
from keras_vit.weights.sources import huggingface_processor as processor_file
from keras_vit.weights.sources.huggingface_config import Fields
from keras_vit.weights.sources.huggingface_facts import Facts
from keras_vit.weights.sources.huggingface_family import (
    Family,
    Written,
    mlp_ratio,
    named,
    square,
    with_dropout,
    with_mask,
)
from keras_vit.weights.sources.huggingface_names import CLASS_TOKEN, LAYER, REGISTERS
from keras_vit.weights.sources.source import IMAGENET, Arrays, Config, Source, Spelling
from keras_vit.weights.sources.torch_layout import dense, gated, norm
from keras_vit.weights.translate import AS_IS

RULES = names_file.RULES | {
    **norm("block_*/norm1", f"{LAYER}.norm1"),
    "block_*/scale1/gamma": (f"{LAYER}.layer_scale1.lambda1", AS_IS),
    **norm("block_*/norm2", f"{LAYER}.norm2"),
    "block_*/scale2/gamma": (f"{LAYER}.layer_scale2.lambda1", AS_IS),
    **dense("head", "classifier"),
}
MLPS = {  # how an MLP is spelled: its rules
    "dense": {
        **dense("block_*/mlp/fc1", f"{LAYER}.mlp.fc1"),
        **dense("block_*/mlp/fc2", f"{LAYER}.mlp.fc2"),
    },
    "packed": {  # on disk
        **gated(
            "block_*/mlp",
            f"{LAYER}.mlp.weights_in.weight",
            f"{LAYER}.mlp.weights_in.bias",
        ),
        **dense("block_*/mlp/fc2", f"{LAYER}.mlp.weights_out"),
    },
    "split": {  # in memory
        **dense("block_*/mlp/gate", f"{LAYER}.mlp.gate_proj"),
        **dense("block_*/mlp/fc1", f"{LAYER}.mlp.up_proj"),
        **dense("block_*/mlp/fc2", f"{LAYER}.mlp.down_proj"),
    },
}
GATES = {"encoder.layer.0.mlp.weights_in.weight": "packed"}
GATES |= {"encoder.layer.0.mlp.gate_proj.weight": "split"}
TIPSV2 = ("tipsv2_vision_model", "tipsv2")  # the same network, resized otherwise
GATED = {"block": {"mlp": "gated"}, "activation": "silu"}
DEFAULTS = {
    "hidden_act": "gelu",
    "layer_norm_eps": 1e-6,
    "num_attention_heads": 12,
    "image_size": 224,
    "qkv_bias": True,
    "use_swiglu_ffn": False,
}


def _further(settings: Config) -> dict[str, Any]:
    """Return biases, and the MLP: gated by SiLU whatever `hidden_act` is."""
    info = config_file.qkv_bias(settings)
    if settings.get("use_swiglu_ffn"):
        info = {"block": info.get("block", {}) | GATED["block"], "activation": "silu"}
    return info


FIELDS = Fields(
    kinds={
        "dinov2": DEFAULTS,
        "dinov2_with_registers": DEFAULTS,
        **dict.fromkeys(TIPSV2, DEFAULTS | {"image_size": 448}),
    },
    supported={"qkv_bias": (True, False), "use_swiglu_ffn": (True, False)},
    further=_further,
)


def spelling(stored: Arrays) -> Spelling:
    """Return how the MLPs are spelled."""
    found = {GATES[name] for name in stored if name in GATES}
    return frozenset(found or {"dense"})


def normalise(stored: Arrays) -> dict[str, Stored]:
    """Return arrays by canonical names."""
    return names_file.normalised(stored, names_file.IN_MEMORY)


def position_method(stored: Arrays, config: Config) -> str:
    """Return the rule of its code, which antialiases for models with registers only."""
    if config.get("model_type") in TIPSV2:
        return "bilinear_antialias"
    has_registers = any(name.endswith("register_tokens") for name in stored)
    return "bicubic_antialias" if has_registers else "bicubic"


def arguments(stored: Arrays) -> dict[str, Any]:
    """Return the arguments of a model that the arrays determine.

    The library's classifier reads the class token and the mean of the patches;
    others read the class token alone.
    """
    info: dict[str, Any] = {"class_token": True, "pooling": "token"}
    info["layer_scale"] = 1.0
    if REGISTERS in stored:
        info["num_registers"] = stored[REGISTERS].shape[1]
    block = {}
    if "encoder.layer.0.attention.attention.query.bias" not in stored:
        block = {"qkv_bias": "none"}
    if spelling(stored) != {"dense"}:
        info["activation"] = GATED["activation"]
        block |= GATED["block"]
    if block:
        info["block"] = block
    if "classifier.weight" in stored:
        classifier = stored["classifier.weight"].shape
        info["num_classes"] = classifier[0]
        if classifier[1] == 2 * stored[CLASS_TOKEN].shape[-1]:
            info["pooling"] = "token_gap"
    return info


DINOV2 = Source(
    name="dinov2",
    kinds=tuple(FIELDS.kinds),
    recognises=names_file.has(r"layer_scale1\.lambda1"),
    normalise=normalise,
    rules=lambda architecture, spelling: RULES | MLPS[min(spelling, default="packed")],
    activation="gelu_erf",
    layer_norm_epsilon=1e-6,
    position_method=position_method,
    image_size=FIELDS.image_size,
    patches=names_file.PATCHES,
    positions=names_file.POSITIONS,
    mlp=tuple(
        f"{LAYER}.mlp.{last}.weight" for last in ("fc2", "weights_out", "down_proj")
    ),
    arguments=arguments,
    pixels=processor_file.pixels(IMAGENET, "Bit"),
    preprocessing=processor_file.preprocessing(PRESETS["dinov2"], "Bit"),
    dropped_with_head=("classifier.",),
    left_out=names_file.LEFT_OUT,
    spelling=spelling,
    classifiers=("classifier",),
    settings=FIELDS.settings,
    class_names=config_file.class_names,
    assumed=config_file.assumed,
    check_pre_logits=config_file.check_pooler,
)


def family_config(facts: Facts) -> dict[str, Any]:
    """Return `config.json`, with the kind that has registers where there are some."""
    pooling = facts.architecture.pooling
    if facts.has_head and pooling and pooling.kind != "token_gap":
        raise ValueError(f"pooling={pooling.plain!r} (its code has 'token_gap')")
    count = facts.arguments["num_registers"]
    config = {"use_mask_token": False} | named("Dinov2", "dinov2", facts)
    if count:
        kind = "Dinov2WithRegisters", "dinov2_with_registers"
        config = {"num_register_tokens": count} | named(*kind, facts)
    config |= square(facts) | with_dropout(facts) | mlp_ratio(facts)
    return config | {"use_swiglu_ffn": facts.is_gated}


def family_spelling(facts: Facts) -> Spelling:
    """Return how MLPs are spelled on disk."""
    return frozenset({"packed" if facts.is_gated else "dense"})


def _finished(arrays: Written, facts: Facts) -> Written:
    if REGISTERS not in arrays:
        return arrays
    return with_mask(arrays, facts, "embeddings.mask_token", 1)


FAMILY = Family(
    source=DINOV2,
    config=family_config,
    spelling=family_spelling,
    finished=_finished,
)
