"""timm (pytorch-image-models), and the hybrids there."""

from typing import Any

from keras_vit.weights.architecture import Architecture
from keras_vit.weights.sources import timm_positions, timm_settings
from keras_vit.weights.sources.source import Arrays, Config, Source, Spelling
from keras_vit.weights.sources.torch_layout import dense, fused, key_and_value, norm
from keras_vit.weights.translate import AS_IS, CONVOLUTION, PATCHES_TORCH, Rules

BLOCK = "blocks.*"
BACKBONE = "patch_embed.backbone"
UNIT = f"{BACKBONE}.stages.#.blocks.#"
RULES = {
    "patch_encoder/projection/kernel": ("patch_embed.proj.weight", PATCHES_TORCH),
    "patch_encoder/projection/bias": ("patch_embed.proj.bias", AS_IS),
    "patch_encoder/class_token": ("cls_token", AS_IS),
    "patch_encoder/distillation_token": ("dist_token", AS_IS),
    "patch_encoder/registers": ("reg_token", AS_IS),
    "patch_encoder/position_embedding": ("pos_embed", AS_IS),
    **norm("block_*/norm1", f"{BLOCK}.norm1"),
    **fused("block_*/attention", f"{BLOCK}.attn.qkv.weight", f"{BLOCK}.attn.qkv.bias"),
    **norm("block_*/attention/query_norm", f"{BLOCK}.attn.q_norm"),
    **norm("block_*/attention/key_norm", f"{BLOCK}.attn.k_norm"),
    **dense("block_*/attention/out", f"{BLOCK}.attn.proj"),
    "block_*/scale1/gamma": (f"{BLOCK}.ls1.gamma", AS_IS),
    **norm("block_*/norm2", f"{BLOCK}.norm2"),
    **dense("block_*/mlp/fc1", f"{BLOCK}.mlp.fc1"),
    **dense("block_*/mlp/fc2", f"{BLOCK}.mlp.fc2"),
    "block_*/scale2/gamma": (f"{BLOCK}.ls2.gamma", AS_IS),
    "pooling/probe": ("attn_pool.latent", AS_IS),
    **dense("pooling/attention/query", "attn_pool.q"),
    **key_and_value("pooling/attention", "attn_pool.kv.weight", "attn_pool.kv.bias"),
    **dense("pooling/attention/out", "attn_pool.proj"),
    **norm("pooling/norm", "attn_pool.norm"),
    **dense("pooling/mlp/fc1", "attn_pool.mlp.fc1"),
    **dense("pooling/mlp/fc2", "attn_pool.mlp.fc2"),
    **dense("head", "head"),
    **dense("head_distillation", "head_dist"),
    "stem/conv_root/kernel": (f"{BACKBONE}.stem.conv.weight", CONVOLUTION),
    **norm("stem/norm_root", f"{BACKBONE}.stem.norm"),
    **{
        key: rule
        for n in (1, 2, 3)
        for key, rule in {
            f"stem/block*_unit*/conv{n}/kernel": (
                f"{UNIT}.conv{n}.weight",
                CONVOLUTION,
            ),
            **norm(f"stem/block*_unit*/norm{n}", f"{UNIT}.norm{n}"),
        }.items()
    },
    "stem/block*_unit*/conv_shortcut/kernel": (
        f"{UNIT}.downsample.conv.weight",
        CONVOLUTION,
    ),
    **norm("stem/block*_unit*/norm_shortcut", f"{UNIT}.downsample.norm"),
}
ROOT_ALONE = {  # the stem of R+Ti/16, which has no stages
    "stem/conv_root/kernel": (f"{BACKBONE}.conv.weight", CONVOLUTION),
    **norm("stem/norm_root", f"{BACKBONE}.norm"),
}


def rules(architecture: Architecture, spelling: Spelling) -> Rules:
    """Return the rules of an architecture: of its final norm and of its stem."""
    final = norm("norm", "fc_norm" if architecture.fc_norm else "norm")
    return RULES | final | (ROOT_ALONE if architecture.root_alone else {})


def position_method(stored: Arrays, config: Config) -> str:
    """Return the rule of timm's resizing; FlexiViT is known by its architecture."""
    is_flexible = "flexi" in (config.get("architecture") or "")
    return "bilinear_half_pixels" if is_flexible else "bicubic_antialias"


def image_size(config: Config) -> tuple[int, int] | None:
    """Return the image size in `model_args`, or else in `pretrained_cfg`."""
    info = config.get("model_args", {}).get("img_size")
    if info is None:
        info = config.get("pretrained_cfg", config).get("input_size")
        return info and tuple(info[1:])
    return (info, info) if isinstance(info, int) else tuple(info)


def arguments(stored: Arrays) -> dict[str, Any]:
    """Return the arguments of a model that the arrays determine."""
    info = {
        "pooling": "token",
        "class_token": "cls_token" in stored,
        "fc_norm": "fc_norm.weight" in stored,
        "distillation": "dist_token" in stored,
        "qk_norm": "blocks.0.attn.q_norm.weight" in stored,
    }
    if info["fc_norm"] or not info["class_token"]:
        info["pooling"] = "gap"
    if "attn_pool.latent" in stored:
        info["pooling"] = "map"
    if "reg_token" in stored:
        info["num_registers"] = stored["reg_token"].shape[1]
    if "blocks.0.ls1.gamma" in stored:
        info["layer_scale"] = 1.0
    if "head.weight" in stored:
        info["num_classes"] = stored["head.weight"].shape[0]
    return info


TIMM = Source(
    name="timm",
    recognises=lambda names: any(name.startswith("blocks.0.attn.") for name in names),
    normalise=dict,
    rules=rules,
    activation="gelu_erf",
    layer_norm_epsilon=1e-6,
    standardization="variance",
    position_method=position_method,
    image_size=image_size,
    first_rows=timm_positions.first_rows,
    aligned=timm_positions.aligned,
    patches="patch_embed.proj.weight",
    positions="pos_embed",
    mlp="blocks.*.mlp.fc2.weight",
    arguments=arguments,
    pixels=timm_settings.pixels,
    preprocessing=timm_settings.preprocessing,
    dropped_with_head=("head.", "head_dist."),
    classifiers=("head", "head_dist"),
    settings=timm_settings.settings,
    class_names=timm_settings.class_names,
    assumed=timm_settings.assumed,
)
