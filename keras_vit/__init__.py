"""Vision Transformers for Keras: build, load, train, look inside, evaluate, ship."""

import importlib

from keras_vit import layers as layers
from keras_vit.factories import FACTORIES as FACTORIES
from keras_vit.factories import R26_ViT_B32 as R26_ViT_B32
from keras_vit.factories import R26_ViT_S32 as R26_ViT_S32
from keras_vit.factories import R50_ViT_B16 as R50_ViT_B16
from keras_vit.factories import R50_ViT_B32 as R50_ViT_B32
from keras_vit.factories import R50_ViT_L16 as R50_ViT_L16
from keras_vit.factories import R50_ViT_L32 as R50_ViT_L32
from keras_vit.factories import R_ViT_Ti16 as R_ViT_Ti16
from keras_vit.factories import ResNet as ResNet
from keras_vit.factories import ResNet_R26 as ResNet_R26
from keras_vit.factories import ResNet_R50 as ResNet_R50
from keras_vit.factories import ViT as ViT
from keras_vit.factories import ViT_B8 as ViT_B8
from keras_vit.factories import ViT_B16 as ViT_B16
from keras_vit.factories import ViT_B32 as ViT_B32
from keras_vit.factories import ViT_G14 as ViT_G14
from keras_vit.factories import ViT_g14 as ViT_g14
from keras_vit.factories import ViT_H14 as ViT_H14
from keras_vit.factories import ViT_L16 as ViT_L16
from keras_vit.factories import ViT_L32 as ViT_L32
from keras_vit.factories import ViT_S16 as ViT_S16
from keras_vit.factories import ViT_S32 as ViT_S32
from keras_vit.factories import ViT_Ti16 as ViT_Ti16
from keras_vit.variants import VARIANTS as VARIANTS
from keras_vit.version import VERSION

__version__ = VERSION

# What needs more than Keras is loaded when it is first asked for.
_FUNCTIONS = {
    "train": "keras_vit.training",
    "evaluate": "keras_vit.evaluation",
    "logits_model": "keras_vit.logits",
    "predict": "keras_vit.prediction",
    "decode_predictions": "keras_vit.weights",
    "export": "keras_vit.exporting",
    "load_weights": "keras_vit.weights",
    "list_weights": "keras_vit.weights",
    "save_weights": "keras_vit.weights",
    "resize": "keras_vit.weights",
    "replace_head": "keras_vit.weights",
    "merge_tokens": "keras_vit.weights",
}
_MODULES = ("data", "distribution", "evaluation", "inspect", "recipes")


def __getattr__(name):
    if name in _FUNCTIONS:
        return getattr(importlib.import_module(_FUNCTIONS[name]), name)
    if name in _MODULES:
        return importlib.import_module(f"keras_vit.{name}")
    raise AttributeError(f"module 'keras_vit' has no attribute {name!r}")


def __dir__():
    return sorted({*globals(), *_FUNCTIONS, *_MODULES})
