"""A layer of the encoder whose attention and MLP stand side by side."""

from __future__ import annotations

import keras

from keras_vit.layers.tensors import Tensor
from keras_vit.layers.transformer_block import TransformerBlock


@keras.saving.register_keras_serializable(package="keras_vit")
class ParallelBlock(TransformerBlock):
    """Attention and an MLP of the same normalised tokens, on one residual branch.

    `z + attention(norm(z)) + mlp(norm(z))`, as ViT-22B (arXiv:2302.05442,
    section 2).

    Args:
        config: as that of `TransformerBlock`, with `layout="parallel"`.
        **kwargs: the other arguments of `TransformerBlock`. LayerScale is that
            of the branch.

    Input and output shape: `(B, N, D)`.

    Example:

    >>> block = ParallelBlock(num_heads=3, mlp_dim=768, config={"layout": "parallel"})
    >>> block(keras.KerasTensor((2, 197, 192))).shape
    (2, 197, 192)
    """

    layouts = ("parallel",)
    has_second_branch = False

    def _computed(self, z: Tensor, training: bool | None = None) -> Tensor:
        x = self.norm1(z)
        return self._added(z, x, self.attention(x, training=training), training)

    def given(self, z: Tensor, a: Tensor) -> Tensor:
        x = self.norm1(z)
        return self._added(z, x, self.attention.read(x, a, training=False), False)

    def _added(self, z: Tensor, x: Tensor, y: Tensor, training: bool | None) -> Tensor:
        """Return z and what attention, y, and the MLP of x add to it."""
        y = self.dropout(y, training=training) + self.mlp(x, training=training)
        return z + self._branch(y, None, self.scale1, training)
