"""The costs of each layer, as rules for a `Tape`."""

import math

import keras

from keras_vit import layers
from keras_vit.inspect.tape import Value


def _view(tape, layer, value):
    return Value(tuple(layer.compute_output_shape(value.shape)), value.memory)


def _copy(tape, layer, *values):
    """Moved, summed or averaged: the gradient reads nothing."""
    shapes = [value.shape for value in values]
    shape = layer.compute_output_shape(shapes if len(shapes) > 1 else shapes[0])
    return tape.make(shape, *values)


def _norm(tape, layer, value):
    return tape.make(value.shape, value, kept=(value,))


def _relu(tape, layer, value):
    return tape.make(value.shape, value, keeps_made=True)


def _max_pooling(tape, layer, value):
    shape = layer.compute_output_shape(value.shape)
    return tape.make(shape, value, kept=(value,), keeps_made=True)


def _product(tape, layer, value):
    """Dense layers and convolutions: each output is a sum over one filter."""
    shape = layer.compute_output_shape(value.shape)
    macs = math.prod(shape) * math.prod(layer.kernel.shape[:-1])
    y = tape.make(shape, value, multiply_adds=macs, kept=(value,))
    if layer.activation is keras.activations.linear:
        return y
    return tape.make(shape, y, kept=(y,))


def _depthwise(tape, layer, value):
    shape = layer.compute_output_shape(value.shape)
    macs = math.prod(shape) * math.prod(layer.kernel.shape[:2])
    return tape.make(shape, value, multiply_adds=macs, kept=(value,))


def _separable(tape, layer, value):
    """Each channel by itself, and then the channels of a cell."""
    shape = layer.compute_output_shape(value.shape)
    cells, pointwise = math.prod(shape[:-1]), layer.pointwise_kernel.shape
    macs = cells * math.prod(layer.depthwise_kernel.shape)
    y = tape.make((*shape[:-1], pointwise[2]), value, multiply_adds=macs, kept=(value,))
    macs = cells * math.prod(pointwise)
    return tape.make(shape, y, multiply_adds=macs, kept=(y,))


def _activation(tape, layer, value):
    if layer.activation is keras.activations.relu:
        return _relu(tape, layer, value)
    return _norm(tape, layer, value)


def _factors(tape, layer, *values):
    shape = layer.compute_output_shape([value.shape for value in values])
    return tape.make(shape, *values, kept=values)


def _network(tape, network, value):
    if isinstance(network, (keras.Sequential, keras.Function)):
        return tape.run_network(network, value)
    return tape.run_unknown(network, value)


def _token_mean(tape, layer, z, sizes=None):
    return tape.make(layer.compute_output_shape(z.shape), z)


def _encoder(tape, layer, patches):
    z = tape.run(layer.projection, patches)
    if layer.norm is not None:
        z = tape.run(layer.norm, z)
    return tape.make(layer.compute_output_shape(patches.shape), z)


def _attention(tape, layer, z, queries=None):
    queries = z if queries is None else queries
    q = _heads(tape.run(layer.query, queries), layer.key_dim)
    k = _heads(tape.run(layer.key, z), layer.key_dim)
    v = tape.run(layer.value, z)
    if layer.qk_norm:
        q, k = tape.run(layer.query_norm, q), tape.run(layer.key_norm, k)
    if layer.rotary is not None:
        q, k = tape.run(layer.rotary, q), tape.run(layer.rotary, k)
    shape = (1, layer.maps * layer.num_heads, q.shape[2], k.shape[2])
    macs = math.prod(shape) * layer.key_dim  # of each of the two products
    a = tape.make(shape, q, k, multiply_adds=macs, kept=(q, k))  # Eq. 6
    for bias in (layer.relative, layer.relative_bias):
        if bias is not None:
            a = _added(tape, a, tape.run(bias, q))
    a = tape.make(shape, a, keeps_made=True)  # softmax
    if layer.maps > 1:
        a = tape.make((1, layer.num_heads, *shape[2:]), a)  # their difference
    sa = tape.make(queries.shape, a, v, multiply_adds=macs, kept=(a, v))  # Eq. 7
    if layer.maps > 1:
        sa = tape.run(layer.head_norm, sa)
    if layer.norm is not None:
        sa = tape.run(layer.norm, sa)
    return tape.run(layer.out, sa)  # Eq. 8


