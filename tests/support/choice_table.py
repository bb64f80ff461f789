"""Small models of every choice of blocks, norms and pooling, beyond the paper's."""

from typing import Any

CHOICES: dict[str, dict[str, Any]] = {
    "rms and SwiGLU without biases": {
        "activation": "silu",
        "block": {"norm": "rms", "mlp": "gated", "qkv_bias": "none", "use_bias": False},
        "patch_bias": False,
        "patch_norm": True,
        "head_bias": False,
    },
    "biases of queries and values": {"block": {"qkv_bias": "query_value"}},
    "sub-LN": {
        "block": {"attention_norm": True, "mlp_norm": True, "mlp": "gated"},
        "activation": "silu",
    },
    "few keys": {"num_heads": 4, "block": {"num_key_value_heads": 2}, "qk_norm": True},
    "rotary neighbours": {
        "block": {
            "rotary": {"pairs": "neighbours", "axes": "yx", "reference_grid": (4, 4)}
        },
        "position_embedding": "none",
        "num_registers": 2,
    },
    "rotary centres": {
        "block": {"rotary": {"coordinates": "centered", "axes": "yx"}},
        "position_embedding": "none",
    },
    "learned rotary": {
        "block": {"rotary": {"frequencies": "learned", "temperature": 10.0}},
    },
    "table of offsets": {
        "block": {"relative_bias": {}, "qkv_bias": "query_value"},
        "position_embedding": "none",
        "layer_scale": 0.1,
        "pooling": "gap",
        "class_token": True,
        "fc_norm": True,
    },
    "table of offsets without a token": {
        "block": {"relative_bias": {}},
        "pooling": "gap",
    },
    "network of offsets": {
        "block": {
            "relative_bias": {"form": "mlp", "hidden_dim": 8},
            "layout": "res_post_norm",
        },
        "layer_scale": 0.1,
        "pooling": {"kind": "gap", "prefix_tokens": True},
        "class_token": True,
    },
    "norms at the ends": {"block": {"layout": "res_post_norm"}, "pooling": "gap"},
    "parallel": {"block": {"layout": "parallel"}, "qk_norm": True, "layer_scale": 0.1},
    "differential": {"block": {"attention": "differential"}, "num_registers": 1},
    "differential in parallel": {
        "block": {"attention": "differential", "layout": "parallel"},
        "qk_norm": True,
    },
    "branches": {"block": {"num_branches": 2}, "layer_scale": 0.1},
    "branches with norms at the ends": {
        "block": {"num_branches": 3, "layout": "res_post_norm", "mlp": "gated"},
    },
    "a block of each kind": {
        "block": [{"mlp": "gated"}, {"layout": "parallel", "mlp_norm": True}],
    },
    "CLIP's": {
        "pre_norm": True,
        "patch_bias": False,
        "activation": "gelu_quick",
        "layer_norm_epsilon": 1e-5,
    },
    "no final norm": {"final_norm": False},
    "max": {"pooling": "max", "num_registers": 2, "fc_norm": True},
    "mean and max": {
        "pooling": {"kind": "gap_max", "prefix_tokens": True},
        "class_token": True,
    },
    "mean of all": {
        "pooling": {"kind": "gap", "prefix_tokens": True},
        "class_token": True,
        "num_registers": 1,
    },
    "class token and mean": {"pooling": "token_gap", "num_registers": 2},
    "attention over all": {
        "pooling": {"kind": "map", "prefix_tokens": True, "num_heads": 4},
        "class_token": True,
        "num_registers": 1,
    },
    "tokens out": {"pooling": None, "num_classes": None, "num_registers": 1},
}
"""A case: arguments of `tiny_vit`."""
