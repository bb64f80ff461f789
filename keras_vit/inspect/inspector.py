"""The models that look into a model, kept as long as it lives."""

import contextlib
import logging
import weakref

from keras_vit.layers.quantized import quantized_layers

_INSPECTORS = weakref.WeakKeyDictionary()


def inspector(model, make, *arguments):
    """Gives `make(model, *arguments)`, the same for the same.

    A new one would be traced anew, which takes longer than to run it.

    Args:
        model: a Keras model. What is kept goes when it does.
        make: makes a Keras model of its layers, that does not hold the model
            itself.
        arguments: of that, all hashable.

    Returns:
        An `Inspector`.
    """
    kept = _INSPECTORS.setdefault(model, {})
    # What was traced before Keras quantized the model would still use the old weights.
    key = make, *arguments, len(quantized_layers(model))
    if key not in kept:
        kept[key] = Inspector(make(model, *arguments))
    return kept[key]


class Inspector:
    """A model that looks into another one.

    Args:
        model: a Keras model.
    """

    def __init__(self, model):
        self._model = model

    def predict_on_batch(self, images):
        """What the model gives for images, as arrays."""
        with without_advice():
            return self._model.predict_on_batch(images)


@contextlib.contextmanager
def without_advice():
    """Keeps TensorFlow from advising on models that are traced once.

    It takes several models for one that is traced again and again.
    """
    logger = logging.getLogger("tensorflow")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)
