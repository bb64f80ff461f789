"""A model as TensorFlow's graph of pixels to answers, which the formats are made of."""

import copy

import keras

from keras_vit.layers.head import PROBABILITIES, probabilities_of

OUTPUTS = ("logits", "probabilities")
MOST_BYTES = 2_000_000_000  # of a protocol buffer, in which a graph is kept


def answers_of(model):
    """Gives the function of float32 images `(B, H, W, 3)` to a dict of answers.

    These are `logits` and `probabilities`, `(B, K)`, the latter by softmax or
    sigmoid as the model's head says.

    Raises:
        RuntimeError: if Keras's backend is another than TensorFlow.
    """
    check_backend()
    probabilities = PROBABILITIES[probabilities_of(model)]

    def answers(images):
        logits = model(images, training=False)
        return {"logits": logits, "probabilities": probabilities(logits)}

    return answers


def check_backend():
    """Refuses every backend of Keras but TensorFlow, by a RuntimeError."""
    if keras.backend.backend() != "tensorflow":
        raise RuntimeError(
            "Models are exported by Keras's TensorFlow backend. "
            f"Received: {keras.backend.backend()}. Set KERAS_BACKEND=tensorflow"
        )


def in_float32(model):
    """Gives a model that computes in float32 throughout, with the same weights.

    Under a mixed policy, converters write what their runtimes cannot run. A
    model that is in float32 already is given back itself.
    """
    config = model.get_config()
    plain = _without_policies(copy.deepcopy(config))
    if plain == config:
        return model
    new = type(model).from_config(plain)
    new.set_weights(model.get_weights())
    return new


def precision_of(model):
    """The dtype policies of a model's layers that are not float32, by name.

    Example:

    >>> precision_of(keras.Sequential([keras.layers.Dense(1, dtype="mixed_bfloat16")]))
    'mixed_bfloat16'
    """
    found = {layer.dtype_policy.name for layer in model.layers} - {"float32"}
    return ", ".join(sorted(found)) or "mixed precision"  # of layers within layers


def _without_policies(config):
    """A config, changed in place, in which each dtype policy is float32."""
    if isinstance(config, list | tuple):
        return type(config)(_without_policies(one) for one in config)
    if not isinstance(config, dict):
        return config
    for key, value in config.items():
        if isinstance(value, dict) and value.get("class_name") == "DTypePolicy":
            value["config"]["name"] = "float32"
        else:
            config[key] = _without_policies(value)
    return config


def check_fits(model):
    """Refuses a model of more weights than a graph, or a .tflite file, can hold.

    Raises:
        ValueError: with their size.
    """
    size = 4 * model.count_params()
    if size > MOST_BYTES:
        raise ValueError(
            f"This format holds weights of at most {MOST_BYTES / 1e9:.0f} GB. "
            f"Received: {size / 1e9:.1f} GB. Export a SavedModel, which has no limit"
        )


def frozen(model, batch_size=None, dtype="float32"):
    """Gives the model's answers as a concrete function that has no variables.

    Converters to other formats read variables, and the constants that Keras's
    layers hold, in ways of their own; in a graph of constants there is
    nothing to mistake.

    Args:
        model: in float32.
        batch_size: images at a time; `None`: any number.
        dtype: of the pixels that it takes, as `images`.

    Returns:
        A `tf.ConcreteFunction` whose outputs are in the order of `OUTPUTS`.

    Raises:
        ValueError: if the weights are more than a graph can hold.
    """
    import tensorflow as tf
    from tensorflow.python.framework.convert_to_constants import (
        convert_variables_to_constants_v2,
    )

    check_fits(model)
    answers = answers_of(model)
    images = tf.TensorSpec((batch_size, *model.input_shape[1:]), dtype, name="images")

    @tf.function(input_signature=[images])
    def serve(images):
        told = answers(tf.cast(images, tf.float32))
        return [tf.identity(told[name], name) for name in OUTPUTS]

    return convert_variables_to_constants_v2(serve.get_concrete_function())


def servable(model, batch_size=None, dtype="float32"):
    """Gives `frozen` as a `tf.Module` whose function `serve` names what it gives."""
    import tensorflow as tf

    constants = frozen(model, batch_size, dtype)
    given = constants.inputs[0]
    module = tf.Module()

    @tf.function(
        input_signature=[tf.TensorSpec(given.shape, given.dtype, name="images")]
    )
    def serve(images):
        return dict(zip(OUTPUTS, constants(images), strict=True))

    module.serve = serve
    return module
