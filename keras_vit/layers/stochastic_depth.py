"""Stochastic depth."""

from __future__ import annotations

from typing import Any

import keras

from keras_vit.layers.tensors import Shape, Tensor, ops


@keras.saving.register_keras_serializable(package="keras_vit")
class StochasticDepth(keras.layers.Layer):
    """Drops a whole residual branch, for each image by a draw of its own.

    From "Deep Networks with Stochastic Depth" (arXiv:1603.09382). Branches
    that stay are divided by 1 - rate, so that nothing changes in inference.

    Args:
        rate: the probability that a branch is dropped, in [0, 1).
        seed: of the draws; an integer makes them repeat.

    Call arguments:
        z: the branch, `(B, ...)`.
        training: whether anything is dropped.

    Output shape: that of `z`.

    Raises:
        ValueError: for a rate outside [0, 1).

    Example:

    >>> StochasticDepth(rate=0.1)(keras.KerasTensor((2, 197, 192))).shape
    (2, 197, 192)
    """

    def __init__(self, rate: float, seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if not 0 <= rate < 1:
            raise ValueError(f"rate must lie in [0, 1). Received: rate={rate}")
        self.rate = rate
        self.seed = seed
        if rate:
            self.seed_generator = keras.random.SeedGenerator(seed)

    def call(self, z: Tensor, training: bool | None = False) -> Tensor:
        if not training or not self.rate:
            return z
        shape = (ops.shape(z)[0],) + (1,) * (len(z.shape) - 1)
        keep = 1 - self.rate
        draw = keras.random.uniform(shape, dtype="float32", seed=self.seed_generator)
        return z * ops.cast(ops.floor(draw + keep), z.dtype) / keep

    def compute_output_shape(self, z_shape: Shape) -> Shape:
        return z_shape

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"rate": self.rate, "seed": self.seed}
