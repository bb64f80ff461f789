"""The costs of the encoder and of what reads its tokens, as rules for a `Tape`."""

import math

from keras_vit import layers
from keras_vit.inspect import keras_costs
from keras_vit.inspect.keras_costs import added
from keras_vit.inspect.tape import Value
from keras_vit.layers.memory_efficient_attention import saves_memory


def _patch_encoder(tape, layer, patches):
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
            a = added(tape, a, tape.run(bias, q))
    in_blocks = saves_memory(q.shape[2], k.shape[2])  # which a gradient makes again
    a = tape.make(shape, a, keeps_made=not in_blocks)  # softmax
    if layer.maps > 1:
        a = tape.make((1, layer.num_heads, *shape[2:]), a)  # their difference
    kept = (v,) if in_blocks else (a, v)
    sa = tape.make(queries.shape, a, v, multiply_adds=macs, kept=kept)  # Eq. 7
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
    y = added(tape, tape.run(layer.attention, x), tape.run(layer.mlp, x))
    return added(tape, z, _scaled(tape, layer.scale1, y))


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
    y = _branch(tape, layer, z, layer.norm1, layer.attention)
    return added(tape, onto or z, _scaled(tape, layer.scale1, y))


def _fed_forward(tape, layer, z, onto=None):
    y = _branch(tape, layer, z, layer.norm2, layer.mlp)
    return added(tape, onto or z, _scaled(tape, layer.scale2, y))


def _branch(tape, layer, z, norm, inner):
    if layer.config.layout == "res_post_norm":
        return tape.run(norm, tape.run(inner, z))
    return tape.run(inner, tape.run(norm, z))


def _scaled(tape, scale, y):
    return y if scale is None else tape.run(scale, y)


def _pooling(tape, layer, z, sizes=None):
    probe = tape.value((1, 1, z.shape[-1]))
    y = tape.run(layer.attention, z, probe)
    if layer.mlp is not None:
        y = added(tape, y, tape.run(layer.mlp, tape.run(layer.norm, y)))
    return Value((1, z.shape[-1]), y.memory)


def _token_mean(tape, layer, z, sizes=None):
    return tape.make(layer.compute_output_shape(z.shape), z)


RULES = {
    layers.PixelNormalization: keras_costs.copy,
    layers.Patches: keras_costs.copy,
    layers.PatchEncoder: _patch_encoder,
    layers.TransformerBlock: _block,
    layers.ParallelBlock: _parallel_block,
    layers.BranchedBlock: _branched_block,
    layers.MergingBlock: _merging_block,
    layers.PositionEmbedding: keras_costs.copy,
    layers.PatchDropout: keras_costs.view,
    layers.MultiHeadSelfAttention: _attention,
    layers.DifferentialAttention: _attention,
    layers.RelativePositions: _relative,
    layers.RelativePositionBias: _relative_bias,
    layers.RotaryPositions: keras_costs.copy,
    layers.MLP: _mlp,
    layers.LayerScale: keras_costs.norm,
    layers.StochasticDepth: keras_costs.view,
    layers.TakeToken: keras_costs.copy,
    layers.TakePatches: keras_costs.copy,
    layers.TakePrefix: keras_costs.copy,
    layers.TokenMean: _token_mean,
    layers.AttentionPooling: _pooling,
    layers.Logits: keras_costs.copy,
}
