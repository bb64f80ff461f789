"""Vision Transformers for Keras: build, load, train, look inside, evaluate, ship."""

import importlib

from keras_vit import layers as layers
from keras_vit.factories import FACTORIES
from keras_vit.variants import VARIANTS as VARIANTS
from keras_vit.version import VERSION

__version__ = VERSION

globals().update(FACTORIES)  # ViT, ViT_B16, R50_ViT_B16, ...

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
