"""Attention that holds a block of its probabilities at a time.

Self-attention of N tokens has N x N probabilities for each head. Rows of them are
independent, so that a block of rows can be read and thrown away, and computed again
where a gradient asks for it (arXiv:2112.05682). The result is exact, not an
approximation. On TensorFlow, which has no fused kernel for it, this module cuts the
rows; on other backends it calls their kernel.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, Self

import keras

from keras_vit.layers.attention_blocks import AttentionBlocks, loop
from keras_vit.layers.graph_format import graph_format
from keras_vit.layers.tensors import Tensor, ops

# Tokens from which on blocks are at least as fast as plain attention: on two cores, of
# a step 0.95 at 384 and 448 pixels, 1.01 at 512; of inference 0.87, 1.00 and 1.23.
FEWEST_TOKENS = 1024
BLOCK_BYTES = 8 * 2**20  # of probabilities in float32: what caches of a CPU hold
# Devices with memory of their own take long to start an operation: large blocks.
ACCELERATOR_BLOCK_BYTES = 256 * 2**20


class Bias(Protocol):
    """A layer that adds to attention's logits, and can do so for some rows alone."""

    def __call__(self, q: Tensor) -> Tensor:
        """Return the biases of all rows."""
        ...

    def parameters(self) -> Tensor:
        """Return all that the rows depend on, besides the queries."""
        ...

    def rows(
        self, parameters: Tensor, q: Tensor, first: Any = 0, first_head: Any = 0
    ) -> Tensor:
        """Return the biases of the queries that stand in the rows from `first` on."""
        ...


@dataclass(frozen=True)
class Dropout:
    """Dropout whose mask is a function of a seed and of the block.

    Attributes:
        rate: the share of the probabilities that become 0.
        seed: two integers.
    """

    rate: float
    seed: Tensor

    @classmethod
    def of(cls, layer: keras.layers.Dropout) -> Self:
        """Return a layer's dropout, with the next seed that it draws."""
        return cls(layer.rate, layer.seed_generator.next())

    def __call__(self, a: Tensor, block: Tensor) -> Tensor:
        import tensorflow as tf

        fold_in: Any = tf.random.experimental.stateless_fold_in  # pyright: ignore[reportAttributeAccessIssue]
        seed = fold_in(tf.cast(self.seed, "int32"), block)
        return tf.nn.experimental.stateless_dropout(a, self.rate, seed)


def saves_memory(
    num_queries: int | None, num_tokens: int | None, drops: bool = False
) -> bool:
    """Return whether `memory_efficient_attention` is the way for so many tokens.

    Args:
        num_queries: M, the tokens that look; `None`: unknown.
        num_tokens: N, the tokens that are looked at; `None`: unknown.
        drops: whether probabilities are dropped, which the kernels of other backends
            cannot do.

    Example:

    >>> saves_memory(197, 197), saves_memory(4097, 4097), saves_memory(1, 4097)
    (False, True, False)
    """
    if keras.backend.backend() != "tensorflow":
        return not drops
    if not graph_format().has_loops:
        return False
    return (num_queries or 0) * (num_tokens or 0) >= FEWEST_TOKENS**2


def memory_efficient_attention(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    *,
    biases: Sequence[Bias] = (),
    log_sizes: Tensor | None = None,
    dropout: Dropout | None = None,
) -> Tensor:
    """Return `softmax(q k^T + biases + log_sizes) v`, without all of the softmax.

    The softmax is taken in float32 at least. The gradient computes each block
    again, with the same dropout.

    Args:
        q: scaled queries, `(B, H, M, d)`.
        k: keys, `(B, H, N, d)`.
        v: values, `(B, H, N, e)`.
        biases: layers whose `rows` are added to the logits.
        log_sizes: added to the logits of each key, `(B, N)`, without a gradient.
        dropout: of the probabilities; `None`: none.

    Returns:
        What each query reads, `(B, H, M, e)`.

    Example:

    >>> q = k = v = keras.random.normal((2, 3, 200, 8), seed=0)
    >>> plain = ops.matmul(ops.softmax(ops.matmul(q, ops.swapaxes(k, 2, 3))), v)
    >>> bool(ops.max(ops.abs(memory_efficient_attention(q, k, v) - plain)) < 1e-5)
    True
    """
    if keras.backend.backend() != "tensorflow":
        return _fused(q, k, v, biases, log_sizes)
    import tensorflow as tf

    has_own_memory = tf.config.list_logical_devices("CPU") != (
        tf.config.list_logical_devices()
    )
    cut = AttentionBlocks.of(
        q,
        k,
        ACCELERATOR_BLOCK_BYTES if has_own_memory else BLOCK_BYTES,
        whole_images=has_own_memory,
    )
    blockwise = _BlockwiseAttention(cut, biases, log_sizes, dropout)

    @tf.custom_gradient
    def attend(q, k, v, *parameters):
        q, k, v = cut.into_blocks(q), cut.into_groups(k), cut.into_groups(v)
        out = blockwise.outputs(q, k, v, parameters)

        def gradient(upstream):
            dq, dk, dv, sums = blockwise.gradients(
                cut.into_blocks(upstream), q, k, v, parameters
            )
            dk, dv = cut.from_groups(dk), cut.from_groups(dv)
            return cut.from_blocks(dq), dk, dv, *sums

        return cut.from_blocks(out), gradient

    return attend(q, k, v, *(bias.parameters() for bias in biases))


