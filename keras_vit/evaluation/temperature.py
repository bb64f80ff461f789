"""Temperature scaling: one number that corrects confidence (Guo et al. 2017)."""

from __future__ import annotations

import keras
import numpy as np

from keras_vit.classifier import Classifier, Source
from keras_vit.evaluation.predictions import Predictions

COLDEST, HOTTEST = 0.01, 100.0  # that are looked among
STEPS = 100  # more than halving takes


def fit_temperature(predictions: Predictions) -> float:
    """Find the temperature whose scaled logits have the smallest loss.

    The loss is convex in the inverse temperature, whose best value Newton's
    method finds; a step that leaves the known bounds is replaced by one to
    their middle.

    Args:
        predictions: of images other than those that calibration is reported on.

    Returns:
        T between `COLDEST` and `HOTTEST`, which stand for less and more.

    Example:

    >>> from keras_vit.evaluation import Predictions
    >>> logits = np.array([[9.0, 0.0]] * 4, np.float32)
    >>> f"{fit_temperature(Predictions(logits, np.array([0, 0, 0, 1]))):.3f}"
    '8.192'
    """
    low, high, inverse = 1 / HOTTEST, 1 / COLDEST, 1.0
    for _ in range(STEPS):
        parts = [_derivatives(part, inverse) for part in predictions.parts()]
        slope, curvature = np.sum(parts, axis=0)
        low, high = (inverse, high) if slope < 0 else (low, inverse)
        step = inverse - slope / curvature if curvature > 0 else float("inf")
        if not low <= step <= high:
            step = float(np.sqrt(low * high))
        if abs(step - inverse) <= 1e-9 * inverse:
            break
        inverse = step
    return float(1 / inverse)


def bound_reached(temperature: float) -> str | None:
    """Return the bound of the search that a temperature is at, in words, if any.

    Example:

    >>> bound_reached(100.0)
    'the largest that is tried: an even larger one may be better'
    """
    if temperature >= 0.99 * HOTTEST:
        return "the largest that is tried: an even larger one may be better"
    if temperature <= 1.01 * COLDEST:
        return "the smallest that is tried: an even smaller one may be better"
    return None


def _derivatives(predictions: Predictions, inverse: float) -> tuple[float, float]:
    """The first and second derivative of the loss by the inverse temperature."""
    logits = predictions.logits.astype(np.float64)
    shares = predictions.divided(1 / inverse).probabilities()
    slope = ((shares - predictions.targets()) * logits).sum()
    if predictions.activation == "sigmoid":
        return slope, (shares * (1 - shares) * logits**2).sum()
    mean = (shares * logits).sum(1, keepdims=True)
    return slope, (shares * (logits - mean) ** 2).sum()


def scaled(model: Source, temperature: float) -> keras.Model:
    """Build a copy of a model whose logits are divided by a temperature.

    The head's kernel and bias are divided: there is no further layer, and the model
    can be saved, exported and trained as the first. A model without a head of
    this package gets the layer `keras_vit.layers.Logits`, which divides.

    Args:
        model: a Keras model, as `keras_vit.logits.logits_model` takes it, the
            path of one, or a `keras_vit.classifier.Classifier`.
        temperature: T > 0, such as `fit_temperature` returns.

    Raises:
        ValueError: for a temperature that is not positive, a model that
            returns features, or a head that Keras has quantized.

    Example:

    >>> model = keras_vit.ViT_Ti16(num_classes=10, image_size=32)
    >>> scaled(model, 1.5).output_shape
    (None, 10)
    """
    from keras_vit.evaluation.forward import copied
    from keras_vit.layers.head import heads_of
    from keras_vit.layers.quantized import check_not_quantized
    from keras_vit.logits import divided

    if not 0 < temperature < np.inf:
        raise ValueError(f"Expected a temperature above 0. Received: {temperature}")
    model = Classifier.of(model).model
    if not isinstance(model, keras.Model):
        raise ValueError(
            "Expected a Keras model, whose logits can be divided by a temperature. "
            "Received: a SavedModel. Scale the run's folder or .keras file, then "
            "export it"
        )
    if "features" in getattr(model, "output_names", ()):
        raise ValueError(
            "Expected a classifier, whose logits can be divided by a temperature. "
            "Received: a model without a head, which returns features"
        )
    for head in heads_of(model):
        check_not_quantized(head, "scaled", "scale the float model, then quantize it.")
    copy = copied(model)
    if not heads_of(copy):
        return divided(copy, temperature)
    for head in heads_of(copy):
        for weight in head.weights:
            weight.assign(weight / temperature)
    return copy
