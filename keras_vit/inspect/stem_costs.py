"""The costs of the convolutional stems, as rules for a `Tape`."""

from keras_vit import layers
from keras_vit.inspect import keras_costs
from keras_vit.inspect.keras_costs import added, relu


def _bottleneck(tape, layer, x):
    y = relu(tape, None, tape.run(layer.norm1, tape.run(layer.conv1, x)))
    y = relu(tape, None, tape.run(layer.norm2, tape.run(layer.conv2, y)))
    y = tape.run(layer.norm3, tape.run(layer.conv3, y))
    if layer.project:
        x = tape.run(layer.norm_shortcut, tape.run(layer.conv_shortcut, x))
    return relu(tape, None, added(tape, x, y))


def _stem(tape, layer, images):
    x = relu(tape, None, tape.run(layer.norm, tape.run(layer.conv, images)))
    x = tape.run(layer.pool, x)
    for unit in layer.units:
        x = tape.run(unit, x)
    return x


def _bottleneck_d(tape, layer, x):
    y = relu(tape, None, tape.run(layer.norm1, tape.run(layer.conv1, x)))
    y = tape.run(layer.conv2, tape.run(layer.pad, y))
    y = relu(tape, None, tape.run(layer.norm2, y))
    y = tape.run(layer.norm3, tape.run(layer.conv3, y))
    if layer.pool_shortcut is not None:
        x = tape.run(layer.pool_shortcut, x)
    if layer.project:
        x = tape.run(layer.norm_shortcut, tape.run(layer.conv_shortcut, x))
    return relu(tape, None, added(tape, x, y))


def _stem_d(tape, layer, images):
    x = images
    for convolution, norm in zip(layer.convolutions, layer.norms, strict=True):
        x = tape.run(norm, tape.run(convolution, tape.run(layer.pad, x)))
        x = relu(tape, None, x)
    x = tape.run(layer.pool, tape.run(layer.pad, x))
    for unit in layer.units:
        x = tape.run(unit, x)
    return x


def _conv_stem(tape, layer, images):
    x = images
    for convolution, norm in zip(layer.convolutions, layer.norms, strict=True):
        x = tape.run(norm, tape.run(convolution, x))
        x = keras_costs.norm(tape, None, x)  # GELU
    return x


RULES = {
    layers.ResNetStem: _stem,
    layers.Bottleneck: _bottleneck,
    layers.ResNetDStem: _stem_d,
    layers.BottleneckD: _bottleneck_d,
    layers.ConvStem: _conv_stem,
}
