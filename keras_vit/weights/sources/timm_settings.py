"""What timm's `config.json` says of a model: its architecture, and `model_args`.

It is written by `timm.models.push_to_hf_hub` and `save_for_hf`. The arguments of
a model are those of its architecture, by name, and `model_args`.
"""

from collections.abc import Mapping
from typing import Any

from keras_vit.suggestions import did_you_mean
from keras_vit.weights.sources.source import NAMED, Config
from keras_vit.weights.sources.timm_architectures import ARCHITECTURES

CLASS = "class"  # timm's class of an architecture, where it is not the usual one
USUAL = "VisionTransformer"
POOLED = {  # a class's `global_pool`, where nothing else is said
    USUAL: "token",
    "Eva": "avg",
    "Beit": "avg",
    "VisionTransformerRelPos": "avg",
    "NaFlexVit": "map",
}
POOLINGS = {
    "token": "token",
    "avg": "gap",
    "map": "map",
    "max": "max",
    "avgmax": "gap_max",
    "": None,
}
ACTIVATIONS = {
    "gelu": "gelu_erf",
    "gelu_tanh": "gelu_tanh",
    "quick_gelu": "gelu_quick",
    "silu": "silu",
    "SiLU": "silu",
}
LAYOUTS = {
    "Block": "pre_norm",
    "ResPostBlock": "res_post_norm",
    "RelPosBlock": "pre_norm",
    "ResPostRelPosBlock": "res_post_norm",
    "ParallelScalingBlock": "parallel",
    "DiffParallelScalingBlock": "parallel",
    "ParallelThingsBlock": "pre_norm",  # of branches, which arrays count
}
EPSILON = 1e-6  # of its norms, where a name has none behind a colon
NOTHING = (None, "")
SUPPORTED: dict[str, tuple[Any, ...]] = {  # an argument: its values with a meaning here
    "global_pool": tuple(POOLINGS),
    "act_layer": (*NOTHING, *ACTIVATIONS),
    "block_fn": (*NOTHING, *LAYOUTS),
    "mlp_layer": (*NOTHING, "Mlp", "GluMlp", "SwiGLU"),
    "attn_layer": (*NOTHING, "attn", "diff"),
    "attn_type": ("eva", "rope", "standard"),
    "embed_layer": (
        *NOTHING,
        "PatchEmbed",
        "HybridEmbed(ResNetV2)",
        "HybridEmbed(Sequential)",
        "HybridEmbed(FeatureListNet)",
        "HybridEmbed(ConvStem)",
    ),
    "pos_embed": ("learn", "none", "", "learned", "factorized"),
    "in_chans": (3,),
    "rope_type": (*NOTHING, "cat", "mixed", "dinov3"),
    "rope_mrope_section": (None,),
    "rel_pos_type": ("mlp", "bias"),
    "dynamic_img_pad": (False,),
    "attn_gated": (False,),
    "use_shared_rel_pos_bias": (False,),
}
NORMS = ("layernorm", "rmsnorm")  # which of them, arrays tell
OF_SETTINGS = {  # read below, whatever their values
    *(CLASS, "num_heads", "norm_layer", "embed_norm_layer", "pool_include_prefix"),
    *("use_rot_pos_emb", "rope_temperature", "rope_grid_offset", "ref_feat_shape"),
    *("rope_grid_indexing", "rope_rotate_half", "num_kv_heads"),
    *("attn_pool_num_heads", "use_post_norm", "pos_embed_interp_mode"),
    *("pos_embed_antialias", "pos_embed_align_corners", "pos_embed_ar_preserving"),
}
TOLD_BY_ARRAYS = {
    *("img_size", "patch_size", "embed_dim", "depth", "mlp_ratio", "num_classes"),
    *("class_token", "reg_tokens", "num_reg_tokens", "no_embed_class", "fc_norm"),
    *("init_values", "qk_norm", "qkv_bias", "proj_bias", "pre_norm", "final_norm"),
    *("scale_attn_norm", "scale_mlp_norm", "scale_attn_inner", "scale_mlp"),
    *("qkv_fused", "swiglu_mlp", "swiglu_align_to", "attn_only_layer_scale"),
    *("use_abs_pos_emb", "use_rel_pos_bias", "use_fc_norm", "shared_rel_pos"),
    *("use_pre_transformer_norm", "use_post_transformer_norm", "rel_pos_dim"),
    *("attn_pool_mlp_ratio", "pos_embed_grid_size", "input_norm_layer"),
    *("embed_proj_type", "patchify_channels_last"),
}
OF_TRAINING = {
    *("drop_rate", "pos_drop_rate", "patch_drop_rate", "proj_drop_rate"),
    *("attn_drop_rate", "drop_path_rate", "weight_init", "fix_init"),
    *("dynamic_img_size", "strict_img_size", "pretrained", "device", "dtype"),
    *("head_init_scale", "rope_shift_coords", "rope_jitter_coords"),
    "rope_rescale_coords",
}


def name_of(config: Config) -> str:
    """Return timm's name of the model, by its settings or the caller; or `""`."""
    return config.get("architecture") or config.get(NAMED) or ""


