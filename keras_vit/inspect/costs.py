"""Which rule each layer has: what it computes and keeps, for a `Tape`.

A rule is a function of the tape, the layer and the values it is called with. Rules of
layers that are made of others name these in the order of their `call`.
"""

import math
from types import FunctionType

from keras_vit import layers
from keras_vit.inspect import keras_costs
from keras_vit.inspect.keras_costs import copy, norm, relu, view
from keras_vit.inspect.tape import Value
from keras_vit.layers.memory_efficient_attention import saves_memory


def _run(tape, value, *parts):
    """Layers, or rules without one, after each other; `None` is left out."""
    for part in parts:
        if isinstance(part, FunctionType):
            value = part(tape, None, value)
        elif part is not None:
            value = tape.run(part, value)
    return value


def _added(tape, x, y):
    return tape.make(x.shape, x, y)


def _patch_encoder(tape, layer, patches):
    z = _run(tape, patches, layer.projection, layer.norm)
    return tape.make(layer.compute_output_shape(patches.shape), z)


def _attention(tape, layer, z, queries=None):
    queries = z if queries is None else queries
    q = _heads(tape.run(layer.query, queries), layer.key_dim)
    k = _heads(tape.run(layer.key, z), layer.key_dim)
    v = tape.run(layer.value, z)
    q = _run(tape, q, layer.query_norm, layer.rotary)
    k = _run(tape, k, layer.key_norm, layer.rotary)
    shape = (1, layer.maps * layer.num_heads, q.shape[2], k.shape[2])
    macs = math.prod(shape) * layer.key_dim  # of each of the two products
    a = tape.make(shape, q, k, multiply_adds=macs, kept=(q, k))  # Eq. 6
    for bias in (layer.relative, layer.relative_bias):
        if bias is not None:
            a = _added(tape, a, tape.run(bias, q))
    in_blocks = saves_memory(q.shape[2], k.shape[2])  # which a gradient makes again
    a = tape.make(shape, a, keeps_made=not in_blocks)  # softmax
    differs = layer.maps > 1
    if differs:
        a = tape.make((1, layer.num_heads, *shape[2:]), a)  # their difference
    kept = (v,) if in_blocks else (a, v)
    sa = tape.make(queries.shape, a, v, multiply_adds=macs, kept=kept)  # Eq. 7
    head_norm = layer.head_norm if differs else None
    return _run(tape, sa, head_norm, layer.norm, layer.out)  # Eq. 8


def _heads(value, dim):
    """(1, N, H dim) to (1, H, N, dim)."""
    _, count, width = value.shape
    return Value((1, width // dim, count, dim), value.memory)


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
    return tape.make(shape, _run(tape, offsets, layer.fc1, layer.fc2))


def _mlp(tape, layer, z):
    y = tape.run(layer.fc1, z)
    if layer.gate is None:
        y = norm(tape, None, y)
    else:
        open = _run(tape, z, layer.gate, norm)
        y = tape.make(y.shape, open, y, kept=(open, y))
    return _run(tape, y, layer.norm, layer.fc2)


def _block(tape, layer, z):
    return _fed_forward(tape, layer, _attended(tape, layer, z))


def _parallel_block(tape, layer, z):
    x = tape.run(layer.norm1, z)
    y = _added(tape, tape.run(layer.attention, x), tape.run(layer.mlp, x))
    return _added(tape, z, _run(tape, y, layer.scale1))


def _branched_block(tape, layer, z):
    for branch in (_attended, _fed_forward):
        x = z
        for one in (layer, *layer.branches):
            z = branch(tape, one, x, z)
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
    y = _run(tape, z, *_in_order(layer, layer.norm1, layer.attention), layer.scale1)
    return _added(tape, onto or z, y)


def _fed_forward(tape, layer, z, onto=None):
    y = _run(tape, z, *_in_order(layer, layer.norm2, layer.mlp), layer.scale2)
    return _added(tape, onto or z, y)


def _in_order(layer, first, inner):
    is_after = layer.config.layout == "res_post_norm"
    return (inner, first) if is_after else (first, inner)


def _pooling(tape, layer, z, sizes=None):
    probe = tape.value((1, 1, z.shape[-1]))
    y = tape.run(layer.attention, z, probe)
    if layer.mlp is not None:
        y = _added(tape, y, _run(tape, y, layer.norm, layer.mlp))
    return Value((1, z.shape[-1]), y.memory)


def _token_mean(tape, layer, z, sizes=None):
    return tape.make(layer.compute_output_shape(z.shape), z)


def _bottleneck(tape, layer, x):
    """A unit of a ResNet or of a ResNet-D, which pads and pools by layers."""
    first = layer.conv1, layer.norm1, relu, getattr(layer, "pad", None)
    others = layer.conv2, layer.norm2, relu, layer.conv3, layer.norm3
    y = _run(tape, x, *first, *others)
    x = _run(tape, x, getattr(layer, "pool_shortcut", None))
    if layer.project:
        x = _run(tape, x, layer.conv_shortcut, layer.norm_shortcut)
    return relu(tape, None, _added(tape, x, y))


def _basic_block(tape, layer, x):
    y = _run(tape, x, layer.conv1, layer.norm1, relu, layer.conv2, layer.norm2)
    if layer.project:
        x = _run(tape, x, layer.conv_shortcut, layer.norm_shortcut)
    return relu(tape, None, _added(tape, x, y))


def _stem(tape, layer, images):
    root = layer.conv, layer.norm, relu, layer.pool
    return _run(tape, images, *root, *layer.units)


def _stem_d(tape, layer, x):
    for convolution, after in zip(layer.convolutions, layer.norms, strict=True):
        x = _run(tape, x, layer.pad, convolution, after, relu)
    return _run(tape, x, layer.pad, layer.pool, *layer.units)


def _basic_stem(tape, layer, x):
    x = _run(tape, x, layer.conv_root1, layer.norm_root1, relu)
    return _run(tape, x, layer.conv_root2, layer.norm_root2, relu, *layer.units)


def _conv_stem(tape, layer, x):
    for convolution, after in zip(layer.convolutions, layer.norms, strict=True):
        x = _run(tape, x, convolution, after, norm)  # GELU is kept as a norm is
    return x


RULES = keras_costs.RULES | {
    layers.PixelNormalization: copy,
    layers.Patches: copy,
    layers.PatchEncoder: _patch_encoder,
    layers.TransformerBlock: _block,
    layers.ParallelBlock: _parallel_block,
    layers.BranchedBlock: _branched_block,
    layers.MergingBlock: _merging_block,
    layers.PositionEmbedding: copy,
    layers.PatchDropout: view,
    layers.MultiHeadSelfAttention: _attention,
    layers.DifferentialAttention: _attention,
    layers.RelativePositions: _relative,
    layers.RelativePositionBias: _relative_bias,
    layers.RotaryPositions: copy,
    layers.MLP: _mlp,
    layers.LayerScale: norm,
    layers.StochasticDepth: view,
    layers.TakeToken: copy,
    layers.TakePatches: copy,
    layers.TakePrefix: copy,
    layers.TokenMean: _token_mean,
    layers.AttentionPooling: _pooling,
    layers.Logits: copy,
    layers.ResNetStem: _stem,
    layers.Bottleneck: _bottleneck,
    layers.ResNetDStem: _stem_d,
    layers.BottleneckD: _bottleneck,
    layers.BasicResNetStem: _basic_stem,
    layers.BasicBlock: _basic_block,
    layers.ConvStem: _conv_stem,
}
