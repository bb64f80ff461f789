"""Patch dropout: training on some of the patches."""

from __future__ import annotations

from typing import Any

import keras

from keras_vit.layers.tensors import Shape, Tensor, ops


@keras.saving.register_keras_serializable(package="keras_vit")
class PatchDropout(keras.layers.Layer):
    """Leaves out a share of the patches in training, for each image by its own draw.

    From "PatchDropout: Economizing Vision Transformers Using Patch Dropout"
    (arXiv:2208.07220), and FLIP (arXiv:2212.00794). What is left out is drawn
    uniformly, after positions have told each patch its place, so that those
    that stay still know theirs. Blocks then compute fewer tokens, which saves
    time and memory. Each image keeps as many, so that shapes stay static.
    Nothing is scaled, and inference reads all patches.

    B images, T tokens, D features of a token, N patches, which come last,
    M = N - floor(rate N) of them that stay.

    Args:
        rate: the share that is left out, in [0, 1).
        num_other_tokens: T - N, the tokens before the patches, which stay:
            class and distillation token, registers.
        seed: of the draws; an integer makes them repeat.

    Call arguments:
        z: the tokens, `(B, T, D)`.
        training: whether anything is left out.

    Output shape: `(B, T - N + M, D)` in training, the patches in the order
    that they had; else that of `z`.

    Raises:
        ValueError: for a rate outside [0, 1).

    Example:

    >>> layer = PatchDropout(rate=0.5, num_other_tokens=1)
    >>> tuple(layer(keras.ops.ones((2, 197, 192)), training=True).shape)
    (2, 99, 192)
    """

    def __init__(
        self,
        rate: float,
        num_other_tokens: int = 0,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if not 0 <= rate < 1:
            raise ValueError(f"rate must lie in [0, 1). Received: rate={rate}")
        self.rate = rate
        self.num_other_tokens = num_other_tokens
        self.seed = seed
        if rate:
            self.seed_generator = keras.random.SeedGenerator(seed)

    def call(self, z: Tensor, training: bool | None = False) -> Tensor:
        if not training or not self.rate:
            return z
        others = self.num_other_tokens
        count = z.shape[1] - others  # N
        kept = count - int(self.rate * count)  # M
        draw = keras.random.uniform(
            (ops.shape(z)[0], count), dtype="float32", seed=self.seed_generator
        )
        places = ops.sort(ops.argsort(draw, axis=1)[:, :kept], axis=1)
        # In rows of one matrix: ten times as fast as along an axis.
        begins = z.shape[1] * ops.arange(ops.shape(z)[0], dtype=places.dtype)
        rows = ops.reshape(z, (-1, z.shape[2]))
        patches = ops.take(rows, begins[:, None] + others + places, axis=0)
        return ops.concatenate([z[:, :others], patches], axis=1)

    def compute_output_shape(self, z_shape: Shape) -> Shape:
        return z_shape

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {
            "rate": self.rate,
            "num_other_tokens": self.num_other_tokens,
            "seed": self.seed,
        }
