"""The last layer: from features to logits."""

import keras

PROBABILITIES = {"softmax": keras.ops.softmax, "sigmoid": keras.ops.sigmoid}


@keras.saving.register_keras_serializable(package="keras_vit")
class Head(keras.layers.Dense):
    """The classifier: one linear layer, zero until it is trained (section 3.2).

    It also keeps what becomes of its logits, which it does not do itself:
    prediction, evaluation and exports ask it, and saved models remember it.

    Args:
        units: K, the classes.
        probabilities: `"softmax"` for images of one class each, `"sigmoid"`
            where an image can have several, or none.

    Input shape: `(B, D)`.
    Output shape: `(B, K)`.

    Example:

    >>> Head(10, probabilities="sigmoid").probabilities
    'sigmoid'

    Raises:
        ValueError: for other probabilities.
    """

    def __init__(self, units, probabilities="softmax", **kwargs):
        super().__init__(units, **({"kernel_initializer": "zeros"} | kwargs))
        if probabilities not in PROBABILITIES:
            raise ValueError(
                f"probabilities must be one of {', '.join(PROBABILITIES)}. "
                f"Received: probabilities={probabilities!r}"
            )
        self.probabilities = probabilities

    def get_config(self):
        return super().get_config() | {"probabilities": self.probabilities}


def heads_of(model):
    """The heads of a model; of one from elsewhere, or an exported one, none."""
    return [layer for layer in getattr(model, "layers", ()) if isinstance(layer, Head)]


def probabilities_of(model):
    """What becomes of a model's logits: a key of `PROBABILITIES`.

    Of a model that does not say, softmax.
    """
    found = [layer.probabilities for layer in _layers_that_say(model)]
    return found[-1] if found else "softmax"


def set_probabilities(model, probabilities):
    """Has a model keep what becomes of its logits, where it has a layer for it."""
    for layer in _layers_that_say(model):
        layer.probabilities = probabilities


def _layers_that_say(model):
    """A model's heads, and behind them the layer that makes logits of outputs."""
    layers = getattr(model, "layers", ())
    return [one for one in layers if isinstance(getattr(one, "probabilities", 0), str)]
