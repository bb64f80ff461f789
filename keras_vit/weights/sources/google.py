"""Google: the `.npz` of vision_transformer, and those of big_vision.

Canonical are the names of the published `.npz`, which come from flax before
Linen. big_vision's differ in a block's names, in where the positions lie, in
having no position for the class token, and may stack all blocks (`scan`).
"""

import re
from collections.abc import Iterable
from typing import Any

import numpy as np

from keras_vit.preprocessing import PRESETS, Preprocessing, resolve
from keras_vit.weights.files import Stored
from keras_vit.weights.sources.source import HALF, Arrays, Config, Source
from keras_vit.weights.translate import AS_IS, PATCHES, reshaped

POSITIONS = "Transformer/posembed_input/pos_embedding"
PREFIXES = ("opt/target/", "params/img/", "params/")
LINEN = {  # inside a block: the newer name, the canonical one
    "MultiHeadDotProductAttention_0": "MultiHeadDotProductAttention_1",
    "LayerNorm_1": "LayerNorm_2",
    "MlpBlock_0": "MlpBlock_3",
}

# Per-head layouts: (D, H, d) and (H, d) of what goes in, (H, d, D) of what comes out.
HEADS_IN = reshaped(lambda a, arch: (*a.shape[:-1], arch.num_heads, -1))
HEADS_OUT = reshaped(lambda a, arch: (arch.num_heads, -1, a.shape[-1]))
# Group normalisation of the published files: (1, 1, 1, C).
CHANNELS = reshaped(lambda a, arch: (1, 1, 1, -1))


def _dense(ours, theirs):
    return {
        f"{ours}/{part}": (f"{theirs}/{part}", AS_IS) for part in ("kernel", "bias")
    }


def _norm(ours, theirs, change=AS_IS):
    return {
        f"{ours}/gamma": (f"{theirs}/scale", change),
        f"{ours}/beta": (f"{theirs}/bias", change),
    }


def _attention(ours, theirs):
    rules = {
        f"{ours}/{name}/{part}": (f"{theirs}/{name}/{part}", HEADS_IN)
        for name in ("query", "key", "value")
        for part in ("kernel", "bias")
    }
    rules[f"{ours}/out/kernel"] = (f"{theirs}/out/kernel", HEADS_OUT)
    rules[f"{ours}/out/bias"] = (f"{theirs}/out/bias", AS_IS)
    return rules


def _mlp(ours, theirs):
    return _dense(f"{ours}/fc1", f"{theirs}/Dense_0") | _dense(
        f"{ours}/fc2", f"{theirs}/Dense_1"
    )


BLOCK = "Transformer/encoderblock_*"
UNIT = "block*/unit*"
RULES = {
    "patch_encoder/projection/kernel": ("embedding/kernel", PATCHES),
    "patch_encoder/projection/bias": ("embedding/bias", AS_IS),
    "patch_encoder/class_token": ("cls", AS_IS),
    "patch_encoder/position_embedding": (POSITIONS, AS_IS),
    **_norm("block_*/norm1", f"{BLOCK}/LayerNorm_0"),
    **_attention("block_*/attention", f"{BLOCK}/MultiHeadDotProductAttention_1"),
    **_norm("block_*/norm2", f"{BLOCK}/LayerNorm_2"),
    **_mlp("block_*/mlp", f"{BLOCK}/MlpBlock_3"),
    **_norm("norm", "Transformer/encoder_norm"),
    "pooling/probe": ("MAPHead_0/probe", AS_IS),
    **_attention("pooling/attention", "MAPHead_0/MultiHeadDotProductAttention_0"),
    **_norm("pooling/norm", "MAPHead_0/LayerNorm_0"),
    **_mlp("pooling/mlp", "MAPHead_0/MlpBlock_0"),
    **_dense("pre_logits", "pre_logits"),
    **_dense("head", "head"),
    "stem/conv_root/kernel": ("conv_root/kernel", AS_IS),
    **_norm("stem/norm_root", "gn_root", CHANNELS),
    **{
        f"stem/block*_unit*/conv{n}/kernel": (f"{UNIT}/conv{n}/kernel", AS_IS)
        for n in (1, 2, 3)
    },
    **{
        key: rule
        for n in (1, 2, 3)
        for key, rule in _norm(
            f"stem/block*_unit*/norm{n}", f"{UNIT}/gn{n}", CHANNELS
        ).items()
    },
    "stem/block*_unit*/conv_shortcut/kernel": (f"{UNIT}/conv_proj/kernel", AS_IS),
    **_norm("stem/block*_unit*/norm_shortcut", f"{UNIT}/gn_proj", CHANNELS),
}