@dataclass(frozen=True)
class _BlockwiseAttention:
    """Attention of one block after the other, and its gradients.

    Queries come in blocks, `(G, blocks, g, R, d)`, keys and values in groups of
    heads, `(G, g, N, d)` and `(G, g, N, e)`: see `AttentionBlocks`.
    """

    cut: AttentionBlocks
    biases: Sequence[Bias]
    log_sizes: Tensor | None
    dropout: Dropout | None

    def block(self, q, k, v, parameters, *, group, index):
        """Return what a block reads: `(g, R, d), (g, N, d), (g, N, e) -> (g, R, e)`."""
        cut = self.cut
        image, first_head = group // cut.groups, group % cut.groups * cut.heads
        a = ops.matmul(q, ops.swapaxes(k, -1, -2))
        for bias, its_own in zip(self.biases, parameters, strict=True):
            a = a + bias.rows(its_own, q[None], index * cut.rows, first_head)[0]
        a = ops.cast(a, keras.backend.result_type(a.dtype, "float32"))
        if self.log_sizes is not None:
            a = a + ops.cast(self.log_sizes[image], a.dtype)
        a = ops.cast(ops.softmax(a, axis=-1), v.dtype)
        if self.dropout is not None:
            a = self.dropout(a, group * cut.blocks + index)
        return ops.matmul(a, v)

    def outputs(self, q, k, v, parameters):
        """Return what all blocks read, one after the other: `(G blocks, g, R, e)`."""

        def of_block(i):
            group, index = i // self.cut.blocks, i % self.cut.blocks
            inputs = q[group, index], k[group], v[group], parameters
            return [self.block(*inputs, group=group, index=index)], ()

        (out,), _ = loop(ops.shape(q)[0] * self.cut.blocks, of_block, [v.dtype])
        return out

    def gradients(self, upstream, q, k, v, parameters):
        """Return the gradients of q, k, v, shaped as these, and of each parameter."""
        import tensorflow as tf

        def of_block(group, index, *sums):
            inputs = [q[group, index], k[group], v[group], *parameters]
            with tf.GradientTape() as tape:
                tape.watch(inputs)
                q_, k_, v_, *parameters_ = inputs
                out = self.block(q_, k_, v_, parameters_, group=group, index=index)
            dq, *others = tape.gradient(out, inputs, upstream[group, index])
            return [dq], [
                total + tf.cast(tf.convert_to_tensor(other), total.dtype)
                for total, other in zip(sums, others, strict=True)
            ]

        def of_group(group, *sums):
            sums = [_zeros(k[group]), _zeros(v[group]), *sums]
            (dq,), (dk, dv, *sums) = loop(
                self.cut.blocks, functools.partial(of_block, group), [q.dtype], sums
            )
            return [dq, tf.cast(dk, k.dtype), tf.cast(dv, v.dtype)], sums

        (dq, dk, dv), sums = loop(
            ops.shape(q)[0],
            of_group,
            [q.dtype, k.dtype, v.dtype],
            [_zeros(its_own) for its_own in parameters],
        )
        sums = [
            tf.cast(total, its_own.dtype)
            for total, its_own in zip(sums, parameters, strict=True)
        ]
        return dq, dk, dv, sums


def _fused(q, k, v, biases, log_sizes):
    """Call the backend's own kernel, with all of the biases."""
    terms = [bias(q) for bias in biases]
    if log_sizes is not None:
        terms.append(log_sizes[:, None, None])
    q, k, v = (ops.transpose(x, (0, 2, 1, 3)) for x in (q, k, v))
    bias = sum(terms[1:], terms[0]) if terms else None
    # Kernels take values as wide as keys. Features of values are read each by itself.
    width = k.shape[-1]
    parts = [
        ops.dot_product_attention(
            q, k, v[..., first : first + width], bias=bias, scale=1.0
        )
        for first in range(0, v.shape[-1], width)
    ]
    x = parts[0] if len(parts) == 1 else ops.concatenate(parts, axis=-1)
    return ops.transpose(x, (0, 2, 1, 3))


def _zeros(x: Tensor) -> Tensor:
    """Return zeros to which gradients of x are added, in float32 at least."""
    return ops.zeros_like(x, dtype=keras.backend.result_type(x.dtype, "float32"))
