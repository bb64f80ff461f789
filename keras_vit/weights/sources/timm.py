"""timm (pytorch-image-models): its Vision Transformers, and the hybrids there."""

import re

from keras_vit.layers.differential_attention import VECTORS
from keras_vit.weights.architecture import Architecture
from keras_vit.weights.sources import (
    timm_agreement,
    timm_arrays,
    timm_layouts,
    timm_positions,
    timm_pretrained_cfg,
    timm_settings,
    timm_stems,
)
from keras_vit.weights.sources.source import Arrays, Config, Source, Spelling
from keras_vit.weights.sources.torch_layout import (
    dense,
    fused,
    gated,
    key_and_value,
    norm,
)
from keras_vit.weights.translate import AS_IS, PATCHES_TORCH, Rules

BLOCK = "blocks.*"
ATTENTION = "block_*/attention"
RULES = {
    "patch_encoder/projection/kernel": ("patch_embed.proj.weight", PATCHES_TORCH),
    "patch_encoder/projection/bias": ("patch_embed.proj.bias", AS_IS),
    **norm("patch_encoder/norm", "patch_embed.norm"),
    "patch_encoder/class_token": ("cls_token", AS_IS),
    "patch_encoder/distillation_token": ("dist_token", AS_IS),
    "patch_encoder/registers": ("reg_token", AS_IS),
    "patch_encoder/position_embedding": ("pos_embed", AS_IS),
    **norm("pre_norm", "norm_pre"),
    **norm("block_*/norm1", f"{BLOCK}.norm1"),
    **fused(ATTENTION, f"{BLOCK}.attn.qkv.weight", f"{BLOCK}.attn.qkv.bias"),
    **norm(f"{ATTENTION}/query_norm", f"{BLOCK}.attn.q_norm"),
    **norm(f"{ATTENTION}/key_norm", f"{BLOCK}.attn.k_norm"),
    **norm(f"{ATTENTION}/norm", f"{BLOCK}.attn.norm"),
    **norm(f"{ATTENTION}/head_norm", f"{BLOCK}.attn.sub_norm"),
    **{f"{ATTENTION}/{name}": (f"{BLOCK}.attn.{name}", AS_IS) for name in VECTORS},
    **dense(f"{ATTENTION}/out", f"{BLOCK}.attn.proj"),
    f"{ATTENTION}/rotary/frequencies": (f"{BLOCK}.rope.freqs", AS_IS),
    f"{ATTENTION}/relative_bias/table": (
        f"{BLOCK}.attn.relative_position_bias_table",
        AS_IS,
    ),
    **dense(f"{ATTENTION}/relative_bias/fc1", f"{BLOCK}.attn.rel_pos.mlp.fc1"),
    **dense(f"{ATTENTION}/relative_bias/fc2", f"{BLOCK}.attn.rel_pos.mlp.fc2"),
    "block_*/scale1/gamma": (f"{BLOCK}.ls1.gamma", AS_IS),
    **norm("block_*/norm2", f"{BLOCK}.norm2"),
    **dense("block_*/mlp/fc1", f"{BLOCK}.mlp.fc1"),
    **norm("block_*/mlp/norm", f"{BLOCK}.mlp.norm"),
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
}
RULES |= {  # the further branches of a block
    ours.replace("block_*/", "block_*/branch_*/"): (
        theirs.replace(BLOCK, f"{BLOCK}.branches.*"),
        change,
    )
    for ours, (theirs, change) in RULES.items()
    if ours.startswith("block_*/")
}
SPELLINGS: dict[str, tuple[str, Rules]] = {  # a word: the name that shows it, its rules
    "unfused": (
        "blocks.0.attn.q_proj.weight",
        dense(f"{ATTENTION}/query", f"{BLOCK}.attn.q_proj")
        | dense(f"{ATTENTION}/key", f"{BLOCK}.attn.k_proj")
        | dense(f"{ATTENTION}/value", f"{BLOCK}.attn.v_proj"),
    ),
    "own_biases": (
        "blocks.0.attn.q_bias",
        {
            f"{ATTENTION}/query/bias": (f"{BLOCK}.attn.q_bias", AS_IS),
            f"{ATTENTION}/value/bias": (f"{BLOCK}.attn.v_bias", AS_IS),
        },
    ),
    "gamma": (
        "blocks.0.gamma_1",
        {
            "block_*/scale1/gamma": (f"{BLOCK}.gamma_1", AS_IS),
            "block_*/scale2/gamma": (f"{BLOCK}.gamma_2", AS_IS),
        },
    ),
    "split_gate": (
        "blocks.0.mlp.fc1_g.weight",
        dense("block_*/mlp/gate", f"{BLOCK}.mlp.fc1_g")
        | dense("block_*/mlp/fc1", f"{BLOCK}.mlp.fc1_x"),
    ),
    "packed_gate": (
        "blocks.0.mlp.fc1.weight (packed)",
        gated("block_*/mlp", f"{BLOCK}.mlp.fc1.weight", f"{BLOCK}.mlp.fc1.bias"),
    ),
    "table_inside": (
        "blocks.0.attn.rel_pos.relative_position_bias_table",
        {
            f"{ATTENTION}/relative_bias/table": (
                f"{BLOCK}.attn.rel_pos.relative_position_bias_table",
                AS_IS,
            )
        },
    ),
}
OF_AXES = {  # factorized positions
    f"patch_encoder/position_embedding_{axis}": (f"pos_embed_{axis}", AS_IS)
    for axis in "xy"
}


