"""Google: the `.npz` of vision_transformer, and those of big_vision.

Canonical are the names of the published `.npz`, which come from flax before
Linen. big_vision's differ in a block's names, in where the positions lie, in
having no position for the class token, and may stack all blocks (`scan`). Older
ones have the positions inside the encoder, or the pooling's parts beside it;
those of NaFlex (arXiv:2502.14786) a dense projection of flat patches and a table
of rows and columns. `google_spellings` reads all of them.
"""

from collections.abc import Iterable
from typing import Any

from keras_vit.layers import ResNetStem
from keras_vit.preprocessing import PRESETS, Preprocessing, resolve
from keras_vit.weights.sources.google_spellings import (
    POSITIONS,
    TOWERS,
    is_naflex,
    normalise,
    without_prefix,
)
from keras_vit.weights.sources.source import HALF, Arrays, Config, Source
from keras_vit.weights.sources.stems import Stem, units
from keras_vit.weights.translate import AS_IS, PATCHES, reshaped

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
QUERIES = "Transformer/encoderblock_0/MultiHeadDotProductAttention_1/query/kernel"
UNIT = "block*/unit*"
RULES = {
    "patch_encoder/projection/kernel": ("embedding/kernel", PATCHES),
    "patch_encoder/projection/bias": ("embedding/bias", AS_IS),
    **_norm("patch_encoder/norm", "patchln_post"),
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


def arguments(stored: Arrays) -> dict[str, Any]:
    """Return the arguments of a model that the arrays determine."""
    info: dict[str, Any] = {"pooling": "gap"}
    if "cls" in stored:
        info["pooling"] = "token"
    elif "MAPHead_0/probe" in stored:
        info["pooling"] = "map"
    if POSITIONS not in stored:
        info["position_embedding"] = "sincos_2d"
    if QUERIES in stored and len(stored[QUERIES].shape) == 3:  # D, heads, features
        info["num_heads"] = stored[QUERIES].shape[1]
    if "patchln_post/scale" in stored:
        info["patch_norm"] = True
    if "pre_logits/kernel" in stored:
        info["representation_size"] = stored["pre_logits/kernel"].shape[1]
    if "head/kernel" in stored:
        info["num_classes"] = stored["head/kernel"].shape[1]
    return info


FLEXIVIT = {"pos_embedding": (1, 49), "embedding/kernel": (32, 32)}


def position_method(stored: Arrays, config: Config) -> str:
    """Return the rule that big_vision resizes positions by.

    It aligns corners when loading; FlexiViT and NaFlex resize by half-pixel centres
    in their forward pass. FlexiViT's files hold patches of 32 x 32 pixels and 7 x 7
    positions, none of which is the class token's, whatever sizes the model is then
    used with.
    """
    stored = without_prefix(stored)
    is_flexible = is_naflex(stored) or all(
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
    return any(name.startswith(TOWERS) for name in names) or (pooled and not has_head)


GOOGLE = Source(
    name="google",
    recognises=lambda names: any("Transformer/encoder" in name for name in names),
    normalise=normalise,
    rules=lambda architecture, spelling: RULES,
    activation="gelu_tanh",
    layer_norm_epsilon=1e-6,
    standardization="deviation",
    stems=(
        Stem(
            layer=ResNetStem,
            shown_by="conv_root/kernel",
            arguments=lambda stored: {
                "blocks": units(r"block(\d+)/unit\d+/conv1/kernel", stored)
            },
        ),
    ),
    position_method=position_method,
    patches="embedding/kernel",
    positions=POSITIONS,
    mlp="Transformer/encoderblock_*/MlpBlock_3/Dense_1/kernel",
    arguments=arguments,
    pixels=lambda config: HALF,
    preprocessing=preprocessing,
    dropped_with_head=("head/", "pre_logits/"),
)
