"""The models that read a model's inside, kept as long as it lives.

`_INSPECTORS` is all that inspection keeps in a process: for each model that is
inspected, the models that read it, by the function that made them and its arguments.
They go when the model does.
"""

from __future__ import annotations

import contextlib
import weakref
from collections.abc import Callable
from typing import Any

import keras

from keras_vit.layers.quantized import quantized_layers
from keras_vit.verbosity import quiet_loggers

_INSPECTORS: weakref.WeakKeyDictionary[keras.Model, dict] = weakref.WeakKeyDictionary()


def inspector(
    model: keras.Model, make: Callable[..., keras.Model], *arguments: Any
) -> Inspector:
    """Return `make(model, *arguments)`, made once for equal arguments.

    A new one would be traced anew, which takes longer than to run it.

    Args:
        model: a Keras model. What is kept goes when it does.
        make: makes a Keras model of its layers, that does not hold the model
            itself.
        arguments: of that, all hashable.
    """
    kept = _INSPECTORS.setdefault(model, {})
    # What was traced before Keras quantized the model would still use the old weights.
    key = make, *arguments, len(quantized_layers(model))
    if key not in kept:
        kept[key] = Inspector(make(model, *arguments))
    return kept[key]


class Reading(keras.layers.Layer):
    """One node of a functional model that computes all that follows, in float32.

    The operations in it would get names that Keras counts anew in each
    process, and that a model from a file may have already.

    Args:
        function: of tensors. It holds neither layers, whose weights would not be
            known to be its own, nor the model that is read.
        name: of the layer.
    """

    def __init__(self, function: Callable[[Any], Any], name: str) -> None:
        super().__init__(name=name, dtype="float32")
        self.function = function
        self.built = True

    def call(self, tensors: Any) -> Any:
        return self.function(tensors)


def reading_model(
    model: keras.Model, tensors: Any, function: Callable[[Any], Any], name: str
) -> keras.Model:
    """Return a model of a model's input to what a function computes of its tensors.

    Args:
        model: that is read.
        tensors: symbolic tensors of it, or a list of them.
        function: of these, as `Reading` takes it.
        name: of the layer that applies it.
    """
    return keras.Model(model.input, Reading(function, name=name)(tensors))


class Inspector:
    """A model that reads another one's inside.

    Args:
        model: a Keras model.
    """

    def __init__(self, model: keras.Model):
        self._model = model

    def predict_on_batch(self, images: Any) -> Any:
        """Return the model's outputs for images, as arrays."""
        with without_retracing_warnings():
            return self._model.predict_on_batch(images)


def without_retracing_warnings() -> contextlib.AbstractContextManager[None]:
    """Keep TensorFlow from warning of models that are traced once.

    It takes several models for one that is traced again and again.
    """
    return quiet_loggers("tensorflow")
