"""The words that arguments and flags take, readable without Keras.

The tables behind them lie where the work is done; a test compares each with its
words here. Words of recipes are the types of their settings, in
`keras_vit.recipes.groups` and `tasks`; ways to resize are in
`keras_vit.preprocessing.PRESETS`, formats of exports in `keras_vit.export_formats`.
"""

import importlib.util
import pathlib
import re

from keras_vit.variants import VARIANTS

MODELS = ("ViT", *VARIANTS, "ResNet", "ResNet_R26", "ResNet_R50")  # FACTORIES
KERAS_PREFIX = "keras:"  # before the name of a network of Keras's
KERAS_CV_PREFIX = "keras_cv:"  # before the name of one that only KerasCV has
NETWORK_PREFIXES = (KERAS_PREFIX, KERAS_CV_PREFIX)
KERAS_CV_NETWORKS = ("ResNet18", "ResNet34", "ResNet18V2", "ResNet34V2")

LOGGERS = ("tensorboard", "wandb", "mlflow")  # flags, packages, extras

STRATEGIES = ("auto", "one", "mirrored", "multiworker", "tpu:<name>")
TPU_PREFIX = "tpu:"

MEASUREMENTS = (
    "metrics",
    "classes",
    "confusion",
    "real",
    "comparison",
    "calibration",
    "few_shot",
    "neighbours",
    "linear",
    "embedding",
    "robustness",
    "resolution",
)

FIGURES = (  # of `keras_vit.inspect`
    "rollout",
    "gradients",
    "grad_cam",
    "heads",
    "distance",
    "filters",
    "positions",
    "offsets",
    "biases",
    "norms",
    "norm_maps",
    "cka",
)
HEAD_FUSIONS = ("mean", "max", "min")

BATCH_RESULTS = ("classes", "probabilities", "features", "attention")
FEATURES_DTYPES = ("float32", "float16")
RUNNERS = (  # of Apache Beam
    "DirectRunner",
    "PrismRunner",
    "FlinkRunner",
    "SparkRunner",
    "DataflowRunner",
    "PortableRunner",
)

HUB_PREFIX = "hf:"  # before <owner>/<name>


def keras_networks() -> list[str]:
    """Return the networks in the installed `keras.applications`, by its files alone."""
    found = importlib.util.find_spec("keras")
    text = ""
    for folder in (found and found.submodule_search_locations) or ():
        path = pathlib.Path(folder, "applications", "__init__.py")
        if path.is_file():
            text += path.read_text(encoding="utf-8")
    return sorted({*re.findall(r"\bas ([A-Z]\w+)", text)})
