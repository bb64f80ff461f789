"""Vision Transformers for Keras: build, load, train, look inside, evaluate, ship."""

import importlib
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from keras_vit import layers as layers
from keras_vit.factories import (
    R26_ViT_B32,
    R26_ViT_S32,
    R50_ViT_B16,
    R50_ViT_B32,
    R50_ViT_L16,
    R50_ViT_L32,
    R_ViT_Ti16,
    ResNet,
    ResNet_R26,
    ResNet_R50,
    ViT,
    ViT_B8,
    ViT_B14,
    ViT_B16,
    ViT_B32,
    ViT_G14,
    ViT_g14,
    ViT_g16,
    ViT_gopt16,
    ViT_H14,
    ViT_H16,
    ViT_L14,
    ViT_L16,
    ViT_L32,
    ViT_S14,
    ViT_S16,
    ViT_S32,
    ViT_So150m16,
    ViT_So400m14,
    ViT_So400m16,
    ViT_Ti16,
)
from keras_vit.variants import VARIANTS
from keras_vit.version import VERSION

if TYPE_CHECKING:  # what is loaded when it is first asked for
    from keras_vit import baselines as baselines
    from keras_vit import batch as batch
    from keras_vit import classifier as classifier
    from keras_vit import data as data
    from keras_vit import decoding as decoding
    from keras_vit import distribution as distribution
    from keras_vit import evaluation as evaluation
    from keras_vit import exporting as exporting
    from keras_vit import figures as figures
    from keras_vit import inspect as inspect
    from keras_vit import logits as logits
    from keras_vit import model as model
    from keras_vit import model_files as model_files
    from keras_vit import model_options as model_options
    from keras_vit import prediction as prediction
    from keras_vit import preprocessing as preprocessing
    from keras_vit import recipes as recipes
    from keras_vit import releases as releases
    from keras_vit import serving as serving
    from keras_vit import training as training
    from keras_vit import variants as variants
    from keras_vit import weights as weights
    from keras_vit.catalog import create_model as create_model
    from keras_vit.catalog import list_models as list_models
    from keras_vit.catalog import list_recipes as list_recipes
    from keras_vit.classifier import Classifier as Classifier
    from keras_vit.evaluation import evaluate as evaluate
    from keras_vit.exporting import export as export
    from keras_vit.logits import logits_model as logits_model
    from keras_vit.prediction import Prediction as Prediction
    from keras_vit.prediction import predict as predict
    from keras_vit.training import train as train
    from keras_vit.weights import decode_predictions as decode_predictions
    from keras_vit.weights import list_weights as list_weights
    from keras_vit.weights import load_weights as load_weights
    from keras_vit.weights import merge_tokens as merge_tokens
    from keras_vit.weights import replace_head as replace_head
    from keras_vit.weights import resize as resize
    from keras_vit.weights import save_weights as save_weights

__version__ = VERSION

__all__ = [
    "Classifier",
    "Prediction",
    "R26_ViT_B32",
    "R26_ViT_S32",
    "R50_ViT_B16",
    "R50_ViT_B32",
    "R50_ViT_L16",
    "R50_ViT_L32",
    "R_ViT_Ti16",
    "ResNet",
    "ResNet_R26",
    "ResNet_R50",
    "VARIANTS",
    "ViT",
    "ViT_B14",
    "ViT_B16",
    "ViT_B32",
    "ViT_B8",
    "ViT_G14",
    "ViT_H14",
    "ViT_H16",
    "ViT_L14",
    "ViT_L16",
    "ViT_L32",
    "ViT_S14",
    "ViT_S16",
    "ViT_S32",
    "ViT_So150m16",
    "ViT_So400m14",
    "ViT_So400m16",
    "ViT_Ti16",
    "ViT_g14",
    "ViT_g16",
    "ViT_gopt16",
    "__version__",
    "create_model",
    "data",
    "decode_predictions",
    "distribution",
    "evaluate",
    "evaluation",
    "export",
    "exporting",
    "figures",
    "inspect",
    "layers",
    "list_models",
    "list_recipes",
    "list_weights",
    "load_weights",
    "logits_model",
    "merge_tokens",
    "predict",
    "recipes",
    "replace_head",
    "resize",
    "save_weights",
    "serving",
    "train",
    "training",
    "weights",
]

_FUNCTIONS = {
    "Classifier": "keras_vit.classifier",
    "Prediction": "keras_vit.prediction",
    "create_model": "keras_vit.catalog",
    "decode_predictions": "keras_vit.weights",
    "evaluate": "keras_vit.evaluation",
    "export": "keras_vit.exporting",
    "list_models": "keras_vit.catalog",
    "list_recipes": "keras_vit.catalog",
    "list_weights": "keras_vit.weights",
    "load_weights": "keras_vit.weights",
    "logits_model": "keras_vit.logits",
    "merge_tokens": "keras_vit.weights",
    "predict": "keras_vit.prediction",
    "replace_head": "keras_vit.weights",
    "resize": "keras_vit.weights",
    "save_weights": "keras_vit.weights",
    "train": "keras_vit.training",
}
_MODULES = {  # what the documentation names; others are found too
    "baselines",
    "batch",
    "classifier",
    "data",
    "decoding",
    "distribution",
    "evaluation",
    "exporting",
    "figures",
    "inspect",
    "layers",
    "logits",
    "model",
    "model_files",
    "model_options",
    "prediction",
    "preprocessing",
    "recipes",
    "releases",
    "serving",
    "training",
    "variants",
    "weights",
}


def __getattr__(name: str) -> Any:
    if name in _FUNCTIONS:
        return getattr(importlib.import_module(_FUNCTIONS[name]), name)
    if name in _MODULES or (name[0] != "_" and find_spec(f"keras_vit.{name}")):
        return importlib.import_module(f"keras_vit.{name}")
    raise AttributeError(f"module 'keras_vit' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_FUNCTIONS, *_MODULES})