def arguments_of(config: Config) -> dict[str, Any]:
    """Return the arguments of timm's class, as far as they are stated.

    Raises:
        ValueError: for an architecture that is not known, and where two
            poolings are stated.
    """
    name = name_of(config).partition(".")[0]
    if name and name not in ARCHITECTURES:
        raise ValueError(
            "architecture, of config.json or by hand, names none of timm's Vision "
            "Transformers, as far as keras_vit knows them. If it is a plain one, load "
            "the file without config.json, by keras_vit.ViT and its arguments. "
            f"Received: architecture={name!r}.{did_you_mean(name, ARCHITECTURES)}"
        )
    arguments = ARCHITECTURES.get(name, {}) | config.get("model_args", {})
    pooling = config.get("global_pool")
    if pooling is None:
        return arguments
    if config.get("model_args", {}).get("global_pool", pooling) != pooling:
        raise ValueError(
            "config.json must state one pooling. Received: "
            f"global_pool={pooling!r}, and model_args with "
            f"global_pool={config['model_args']['global_pool']!r}"
        )
    return arguments | {"global_pool": pooling}


def settings(config: Config) -> dict[str, Any]:
    """Return the arguments of `ViT` that `config.json` states.

    Raises:
        ValueError: naming what this package's models do not have.
    """
    theirs = arguments_of(config)
    for name, value in theirs.items():
        if not _is_supported(name, value):
            architecture = name_of(config)
            raise ValueError(
                f"keras_vit's models do not support {name}={value!r} of timm's "
                f"{architecture or 'config.json'}. Load it with timm."
            )
    info: dict[str, Any] = {}
    if "num_heads" in theirs:
        info["num_heads"] = theirs["num_heads"]
    if theirs.get("act_layer"):
        info["activation"] = ACTIVATIONS[theirs["act_layer"]]
    if theirs.get("swiglu_mlp"):  # whatever `act_layer` is
        info["activation"] = "silu"
    if theirs.get("norm_layer"):
        epsilon = theirs["norm_layer"].partition(":")[2]
        info["layer_norm_epsilon"] = float(epsilon or EPSILON)
    if "pos_embed" in theirs and theirs["pos_embed"] in ("none", ""):
        info["position_embedding"] = "none"
    if theirs.get(CLASS, USUAL) != USUAL:
        theirs = {"global_pool": POOLED[theirs[CLASS]]} | theirs
    if "global_pool" in theirs:
        info["pooling"] = _pooling(theirs)
    if _has_two_activations(theirs):
        raise ValueError(
            "keras_vit's models have one activation in their blocks and in pooling by "
            f"attention. Received: timm's {name_of(config) or 'config.json'}, with "
            "SwiGLU in the former and GELU in the latter. Load it with timm."
        )
    block = _block(theirs)
    return info | ({"block": block} if block else {})


def _has_two_activations(theirs: Mapping[str, Any]) -> bool:
    """Whether Eva's pooling by attention, whose MLP has GELU, follows others."""
    is_map = theirs.get(CLASS) == "Eva" and theirs.get("global_pool") == "map"
    return is_map and bool(theirs.get("swiglu_mlp"))


def _is_supported(name: str, value: Any) -> bool:
    """Whether a model here has it; JSON's tables never are."""
    if name in ("norm_layer", "embed_norm_layer"):
        return value in NOTHING or str(value).partition(":")[0] in NORMS
    if name in SUPPORTED:
        return not isinstance(value, list | dict) and value in SUPPORTED[name]
    return name in OF_SETTINGS | TOLD_BY_ARRAYS | OF_TRAINING


def _pooling(theirs: Mapping[str, Any]) -> Any:
    """`global_pool`, which tokens it reads, and the heads of its attention."""
    kind = POOLINGS[theirs["global_pool"]]
    if kind is None:
        return None
    fields: dict[str, Any] = {"kind": kind}
    of_all = theirs.get(CLASS) == "Eva" and kind == "map"
    if theirs.get("pool_include_prefix") or of_all:
        fields["prefix_tokens"] = True
    heads = theirs.get("attn_pool_num_heads") if kind == "map" else None
    if heads and heads != theirs.get("num_heads"):
        fields["num_heads"] = heads
    return fields


def _block(theirs: Mapping[str, Any]) -> Any:
    """What no array determines of blocks: layout, rotary positions, shared keys."""
    block: dict[str, Any] = {}
    kind = theirs.get("block_fn") or "Block"
    layout = LAYOUTS[kind]
    by_name = kind != "ParallelScalingBlock" and theirs.get("attn_layer") == "diff"
    if by_name or kind == "DiffParallelScalingBlock":
        block["attention"] = "differential"
    if theirs.get("use_post_norm"):
        layout = "res_post_norm"
    if layout != "pre_norm":
        block["layout"] = layout
    if theirs.get("use_rot_pos_emb") or (
        theirs.get(CLASS) == "NaFlexVit" and theirs.get("rope_type")
    ):
        block["rotary"] = _rotary(theirs)
    keys = theirs.get("num_kv_heads")
    if not isinstance(keys, list | tuple):
        return block | ({"num_key_value_heads": keys} if keys else {})
    heads = theirs["num_heads"]
    return [
        block | ({} if one in (None, heads) else {"num_key_value_heads": one})
        for one in keys
    ]


def _rotary(theirs: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of `RotaryConfig`."""
    kind = theirs.get("rope_type") or "cat"
    fields: dict[str, Any] = {
        "temperature": float(theirs.get("rope_temperature", 10000.0)),
        "axes": "xy" if theirs.get("rope_grid_indexing") == "xy" else "yx",
        "pairs": "halves" if theirs.get("rope_rotate_half") else "neighbours",
    }
    if kind == "mixed":
        fields["frequencies"] = "learned"
    if kind == "dinov3":
        fields["coordinates"] = "centered"
    if theirs.get("rope_grid_offset") and kind != "mixed":
        fields["offset"] = theirs["rope_grid_offset"]
    reference = theirs.get("ref_feat_shape")
    if reference is not None and kind == "cat":
        both = (reference, reference) if isinstance(reference, int) else reference
        fields["reference_grid"] = list(both)
    return fields
