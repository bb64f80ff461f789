"""The models that the fixtures of `tests/fixtures` are weights of."""

import numpy as np

import keras_vit
from keras_vit import ViT, layers

TINY = {
    "image_size": 32,
    "patch_size": 8,
    "num_layers": 2,
    "num_heads": 4,
    "hidden_dim": 32,
    "mlp_dim": 64,
    "num_classes": 7,
    "include_preprocessing": False,
}
TORCH = {"activation": "gelu_erf"}


def hybrid(blocks, patch_size, width_factor=0.5, image_size=64):
    return {
        "stem": lambda: layers.ResNetStem(blocks, width_factor, name="stem"),
        "patch_size": patch_size,
        "image_size": image_size,
    }


MODELS = {  # a file: arguments beside TINY
    "vit_tiny_token.npz": {},
    "vit_tiny_token_rep24.npz": {"representation_size": 24},
    "vit_tiny_gap.npz": {"pooling": "gap"},
    "vit_tiny_nohead.npz": {"num_classes": None},
    "vit_tiny_token_nonsquare.npz": {"image_size": (24, 40)},
    "vit_tiny_token_notdivisible.npz": {"image_size": (37, 35)},
    "hybrid_stem_p8.npz": hybrid((), 8),
    "hybrid_1stage_w1.npz": hybrid((2,), 2, width_factor=1.0, image_size=32),
    "hybrid_3stage.npz": hybrid((1, 2, 1), 1),
    "bv_tiny_gap_sincos2d_rep.npz": {
        "pooling": "gap",
        "position_embedding": "sincos_2d",
        "representation_size": 32,
    },
    "bv_tiny_map_learn.npz": {"pooling": "map"},
    "timm_token.safetensors": TORCH,
    "timm_avg_fcnorm.safetensors": TORCH
    | {"pooling": "gap", "fc_norm": True, "class_token": True},
    "timm_deit_distilled.safetensors": TORCH | {"distillation": True},
    "hf_vit.safetensors": TORCH | {"layer_norm_epsilon": 1e-12},
    "torchvision_vit.safetensors": TORCH,
}


def build(file, **changes):
    arguments = TINY | MODELS[file] | changes
    if "stem" in arguments:
        arguments["stem"] = arguments["stem"]()
    return ViT(**arguments)


SIZES = {
    key: TINY[key]
    for key in ("patch_size", "num_layers", "num_heads", "hidden_dim", "mlp_dim")
}


PURE = [
    *("vit_tiny_token", "vit_tiny_token_rep24", "vit_tiny_gap", "vit_tiny_nohead"),
    *("vit_tiny_token_nonsquare", "vit_tiny_token_notdivisible"),
]


HYBRID = ["hybrid_stem_p8", "hybrid_1stage_w1", "hybrid_3stage"]


def from_fixture(name, fixtures):
    """A model with the fixture's weights, and what the reference saw inside."""
    model = build(f"{name}.npz")
    keras_vit.load_weights(model, fixtures / f"{name}.npz")
    images = np.load(fixtures / f"{name}_input.npy")
    return model, images, np.load(fixtures / f"{name}_intermediates.npz")
