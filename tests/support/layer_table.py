"""Every layer, once: arguments that show each option, a shape in, the shape out."""

import dataclasses

from keras_vit import layers
from keras_vit.preprocessing import PRESETS

LAYERS = {
    "Head": (
        layers.Head,
        {"units": 3, "probabilities": "sigmoid", "class_names": ["a", "b", "c"]},
        (2, 8),
        (2, 3),
    ),
    "Features": (
        layers.Features,
        {"builder": "ResNet", "arguments": {"blocks": [2, 2], "name": "resnet"}},
        (2, 8),
        (2, 8),
    ),
    "Outputs": (
        layers.Outputs,
        {"class_names": ["cat", "dog"], "probabilities": "sigmoid"},
        (2, 2),
        (2, 2),
    ),
    "PixelNormalization": (
        layers.PixelNormalization,
        {
            "mean": [0.1, 0.2, 0.3],
            "variance": [0.5, 0.25, 1.0],
            "evaluation": dataclasses.asdict(PRESETS["timm"]),
        },
        (2, 8, 6, 3),
        (2, 8, 6, 3),
    ),
    "Patches": (layers.Patches, {"patch_size": 4}, (2, 9, 12, 3), (2, 2, 3, 48)),
    "Patches of 4 x 2": (
        layers.Patches,
        {"patch_size": (4, 2)},
        (2, 8, 8, 3),
        (2, 2, 4, 24),
    ),
    "PatchEncoder": (
        layers.PatchEncoder,
        {"hidden_dim": 8, "dropout_rate": 0.1},
        (2, 2, 3, 48),
        (2, 7, 8),
    ),
    "PatchEncoder with distillation": (
        layers.PatchEncoder,
        {
            "hidden_dim": 8,
            "position_embedding": "sincos_2d",
            "distillation_token": True,
        },
        (2, 2, 3, 48),
        (2, 8, 8),
    ),
    "PatchEncoder with registers": (
        layers.PatchEncoder,
        {
            "hidden_dim": 8,
            "class_token": False,
            "position_embedding": "none",
            "num_registers": 2,
        },
        (2, 2, 3, 48),
        (2, 8, 8),
    ),
    "PatchEncoder with columns and rows": (
        layers.PatchEncoder,
        {"hidden_dim": 8, "position_embedding": "learned_2d", "num_registers": 1},
        (2, 2, 3, 48),
        (2, 8, 8),
    ),
    "PatchEncoder with a norm": (
        layers.PatchEncoder,
        {
            "hidden_dim": 8,
            "use_bias": False,
            "norm": "rms",
            "layer_norm_epsilon": 1e-5,
        },
        (2, 2, 3, 48),
        (2, 7, 8),
    ),
    "PatchDropout": (
        layers.PatchDropout,
        {"rate": 0.5, "num_other_tokens": 2, "seed": 3},
        (2, 7, 8),
        (2, 7, 8),
    ),
    "PositionEmbedding": (
        layers.PositionEmbedding,
        {"kind": "learned", "grid": (2, 3), "num_first_tokens": 1},
        (2, 9, 8),
        (2, 9, 8),
    ),
    "PositionEmbedding with columns and rows": (
        layers.PositionEmbedding,
        {"kind": "learned_2d", "grid": (2, 3)},
        (2, 7, 8),
        (2, 7, 8),
    ),
    "RelativePositions": (
        layers.RelativePositions,
        {"grid": (2, 3)},
        (2, 2, 7, 4),
        (2, 2, 7, 7),
    ),
    "RotaryPositions": (
        layers.RotaryPositions,
        {"grid": (2, 3)},
        (2, 2, 7, 4),
        (2, 2, 7, 4),
    ),
    "RotaryPositions of centres": (
        layers.RotaryPositions,
        {
            "grid": (2, 3),
            "config": {
                "coordinates": "centered",
                "axes": "yx",
                "pairs": "neighbours",
            },
        },
        (2, 2, 7, 4),
        (2, 2, 7, 4),
    ),
    "RotaryPositions that are learned": (
        layers.RotaryPositions,
        {"grid": (2, 3), "config": {"frequencies": "learned", "temperature": 10.0}},
        (2, 2, 7, 4),
        (2, 2, 7, 4),
    ),
    "RelativePositionBias": (
        layers.RelativePositionBias,
        {"grid": (2, 3)},
        (2, 2, 7, 4),
        (1, 2, 7, 7),
    ),
    "RelativePositionBias by a network": (
        layers.RelativePositionBias,
        {"grid": (2, 3), "config": {"form": "mlp", "hidden_dim": 5}},
        (2, 2, 8, 4),
        (1, 2, 8, 8),
    ),
    "MultiHeadSelfAttention": (
        layers.MultiHeadSelfAttention,
        {"num_heads": 2, "attention_dropout_rate": 0.1},
        (2, 7, 8),
        (2, 7, 8),
    ),
    "MultiHeadSelfAttention with norms": (
        layers.MultiHeadSelfAttention,
        {"num_heads": 2, "qk_norm": True, "layer_norm_epsilon": 1e-5},
        (2, 7, 8),
        (2, 7, 8),
    ),
    "MultiHeadSelfAttention with offsets": (
        layers.MultiHeadSelfAttention,
        {"num_heads": 2, "position_embedding": "relative", "grid": (2, 3)},
        (2, 7, 8),
        (2, 7, 8),
    ),
    "MultiHeadSelfAttention of few keys": (
        layers.MultiHeadSelfAttention,
        {
            "num_heads": 2,
            "qk_norm": True,
            "grid": (2, 3),
            "config": {
                "norm": "rms",
                "qkv_bias": "query_value",
                "attention_norm": True,
                "num_key_value_heads": 1,
                "rotary": {"temperature": 10000.0, "reference_grid": [4, 4]},
            },
        },
        (2, 7, 8),
        (2, 7, 8),
    ),
    "MultiHeadSelfAttention with biases of offsets": (
        layers.MultiHeadSelfAttention,
        {
            "num_heads": 2,
            "grid": (2, 3),
            "config": {"qkv_bias": "none", "relative_bias": {"form": "mlp"}},
        },
        (2, 7, 8),
        (2, 7, 8),
    ),
    "MLP that is gated": (
        layers.MLP,
        {
            "mlp_dim": 16,
            "activation": "silu",
            "config": {"mlp": "gated", "mlp_norm": True, "use_bias": False},
        },
        (2, 7, 8),
        (2, 7, 8),
    ),
    "MLP with a quick GELU": (
        layers.MLP,
        {"mlp_dim": 16, "activation": "gelu_quick"},
        (2, 7, 8),
        (2, 7, 8),
    ),
    "MLP": (layers.MLP, {"mlp_dim": 16, "dropout_rate": 0.1}, (2, 7, 8), (2, 7, 8)),
    "MLP with erf": (
        layers.MLP,
        {"mlp_dim": 16, "activation": "gelu_erf"},
        (2, 7, 8),
        (2, 7, 8),
    ),
    "LayerScale": (layers.LayerScale, {"initial_value": 0.1}, (2, 7, 8), (2, 7, 8)),
    "StochasticDepth": (
        layers.StochasticDepth,
        {"rate": 0.1, "seed": 3},
        (2, 7, 8),
        (2, 7, 8),
    ),
    "TransformerBlock": (
        layers.TransformerBlock,
        {"num_heads": 2, "mlp_dim": 16},
        (2, 7, 8),
        (2, 7, 8),
    ),
    "TransformerBlock with everything": (
        layers.TransformerBlock,
        {
            "num_heads": 2,
            "mlp_dim": 16,
            "activation": "gelu_erf",
            "dropout_rate": 0.1,
            "attention_dropout_rate": 0.2,
            "drop_path_rate": 0.3,
            "layer_scale": 0.1,
            "qk_norm": True,
            "layer_norm_epsilon": 1e-5,
            "remat": True,
            "position_embedding": "rope_2d",
            "grid": (2, 3),
        },
        (2, 7, 8),
        (2, 7, 8),
    ),
    "TransformerBlock with norms at the ends": (
        layers.TransformerBlock,
        {
            "num_heads": 2,
            "mlp_dim": 16,
            "layer_scale": 0.1,
            "grid": (2, 3),
            "config": {
                "layout": "res_post_norm",
                "mlp_layer_scale": False,
                "relative_bias": {},
            },
        },
        (2, 7, 8),
        (2, 7, 8),
    ),
    "ParallelBlock": (
        layers.ParallelBlock,
        {
            "num_heads": 2,
            "mlp_dim": 16,
            "layer_scale": 0.1,
            "drop_path_rate": 0.3,
            "remat": True,
            "config": {"layout": "parallel", "norm": "rms", "qkv_bias": "none"},
        },
        (2, 7, 8),
        (2, 7, 8),
    ),
    "TakeToken": (layers.TakeToken, {"index": 1}, (2, 7, 8), (2, 8)),
    "TakePatches": (layers.TakePatches, {"num_other_tokens": 2}, (2, 7, 8), (2, 5, 8)),
    "TakePrefix": (layers.TakePrefix, {"num_tokens": 2}, (2, 7, 8), (2, 2, 8)),
    "TokenMean": (layers.TokenMean, {}, (2, 7, 8), (2, 8)),
    "AttentionPooling": (
        layers.AttentionPooling,
        {"num_heads": 2, "mlp_dim": 16, "activation": "gelu_erf"},
        (2, 7, 8),
        (2, 8),
    ),
    "AttentionPooling without projection and MLP": (
        layers.AttentionPooling,
        {
            "num_heads": 2,
            "mlp_dim": 16,
            "config": {
                "kind": "map",
                "mlp": False,
                "query_projection": False,
                "qkv_bias": False,
            },
        },
        (2, 7, 8),
        (2, 8),
    ),
    "Logits": (
        layers.Logits,
        {"activation": "sigmoid", "probabilities": "sigmoid", "temperature": 2.0},
        (2, 3),
        (2, 3),
    ),
    "Logits of one output": (layers.Logits, {}, (2, 1), (2, 2)),
    "StandardizedConv2D": (
        layers.StandardizedConv2D,
        {"filters": 8, "kernel_size": 3, "strides": 2, "padding": "same"},
        (2, 8, 6, 3),
        (2, 4, 3, 8),
    ),
    "Bottleneck": (
        layers.Bottleneck,
        {"filters": 32, "strides": 2, "project": True},
        (2, 8, 6, 64),
        (2, 4, 3, 128),
    ),
    "ResNetStem": (
        layers.ResNetStem,
        {"blocks": (1, 2), "width_factor": 0.5},
        (2, 32, 48, 3),
        (2, 4, 6, 256),
    ),
    "BottleneckD": (
        layers.BottleneckD,
        {"filters": 8, "strides": 2, "project": True},
        (2, 9, 6, 16),
        (2, 5, 3, 32),
    ),
    "ResNetDStem": (
        layers.ResNetDStem,
        {"blocks": (1, 2), "width_factor": 0.125},
        (2, 32, 44, 3),
        (2, 4, 6, 64),
    ),
    "ConvStem": (
        layers.ConvStem,
        {"channels": (6, 8), "kernel_sizes": (4, 2)},
        (2, 34, 48, 3),
        (2, 4, 6, 8),
    ),
}

# What a layer gives in training, where that is of another shape.
IN_TRAINING = {"PatchDropout": (2, 5, 8)}