def _heads(value, dim):
    """(1, N, H dim) to (1, H, N, dim)."""
    _, count, width = value.shape
    shape = (1, width // dim, count, dim)
    return Value(shape, value.memory)


def _relative(tape, layer, q):
    patches = math.prod(layer.grid)
    shape = (1, q.shape[1], patches, layer.offsets.shape[0])
    macs = math.prod(shape) * q.shape[-1]
    a = tape.make(shape, q, multiply_adds=macs, kept=(q,))
    return tape.make(layer.compute_output_shape(q.shape), a)


def _relative_bias(tape, layer, q):
    shape = layer.compute_output_shape(q.shape)
    if layer.config.form == "table":
        return tape.make(shape)
    rows, columns = layer.grid
    offsets = tape.value(((2 * rows - 1) * (2 * columns - 1), 2))
    return tape.make(shape, tape.run(layer.fc2, tape.run(layer.fc1, offsets)))


def _mlp(tape, layer, z):
    y = tape.run(layer.fc1, z)
    if layer.gate is None:
        y = tape.make(y.shape, y, kept=(y,))
    else:
        gate = tape.run(layer.gate, z)
        open = tape.make(gate.shape, gate, kept=(gate,))
        y = tape.make(y.shape, open, y, kept=(open, y))
    if layer.norm is not None:
        y = tape.run(layer.norm, y)
    return tape.run(layer.fc2, y)


def _block(tape, layer, z):
    return _fed_forward(tape, layer, _attended(tape, layer, z))


def _parallel_block(tape, layer, z):
    x = tape.run(layer.norm1, z)
    y = _added(tape, tape.run(layer.attention, x), tape.run(layer.mlp, x))
    return _added(tape, z, _scaled(tape, layer.scale1, y))


def _branched_block(tape, layer, z):
    for added in (_attended, _fed_forward):
        x = z
        for one in (layer, *layer.branches):
            z = added(tape, one, x, z)
    return z


def _merging_block(tape, layer, z, sizes=None):
    """Similarities of each of A with each of B, and sums of what goes into B."""
    z = _attended(tape, layer, z)
    made, sizes = layer.compute_output_shape(z.shape)
    r = z.shape[1] - made[1]
    if r:
        patches = z.shape[1] - layer.num_protected
        alike = (1, patches // 2, patches - patches // 2)
        macs = math.prod(alike) * layer.attention.key_dim
        pairs = tape.make(
            (1, alike[2], r), tape.make(alike, z, multiply_adds=macs)
        )  # what of A goes into what of B
        macs = pairs.size * made[2]
        z = tape.make(made, z, pairs, multiply_adds=macs, kept=(pairs,))
    return _fed_forward(tape, layer, z), tape.make(sizes)


def _attended(tape, layer, z, onto=None):
    y = _branch(tape, layer, z, layer.norm1, layer.attention)
    return _added(tape, onto or z, _scaled(tape, layer.scale1, y))


def _fed_forward(tape, layer, z, onto=None):
    y = _branch(tape, layer, z, layer.norm2, layer.mlp)
    return _added(tape, onto or z, _scaled(tape, layer.scale2, y))


def _branch(tape, layer, z, norm, inner):
    if layer.config.layout == "res_post_norm":
        return tape.run(norm, tape.run(inner, z))
    return tape.run(inner, tape.run(norm, z))


def _scaled(tape, scale, y):
    return y if scale is None else tape.run(scale, y)


def _added(tape, x, y):
    return tape.make(x.shape, x, y)


def _pooling(tape, layer, z, sizes=None):
    probe = tape.value((1, 1, z.shape[-1]))
    y = tape.run(layer.attention, z, probe)
    if layer.mlp is not None:
        y = _added(tape, y, tape.run(layer.mlp, tape.run(layer.norm, y)))
    return Value((1, z.shape[-1]), y.memory)


def _bottleneck(tape, layer, x):
    y = _relu(tape, None, tape.run(layer.norm1, tape.run(layer.conv1, x)))
    y = _relu(tape, None, tape.run(layer.norm2, tape.run(layer.conv2, y)))
    y = tape.run(layer.norm3, tape.run(layer.conv3, y))
    if layer.project:
        x = tape.run(layer.norm_shortcut, tape.run(layer.conv_shortcut, x))
    return _relu(tape, None, _added(tape, x, y))


def _stem(tape, layer, images):
    x = _relu(tape, None, tape.run(layer.norm, tape.run(layer.conv, images)))
    x = tape.run(layer.pool, x)
    for unit in layer.units:
        x = tape.run(unit, x)
    return x


def _bottleneck_d(tape, layer, x):
    y = _relu(tape, None, tape.run(layer.norm1, tape.run(layer.conv1, x)))
    y = tape.run(layer.conv2, tape.run(layer.pad, y))
    y = _relu(tape, None, tape.run(layer.norm2, y))
    y = tape.run(layer.norm3, tape.run(layer.conv3, y))
    if layer.pool_shortcut is not None:
        x = tape.run(layer.pool_shortcut, x)
    if layer.project:
        x = tape.run(layer.norm_shortcut, tape.run(layer.conv_shortcut, x))
    return _relu(tape, None, _added(tape, x, y))


def _stem_d(tape, layer, images):
    x = images
    for convolution, norm in zip(layer.convolutions, layer.norms, strict=True):
        x = tape.run(norm, tape.run(convolution, tape.run(layer.pad, x)))
        x = _relu(tape, None, x)
    x = tape.run(layer.pool, tape.run(layer.pad, x))
    for unit in layer.units:
        x = tape.run(unit, x)
    return x


def _conv_stem(tape, layer, images):
    x = images
    for convolution, norm in zip(layer.convolutions, layer.norms, strict=True):
        x = _norm(tape, None, tape.run(norm, tape.run(convolution, x)))  # and GELU
    return x


RULES = {
    keras.Model: _network,
    layers.PixelNormalization: _copy,
    layers.Patches: _copy,
    layers.PatchEncoder: _encoder,
    layers.TransformerBlock: _block,
    layers.ParallelBlock: _parallel_block,
    layers.BranchedBlock: _branched_block,
    layers.MergingBlock: _merging_block,
    layers.PositionEmbedding: _copy,
    layers.PatchDropout: _view,
    layers.MultiHeadSelfAttention: _attention,
    layers.DifferentialAttention: _attention,
    layers.RelativePositions: _relative,
    layers.RelativePositionBias: _relative_bias,
    layers.RotaryPositions: _copy,
    layers.MLP: _mlp,
    layers.LayerScale: _norm,
    layers.StochasticDepth: _view,
    layers.TakeToken: _copy,
    layers.TakePatches: _copy,
    layers.TakePrefix: _copy,
    layers.TokenMean: _token_mean,
    layers.AttentionPooling: _pooling,
    layers.Logits: _copy,
    layers.ResNetStem: _stem,
    layers.Bottleneck: _bottleneck,
    layers.ResNetDStem: _stem_d,
    layers.BottleneckD: _bottleneck_d,
    layers.ConvStem: _conv_stem,
    keras.layers.Dense: _product,
    keras.layers.Conv1D: _product,
    keras.layers.Conv2D: _product,
    keras.layers.DepthwiseConv2D: _depthwise,
    keras.layers.SeparableConv2D: _separable,
    keras.layers.LayerNormalization: _norm,
    keras.layers.RMSNormalization: _norm,
    keras.layers.GroupNormalization: _norm,
    keras.layers.BatchNormalization: _norm,
    keras.layers.Normalization: _copy,
    keras.layers.Rescaling: _copy,
    keras.layers.Activation: _activation,
    keras.layers.ReLU: _relu,
    keras.layers.MaxPooling2D: _max_pooling,
    keras.layers.AveragePooling2D: _copy,
    keras.layers.GlobalAveragePooling2D: _copy,
    keras.layers.GlobalMaxPooling1D: _max_pooling,
    keras.layers.ZeroPadding2D: _copy,
    keras.layers.Cropping2D: _copy,
    keras.layers.Multiply: _factors,
    keras.layers.Add: _copy,
    keras.layers.Average: _copy,
    keras.layers.Concatenate: _copy,
    keras.layers.Identity: _view,
    keras.layers.InputLayer: lambda tape, layer, value: value,
    keras.layers.Dropout: _view,
    keras.layers.Flatten: _view,
    keras.layers.Reshape: _view,
}
