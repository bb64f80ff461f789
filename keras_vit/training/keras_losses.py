"""Losses of the caller's own, and Keras's, as the training step needs them.

The step divides the sum over its images by the global batch. So a loss has to
return one number for each image, and may look at no other image for it: replicas
and parts of a batch would change it.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, Literal, TypeAlias

import keras
import numpy as np
import tensorflow as tf

# Logits and targets `(B, K)` -> losses `(B,)`.
PerExample: TypeAlias = Callable[[Any, Any], Any]

_OF_PROBABILITIES = (  # without from_logits, by the names of classes and functions
    "CategoricalGeneralizedCrossEntropy",
    "Dice",
    "KLDivergence",
    "Poisson",
    "Tversky",
    "categorical_generalized_cross_entropy",
    "dice",
    "kl_divergence",
    "poisson",
    "tversky",
)
_OF_EACH_CLASS = (keras.losses.BinaryCrossentropy, keras.losses.BinaryFocalCrossentropy)
_FUNCTIONS_OF_EACH_CLASS = (
    keras.losses.binary_crossentropy,
    keras.losses.binary_focal_crossentropy,
)


def per_example(loss: Any, num_classes: int) -> PerExample:
    """Return a loss of Keras's, or a function, as one of each image.

    Args:
        loss: a `keras.losses.Loss`, whose reduction is left out; or a function of
            targets and logits, `(B, K)` each, that returns losses `(B,)`. Like
            Keras's, it takes targets first.
        num_classes: K.

    Returns:
        A function of logits and targets that returns float32 losses `(B,)`.

    Raises:
        TypeError: if it is neither.
        ValueError: if it expects probabilities or other targets, or does not return
            one number for each image.

    Example:

    >>> focal = keras.losses.CategoricalFocalCrossentropy(from_logits=True)
    >>> per_example(focal, 2)(tf.zeros((1, 2)), tf.eye(2)[:1]).numpy().round(4)
    array([0.0433], dtype=float32)
    """
    check_loss(loss)
    unreduced: Callable[..., Any] = loss
    if isinstance(loss, keras.losses.Loss):
        unreduced = object.__new__(type(loss))  # copy() goes by the config, if any
        vars(unreduced).update(vars(loss), reduction=None)

    def losses(logits: Any, targets: Any) -> Any:
        of_each: Any = unreduced(targets, logits)
        return tf.cast(of_each, "float32")

    _check_independent(losses, name_of(loss), num_classes)
    return losses


def check_loss(loss: Any) -> None:
    """Refuse what cannot be a loss of logits.

    Raises:
        TypeError, ValueError: as `per_example` does.
    """
    if not callable(loss) or isinstance(loss, type):
        raise TypeError(
            "loss must be a word of recipes, a keras.losses.Loss or a function of "
            f"targets and logits. Received: {loss!r}"
        )
    name = name_of(loss)
    if _from_logits(loss) is False:
        raise ValueError(
            "loss must take logits, as models return them. Received: "
            f"{name} with from_logits=False. Pass from_logits=True"
        )
    if name in _OF_PROBABILITIES:
        raise ValueError(
            f"loss must take logits, as models return them. Received: {name}, which "
            "takes probabilities. Pass a function such as lambda targets, logits: "
            "loss(targets, keras.ops.softmax(logits)), with reduction=None in the loss"
        )


def activation_of(loss: Any) -> Literal["softmax", "sigmoid"]:
    """Return what makes probabilities of logits that were trained by a loss.

    Args:
        loss: a word, which is that of the activation, or as `per_example` takes it.

    Returns:
        `"sigmoid"` of a binary loss of Keras's; of any other `"softmax"`, as nothing
        tells what a function of the caller's own means by its logits.

    Example:

    >>> focal = keras.losses.binary_focal_crossentropy
    >>> activation_of(functools.partial(focal, from_logits=True))
    'sigmoid'
    """
    if loss == "softmax" or loss == "sigmoid":
        return loss
    loss = _within(loss)
    binary = isinstance(loss, _OF_EACH_CLASS) or loss in _FUNCTIONS_OF_EACH_CLASS
    return "sigmoid" if binary else "softmax"


def name_of(loss: Any) -> str:
    """Return the name of a loss's class, or of a function, also of a partial one."""
    loss = _within(loss)
    return getattr(loss, "__name__", type(loss).__name__)


def _within(loss: Any) -> Any:
    """Return the function of a `functools.partial`; any other loss as it is."""
    return _within(loss.func) if isinstance(loss, functools.partial) else loss


def _from_logits(loss: Any) -> bool | None:
    """Return the loss's argument `from_logits`; `None` where it has none."""
    if isinstance(loss, keras.losses.Loss):
        return loss.get_config().get("from_logits")
    try:
        found = inspect.signature(loss).parameters.get("from_logits")
    except ValueError:  # of a function that has no signature
        return None
    return None if found is None else bool(found.default)


def _check_independent(losses: PerExample, name: str, num_classes: int) -> None:
    """Refuse a loss that is not one number for each image, of that image alone."""
    count = 3
    draws = np.random.default_rng(0)
    logits = tf.constant(draws.normal(size=(count, num_classes)), "float32")
    targets = tf.one_hot(np.arange(count) % num_classes, num_classes)
    expected = (
        "loss must take one-hot targets and logits, (B, K) each, and return one number "
        f"for each image, (B,). Received: {name}"
    )
    try:
        together = losses(logits, targets)
        alone = [losses(logits[i : i + 1], targets[i : i + 1]) for i in range(count)]
    except Exception as error:  # of whatever the loss does
        sparse = "Sparse" in name or name.startswith("sparse")
        hint = f". Pass {name.replace('Sparse', '')}" if sparse else ""
        raise ValueError(f"{expected}, which raises {error!r:.300}{hint}") from error
    if together.shape != (count,):
        raise ValueError(
            f"{expected}, which returns shape {tuple(together.shape)} for B={count}, "
            f"K={num_classes}. Leave out its mean"
        )
    if not np.allclose(together, tf.concat(alone, 0), rtol=1e-4, atol=1e-6):
        raise ValueError(
            f"{expected}, whose number for an image depends on the others of its "
            "batch, so that devices and accumulation_steps would change it"
        )
