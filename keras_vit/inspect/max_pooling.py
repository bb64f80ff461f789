"""Pooling by the largest of each feature, as attention."""

from __future__ import annotations

from typing import Any

import keras

from keras_vit.layers import PoolingConfig

ops: Any = keras.ops  # whose inferred types are those of one backend


class MaxPoolingAttention:
    """Pooling by `"max"` or `"gap_max"`, as attention of heads of one feature.

    Of each feature the largest over tokens is read: a head that attends to one
    token alone. Of `"gap_max"` half of what a head reads is spread over all.

    B images, N tokens that are pooled, D features.

    Args:
        model: a ViT that pools so.
        config: its pooling.

    Attributes:
        input: the tokens, `(B, N, D)`.
        output: what stands for the image, `(B, D)`.
    """

    def __init__(self, model: keras.Model, config: PoolingConfig) -> None:
        pool: Any = model.get_layer("pooling")
        is_both = config.kind == "gap_max"
        largest: Any = model.get_layer("pooling_max") if is_both else pool
        self.input, self.output = largest.input, pool.output
        self.name, self.dtype_policy = pool.name, pool.dtype_policy
        self.spread = 0.5 if is_both else 0.0

    def scores(self, z: Any) -> Any:
        """Return how much of each token is read: `(B, D, 1, N)`."""
        count = z.shape[1]
        a = ops.one_hot(ops.argmax(z, axis=1), count, dtype=z.dtype)  # B, D, N
        return ((1 - self.spread) * a + self.spread / count)[:, :, None]

    def given(self, z: Any, a: Any) -> Any:
        """Return the output if pooling reads z by a, `(B, D, 1, N)`."""
        return ops.einsum("bdn,bnd->bd", a[:, :, 0], z)

    def __call__(self, z: Any) -> Any:
        """Return the output of pooling for z."""
        return self.given(z, self.scores(z))