def normalise(stored: Arrays) -> dict[str, Stored]:
    """Return arrays by canonical names, one a block, GroupNorm as (1, 1, 1, C)."""
    renamed = {}
    for name, array in _without_prefix(stored).items():
        scanned = re.fullmatch(r"Transformer/encoderblock/(.+)", name)
        if scanned:
            for number in range(array.shape[0]):
                block = f"Transformer/encoderblock_{number}/{scanned.group(1)}"
                renamed[_canonical(block)] = array.changed(lambda a, n=number: a[n])
            continue
        if re.search(r"(^|/)gn(\d|_root|_proj)/", name) and len(array.shape) == 1:
            array = array.changed(lambda a: a.reshape(1, 1, 1, -1))
        renamed[_canonical(name)] = array
    if "pos_embedding" in renamed:  # at the root: big_vision's
        positions = renamed.pop("pos_embedding")
        if "cls" in renamed:  # which has no position there: one of 0 changes nothing
            positions = positions.changed(_with_first_zero)
        renamed[POSITIONS] = positions
    return renamed


def _without_prefix(stored):
    for prefix in PREFIXES:
        inside = {k: v for k, v in stored.items() if k.startswith(prefix)}
        if inside:  # what is outside is the optimizer's
            return {name.removeprefix(prefix): array for name, array in inside.items()}
    return stored


def _canonical(name):
    block = re.fullmatch(r"(Transformer/encoderblock_\d+)/([^/]+)(/.+)", name)
    if not block:
        return name
    before, part, after = block.groups()
    return f"{before}/{LINEN.get(part, part)}{after}"


def _with_first_zero(positions):
    return np.pad(positions, [(0, 0), (1, 0), (0, 0)])


def arguments(stored: Arrays) -> dict[str, Any]:
    """Return the arguments of a model that the arrays determine."""
    info: dict[str, Any] = {"pooling": "gap"}
    if "cls" in stored:
        info["pooling"] = "token"
    elif "MAPHead_0/probe" in stored:
        info["pooling"] = "map"
    if POSITIONS not in stored:
        info["position_embedding"] = "sincos_2d"
    if "pre_logits/kernel" in stored:
        info["representation_size"] = stored["pre_logits/kernel"].shape[1]
    if "head/kernel" in stored:
        info["num_classes"] = stored["head/kernel"].shape[1]
    return info


FLEXIVIT = {"pos_embedding": (1, 49), "embedding/kernel": (32, 32)}


def position_method(stored: Arrays, config: Config) -> str:
    """Return the rule that big_vision resizes positions by.

    It aligns corners when loading; FlexiViT resizes by half-pixel centres in its
    forward pass. Its files hold patches of 32 x 32 pixels and 7 x 7 positions, none
    of which is the class token's, whatever sizes the model is then used with.
    """
    stored = _without_prefix(stored)
    is_flexible = all(
        name in stored and stored[name].shape[:2] == shape
        for name, shape in FLEXIVIT.items()
    )
    return "bilinear_antialias" if is_flexible else "bilinear"


def preprocessing(
    names: Iterable[str], config: Config, image_size: int | None
) -> Preprocessing:
    """Return the preprocessing of the code that wrote a file.

    big_vision names its positions differently from vit_jax, and crops. Its towers
    of image and text squash: SigLIP's and LiT's evaluators have
    `resize(res)|value_range(-1, 1)` (configs/proj/image_text). A tower is the part
    `img` of its file, and pools by attention without a classifier.
    """
    if any(name.endswith(POSITIONS) for name in names):
        return PRESETS["vit_jax"]
    if _is_tower(names):
        return Preprocessing("squash", "bilinear", False, 1.0, "truncate")
    return resolve("big_vision:384/448" if image_size == 384 else "big_vision")


def _is_tower(names):
    names = set(names)
    pooled = any("MAPHead_0/probe" in name for name in names)
    has_head = any(name.endswith("head/kernel") for name in names)
    return any(name.startswith("params/img/") for name in names) or (
        pooled and not has_head
    )


GOOGLE = Source(
    name="google",
    recognises=lambda names: any("Transformer/encoder" in name for name in names),
    normalise=normalise,
    rules=lambda architecture, spelling: RULES,
    activation="gelu_tanh",
    layer_norm_epsilon=1e-6,
    standardization="deviation",
    stem_unit=r"(?:block(\d+)/unit(\d+)/conv1|conv_root)/kernel",
    position_method=position_method,
    patches="embedding/kernel",
    positions=POSITIONS,
    mlp="Transformer/encoderblock_*/MlpBlock_3/Dense_1/kernel",
    arguments=arguments,
    pixels=lambda config: HALF,
    preprocessing=preprocessing,
    dropped_with_head=("head/", "pre_logits/"),
)