def rules(architecture: Architecture, spelling: Spelling) -> Rules:
    """Return the rules of an architecture, of its final norm and of its stem."""
    found = RULES | norm("norm", "fc_norm" if architecture.fc_norm else "norm")
    if architecture.position_embedding == "factorized":
        found |= OF_AXES
    found |= timm_stems.rules(architecture)
    for word in sorted(spelling):
        found |= SPELLINGS[word][1]
    return found


def spelling(stored: Arrays) -> Spelling:
    """Return which of `SPELLINGS` a file has."""
    found = {word for word, (name, _) in SPELLINGS.items() if name in stored}
    return frozenset(
        found | {"packed_gate"} if timm_arrays.is_packed(stored) else found
    )


def image_size(config: Config) -> tuple[int, int] | None:
    """Return the image size in `model_args`, or else in `pretrained_cfg`."""
    info = config.get("model_args", {}).get("img_size")
    if info is None:
        info = config.get("pretrained_cfg", config).get("input_size")
        return info and tuple(info[1:])
    return (info, info) if isinstance(info, int) else tuple(info)


def check_complete(stored: Arrays, config: Config) -> None:
    """Refuse arrays that could be several models, and settings of another one."""
    timm_arrays.check_named(stored, config)
    timm_agreement.check_settings(stored, config)


TIMM = Source(
    name="timm",
    recognises=lambda names: any(
        re.match(r"blocks\.0\.(attns?|in_proj)\.", name) for name in names
    ),
    normalise=timm_layouts.normalise,
    rules=rules,
    spelling=spelling,
    activation="gelu_erf",
    layer_norm_epsilon=1e-6,
    standardization="variance",
    stems=timm_stems.STEMS,
    position_method=timm_positions.position_method,
    image_size=image_size,
    first_rows=timm_positions.first_rows,
    aligned=timm_positions.aligned,
    patches="patch_embed.proj.weight",
    positions="pos_embed",
    mlp="blocks.*.mlp.fc2.weight",
    arguments=timm_arrays.arguments,
    pixels=timm_pretrained_cfg.pixels,
    preprocessing=timm_pretrained_cfg.preprocessing,
    dropped_with_head=("head.", "head_dist."),
    classifiers=("head", "head_dist"),
    settings=timm_settings.settings,
    says_heads=timm_arrays.says_heads,
    grid=timm_positions.grid,
    class_names=timm_pretrained_cfg.class_names,
    assumed=timm_pretrained_cfg.assumed,
    check_complete=check_complete,
    check_activation=timm_arrays.check_activation,
)
