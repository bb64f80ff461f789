"""The flags that name a model and its weights, checked without Keras."""

import os
import pathlib
import re

from keras_vit.choices import (
    HUB_PREFIX,
    KERAS_CV_NETWORKS,
    KERAS_CV_PREFIX,
    KERAS_PREFIX,
    MODELS,
    NETWORK_PREFIXES,
    keras_networks,
)
from keras_vit.cli import flag_types
from keras_vit.dataset_names import no_such_path
from keras_vit.foreign_arguments import release_for
from keras_vit.releases import is_path, list_weights
from keras_vit.suggestions import unknown
from keras_vit.timm_names import hub_name, read_timm_name

FACTORY, NETWORK = "a model's name such as ViT_B16", "keras:<network>"
TRAINED, SERVED = "a run's folder, a .keras file", "a SavedModel"
LITERT, BUCKET = "a .tflite file", "one in a bucket, such as gs://bucket/model.keras"


_ADVICE = (  # where what was exported is not expected
    "which can be neither trained, inspected, exported nor converted. Name the run or "
    "the .keras file that it was made of"
)


class Model(flag_types.Path):
    """The name or path of a model, of which there is one.

    Args:
        *takes: some of `FACTORY`, `NETWORK`, `TRAINED`, `SERVED`, `LITERT` and
            `BUCKET`.
    """

    def __init__(self, *takes: str) -> None:
        self.takes = takes
        *others, last = takes
        self.expected = f"{', '.join(others)} or {last}" if others else last

    def full_help(self, help: str) -> str:
        """Return a flag's help: what is taken, after what the model is for."""
        purpose, colon, _ = help.partition(":")
        if colon and "." not in purpose:
            return f"{purpose}: {self.expected}."
        return f"{self.expected[0].upper()}{self.expected[1:]}."

    def check(self, value: str) -> None:
        """Refuse what names nothing, or a model of another kind.

        Raises:
            FileNotFoundError: for the path of nothing.
            ValueError: for an unknown name, or what is no such model.
        """
        path = pathlib.Path(value)
        if FACTORY in self.takes and value in MODELS:
            return
        if NETWORK in self.takes and value.startswith(KERAS_PREFIX):
            network, known = value.removeprefix(KERAS_PREFIX), keras_networks()
            if known and network not in known:
                raise ValueError(unknown("network of keras.applications", value, known))
            return
        if NETWORK in self.takes and value.startswith(KERAS_CV_PREFIX):
            network = value.removeprefix(KERAS_CV_PREFIX)
            if network not in KERAS_CV_NETWORKS:
                known = KERAS_CV_NETWORKS
                raise ValueError(unknown("network of KerasCV", network, known))
            return
        if BUCKET in self.takes and "://" in value:
            return
        if not path.exists():
            timm = read_timm_name(value) if FACTORY in self.takes else None
            if timm is not None:
                weights = f" --weights={timm.weights}" if timm.weights else ""
                raise ValueError(
                    f"Expected {self.expected}. Received: {value!r}, which is timm's "
                    f"name. Use --model={timm.variant}{weights}"
                )
            if FACTORY in self.takes and not re.search(r"[/\\]|^[.~]|\.\w+$", value):
                expected = f"{self.expected}; keras-vit list names the models"
                raise ValueError(unknown("model", value, MODELS, expected=expected))
            raise FileNotFoundError(no_such_path(value, self.expected))
        kind = kind_of(path)
        if kind is None:
            raise ValueError(
                f"No model in {value}. Expected {self.expected}. A run's folder has a "
                "file model.keras, a SavedModel a file saved_model.pb."
            )
        if kind not in self.takes:
            raise ValueError(
                f"Expected {self.expected}. Received: {value}, {kind}, {_ADVICE}"
            )


def kind_of(path: pathlib.Path) -> str | None:
    """Return `TRAINED`, `SERVED` or `LITERT`; `None` for what is no saved model."""
    if (path / "model.keras").is_file() or (path.suffix == ".keras" and path.is_file()):
        return TRAINED
    if path.suffix == ".tflite" and path.is_file():
        return LITERT
    versions = [path, *(one for one in path.glob("[0-9]*") if one.name.isdigit())]
    if any((one / "saved_model.pb").is_file() for one in versions):
        return SERVED
    return None


def check_weights(model: str | None, weights: str | None) -> None:
    """Refuse weights that a model cannot be built with.

    Args:
        model: what `--model` says; `None`: not known before it is built.
        weights: what `--weights` says.

    Raises:
        FileNotFoundError: for the path of nothing.
        ValueError: for an unknown name.
    """
    if weights is None:
        return
    if model is not None and not model.startswith(NETWORK_PREFIXES):
        weights = hub_name(model if model in MODELS else "ViT", weights)
    if weights.startswith(HUB_PREFIX) or os.path.exists(weights):
        return
    if is_path(weights):
        raise FileNotFoundError(no_such_path(weights, "a file of weights"))
    if model is not None and model.startswith(KERAS_PREFIX):
        known = ["imagenet"]
    elif model is not None and model.startswith(KERAS_CV_PREFIX):
        raise ValueError(
            f"{model} has random weights, so it takes no --weights. "
            f"Received: --weights={weights}"
        )
    else:
        known = [row.name for row in list_weights(model if model in MODELS else None)]
    if weights not in known:
        names = ", ".join(dict.fromkeys(known))
        expected = f"{names}{', ' if names else ''}hf:<owner>/<name>, or a file's path"
        kind = f"weights{f' of {model}' if model else ''}"
        meant = release_for(weights, known)
        advice = f" Use {meant!r}" if meant else ""
        raise ValueError(f"{unknown(kind, weights, known, expected=expected)}{advice}")
