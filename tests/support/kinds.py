"""Every kind of model that exports meet, tiny."""

import keras_vit
from support.models import tiny_vit

KINDS = {
    "token": {},
    "registers, gap, relative": {
        "pooling": "gap",
        "num_registers": 2,
        "position_embedding": "relative",
    },
    "map, sincos": {"pooling": "map", "position_embedding": "sincos_2d"},
    "gelu by erf": {"activation": "gelu_erf", "layer_scale": 0.1, "qk_norm": True},
    "distillation": {"distillation": True},
    "pre-logits, rope": {
        "representation_size": 24,
        "position_embedding": "rope_2d",
    },
}


def hybrid():
    stem = keras_vit.layers.ResNetStem((1,), 0.5)
    return tiny_vit(stem=stem, patch_size=1, image_size=(32, 48))
