"""A model from a file -> what it computes of pixels, for all kinds of models."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from keras_vit.classifier import Classifier
from keras_vit.litert_model import LiteRTModel
from keras_vit.served_model import ServedModel

PROBABILITIES, FEATURES, ATTENTION = "probabilities", "features", "attention"


class Scorer:
    """Computes what is wanted of a batch of pixels; for several threads.

    Args:
        classifier: its model may be a `LiteRTModel` too.
        wanted: some of `PROBABILITIES`, `FEATURES` and `ATTENTION`.

    Raises:
        ValueError: if the model does not have what is wanted.
    """

    def __init__(self, classifier: Classifier, wanted: Sequence[str]) -> None:
        self.classifier = classifier
        self._lock = threading.Lock()  # one batch at a time has all cores
        self._functions = _functions(classifier, wanted)

    def __call__(self, pixels: np.ndarray) -> dict[str, np.ndarray]:
        """Return `(B, ...)` float32 arrays of images `(B, H, W, 3)`, by name."""
        with self._lock:
            found = {}
            for function in self._functions:
                found.update(function(pixels))
        return {name: np.asarray(one, np.float32) for name, one in found.items()}

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Return the shape of each output of one image, by name."""
        height, width = self.classifier.image_size
        outputs = self(np.zeros((1, height, width, 3), np.float32))
        return {name: one.shape[1:] for name, one in outputs.items()}


def _functions(
    classifier: Classifier, wanted: Sequence[str]
) -> list[Callable[[np.ndarray], dict[str, np.ndarray]]]:
    model: Any = classifier.model
    found = []
    if isinstance(model, ServedModel):
        features = FEATURES in wanted
        if features and FEATURES not in model.signatures():
            raise ValueError(_lacking(classifier, FEATURES))
        if ATTENTION in wanted:
            raise ValueError(
                f"{_lacking(classifier, ATTENTION)} of pixels: name its run's folder "
                "or the .keras file that it was exported from"
            )
        if PROBABILITIES in wanted:
            found.append(lambda pixels: {PROBABILITIES: model.probabilities(pixels)})
        if features:
            found.append(lambda pixels: {FEATURES: model.features(pixels)})
        return found
    if isinstance(model, LiteRTModel):
        lacking = [one for one in (FEATURES, ATTENTION) if one in wanted]
        if lacking:
            raise ValueError(_lacking(classifier, " and ".join(lacking)))
        return [lambda pixels: {PROBABILITIES: model.probabilities(pixels)}]
    if PROBABILITIES in wanted or FEATURES in wanted:
        found.append(_forward(classifier, wanted))
    if ATTENTION in wanted:
        from keras_vit.inspect.rollouts import rollout_model

        rollout = rollout_model(model)
        found.append(lambda pixels: {ATTENTION: rollout.predict_on_batch(pixels)})
    return found


def _forward(classifier: Classifier, wanted: Sequence[str]) -> Any:
    """Probabilities and features of a Keras model by one pass through it."""
    import keras

    from keras_vit.layers.outputs import PROBABILITIES as ACTIVATIONS

    model: Any = classifier.model
    if FEATURES not in wanted:
        return lambda pixels: {PROBABILITIES: classifier.probabilities(pixels)}
    from keras_vit.evaluation.features import features_model

    frozen = features_model(classifier)
    if PROBABILITIES not in wanted:
        return lambda pixels: {FEATURES: frozen.predict_on_batch(pixels)}
    both = keras.Model(model.inputs, [model.output, frozen.output])

    def outputs(pixels: np.ndarray) -> dict[str, np.ndarray]:
        logits, features = both.predict_on_batch(pixels)
        logits = np.asarray(logits, np.float32)
        activation = ACTIVATIONS[classifier.activation]
        return {PROBABILITIES: np.asarray(activation(logits)), FEATURES: features}

    return outputs


def _lacking(classifier: Classifier, what: str) -> str:
    return (
        f"--what={what} needs a model that has it. Received: {classifier.name!r}, "
        f"{type(classifier.model).__name__} without {what}"
    )


def open_classifier(
    path: str | os.PathLike[str], class_names: Sequence[str] | None = None
) -> Classifier:
    """Open a run's folder, a `.keras` file, a SavedModel or a LiteRT file.

    Args:
        path: on this machine.
        class_names: in the order of the outputs, instead of the model's own.

    Raises:
        FileNotFoundError, ValueError: as `Classifier.of`.
        ImportError: for a `.tflite` file, without its runtime.
    """
    if str(path).endswith(".tflite"):
        model: Any = LiteRTModel(path)
        names = model.class_names if class_names is None else tuple(class_names)
        return Classifier(
            model,
            class_names=names,
            activation=model.activation,
            preprocessing=model.preprocessing,
            decoding=model.decoding,
            name=model.name,
        )
    return Classifier.of(path, class_names=class_names)
