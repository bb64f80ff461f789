"""A layer of the encoder with several attentions side by side, then several MLPs."""

from __future__ import annotations

from typing import Any

import keras

from keras_vit.layers.tensors import Shape, Tensor
from keras_vit.layers.transformer_block import TransformerBlock


@keras.saving.register_keras_serializable(package="keras_vit")
class BranchedBlock(TransformerBlock):
    """Several attentions read the same tokens, and then several MLPs do.

    `z + sum attention_k(z)`, then `z + sum mlp_k(z)`: half the depth at twice
    the width ("Three things everyone should know about Vision Transformers",
    arXiv:2203.09795, section 3). Each has a norm, LayerScale and stochastic
    depth of its own. The first ones are those of the block, as in a
    `TransformerBlock`; the others are those of `branches`.

    Args:
        **kwargs: the arguments of `TransformerBlock`, whose config has
            `num_branches` of more than 1.

    Input and output shape: `(B, N, D)`.

    Example:

    >>> block = BranchedBlock(num_heads=3, mlp_dim=768, config={"num_branches": 2})
    >>> block(keras.KerasTensor((2, 197, 192))).shape
    (2, 197, 192)
    """

    is_branched = True

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        settings = TransformerBlock.get_config(self)
        alone = self.config.as_dict() | {"num_branches": 1}
        self.branches = [
            TransformerBlock.from_config(
                settings | {"name": f"branch_{number}", "config": alone}
            )
            for number in range(1, self.config.num_branches)
        ]

    def build(self, z_shape: Shape) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        super().build(z_shape)
        for branch in self.branches:
            self._build_part(branch, z_shape)

    def attended(self, z: Tensor, training: bool | None = None) -> Tensor:
        y = super().attended(z, training=training)
        return sum((one.attended(z, training=training) for one in self.branches), y)

    def fed_forward(self, z: Tensor, training: bool | None = None) -> Tensor:
        y = super().fed_forward(z, training=training)
        return sum((one.fed_forward(z, training=training) for one in self.branches), y)

    def _generators_of_masks(self) -> list[Any]:
        found = super()._generators_of_masks()
        for branch in self.branches:
            found += branch._generators_of_masks()
        return found
