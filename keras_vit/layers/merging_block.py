"""A layer of the encoder that merges tokens."""

from __future__ import annotations

from typing import Any

import keras

from keras_vit.layers.tensors import Shape, Tensor, ops
from keras_vit.layers.token_merging import merge, num_merged
from keras_vit.layers.transformer_block import MERGING, TransformerBlock


@keras.saving.register_keras_serializable(package="keras_vit")
class MergingBlock(TransformerBlock):
    """A Transformer block that fewer tokens leave than enter.

    Between attention and MLP the patches that are most alike are merged, by
    `layers.token_merging.merge` (arXiv:2210.09461). Attention counts each token
    as often as it stands for patches.

    Args:
        token_merging: r, how many tokens fewer.
        num_protected: the first tokens, which are no patches and not merged.
        **kwargs: the arguments of `TransformerBlock`.

    Call arguments:
        z: the tokens, `(B, N, D)`.
        sizes: how many patches each stands for, int32 `(B, N)`, as a block
            before returns them; by default 1.
        training: whether dropout is active.

    Output shape: `(B, N - r, D)`, and the tokens' sizes, `(B, N - r)`.

    Example:

    >>> block = MergingBlock(16, num_protected=1, num_heads=3, mlp_dim=768)
    >>> [one.shape for one in block(keras.KerasTensor((2, 197, 192)))]
    [(2, 181, 192), (2, 181)]
    """

    layouts = ("pre_norm",)

    def __init__(
        self, token_merging: int, num_protected: int = 0, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.token_merging = token_merging
        self.num_protected = num_protected

    def build(self, z_shape: Shape, sizes_shape: Shape | None = None) -> None:
        super().build(z_shape)

    def call(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, z: Tensor, sizes: Tensor | None = None, training: bool | None = None
    ) -> tuple[Tensor, Tensor]:
        given = (z,) if sizes is None else (z, sizes)
        if self.remat and training:
            return self._recomputed(*given)
        return self._computed(*given, training=training)

    def _computed(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, z: Tensor, sizes: Tensor | None = None, training: bool | None = None
    ) -> tuple[Tensor, Tensor]:
        x = self.attention_input(z)
        y, k = self.attention.call_with_keys(x, sizes=sizes, training=training)
        z = z + self._attention_branch(y, training)  # Eq. 2
        if sizes is None:
            sizes = ops.ones_like(z[..., 0], dtype="int32")
        k = ops.mean(k, axis=1)  # over heads
        z, sizes = merge(z, sizes, k, self.token_merging, self.num_protected)
        return z + self.fed_forward(z, training), sizes  # Eq. 3

    def compute_output_shape(
        self, z_shape: Shape, sizes_shape: Shape | None = None
    ) -> Any:
        batch, count, width = z_shape
        count -= num_merged(count, self.num_protected, self.token_merging)
        return (batch, count, width), (batch, count)

    def compute_output_spec(
        self, z: Tensor, sizes: Tensor | None = None, training: bool | None = None
    ) -> Any:
        shapes = self.compute_output_shape(z.shape)
        return tuple(map(keras.KerasTensor, shapes, (self.compute_dtype, "int32")))

    def get_config(self) -> dict[str, Any]:
        merging = (self.token_merging, self.num_protected)
        return super().get_config() | dict(zip(MERGING, merging, strict=True))

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        """Return the block of a config."""
        return super(TransformerBlock, cls).from_config(config)


@keras.saving.register_keras_serializable("keras_vit", name="EarlierMergingBlock")
class EarlierMergingBlock(MergingBlock):
    """A `MergingBlock` of a `.keras` file of an earlier version.

    There it is a `TransformerBlock` with `token_merging`. Keras finds the weights
    in a file by the names of classes, so that this one goes by that name.
    """


EarlierMergingBlock.__name__ = "TransformerBlock"
