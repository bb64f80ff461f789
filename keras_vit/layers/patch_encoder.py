"""From patches to the sequence z_0: projection, class token, positions."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from keras_vit.layers.normalization import normalization
from keras_vit.layers.position_embedding import (
    ADDED,
    POSITION_INTERPOLATIONS,
    add_tables,
    on_grid,
    vectors,
)
from keras_vit.layers.quantized import Composite
from keras_vit.layers.tensors import Shape, Tensor, ops


@keras.saving.register_keras_serializable(package="keras_vit")
class PatchEncoder(Composite):
    """Projects patches to tokens and tells each its place: Eq. 1.

    `z_0 = [x_class; x_p^1 E; ...; x_p^N E] + E_pos`, followed by dropout.
    DeiT's distillation token (arXiv:2012.12877) follows the class token;
    register tokens (arXiv:2309.16588) stand before the patches and have no
    position.

    B images, h x w patches, N = h w, D features of a token,
    T tokens: N, and those others where there are any.

    Args:
        hidden_dim: D.
        class_token: whether the sequence begins with the learned token whose
            final state stands for the image.
        position_embedding: `"learned"` (one vector for each token but the
            registers), `"learned_2d"` (for the patches alone: one for each
            column and one for each row, of D / 2 each, side by side; appendix
            D.4), `"factorized"` (the sum of such two, of D each;
            arXiv:2307.06304), `"sincos_2d"` (fixed, for the patches alone) or `"none"`.
        num_registers: how many register tokens to add.
        distillation_token: whether a second such token follows the first.
        dropout_rate: of the whole sequence, after the positions are added.
        use_bias: whether the projection has a bias.
        norm: of the projected patches, a key of `NORMS`; `None`: none.
        layer_norm_epsilon: of that norm.
        position_interpolation: by which rule the model's positions go to
            another grid, one of `POSITION_INTERPOLATIONS`: that of whose
            weights they are; `None`: the paper's. The layer only keeps it, for
            `resize`.

    Input shape: `(B, h, w, F)`, what `Patches` gives, or any feature map.
    Output shape: `(B, T, D)`, the patches in row-major order.

    Raises:
        ValueError: for a kind of positions, or a rule, that there is not.

    Example:

    >>> PatchEncoder(hidden_dim=192)(keras.KerasTensor((2, 14, 14, 768))).shape
    (2, 197, 192)
    """

    def __init__(
        self,
        hidden_dim: int,
        class_token: bool = True,
        position_embedding: str = "learned",
        num_registers: int = 0,
        distillation_token: bool = False,
        *,
        dropout_rate: float = 0.0,
        use_bias: bool = True,
        norm: str | None = None,
        layer_norm_epsilon: float = 1e-6,
        position_interpolation: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if position_embedding not in ADDED:
            raise ValueError(
                f"position_embedding must be one of {', '.join(ADDED)}. "
                f"Received: position_embedding={position_embedding!r}"
            )
        if position_interpolation not in (None, *POSITION_INTERPOLATIONS):
            raise ValueError(
                "position_interpolation must be one of "
                f"{', '.join(POSITION_INTERPOLATIONS)}. "
                f"Received: position_interpolation={position_interpolation!r}"
            )
        self.hidden_dim = hidden_dim
        self.class_token = class_token
        self.position_embedding = position_embedding
        self.num_registers = num_registers
        self.distillation_token = distillation_token
        self.dropout_rate = dropout_rate
        self.use_bias = use_bias
        self.norm_kind = norm
        self.layer_norm_epsilon = layer_norm_epsilon
        self.position_interpolation = position_interpolation
        self.projection = keras.layers.Dense(
            hidden_dim,
            use_bias=use_bias,
            kernel_initializer="lecun_normal",
            name="projection",
            dtype=self.dtype_policy,
        )
        self.norm: Any = None
        if norm is not None:
            self.norm = normalization(
                norm, layer_norm_epsilon, name="norm", dtype=self.dtype_policy
            )
        self.dropout = keras.layers.Dropout(
            dropout_rate, name="dropout", dtype=self.dtype_policy
        )

    def build(self, patches_shape: Shape) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        _, height, width, _ = patches_shape
        self._build_part(self.projection, patches_shape)
        if self.norm is not None:
            self.norm.build((*patches_shape[:-1], self.hidden_dim))
        self.grid = height, width
        self.first_tokens = [
            self.add_weight(
                name=name, shape=(1, 1, self.hidden_dim), initializer="zeros"
            )
            for name, wanted in (
                ("class_token", self.class_token),
                ("distillation_token", self.distillation_token),
            )
            if wanted
        ]
        self.registers = self.positions = None
        if self.num_registers:
            self.registers = self.add_weight(
                name="registers",
                shape=(1, self.num_registers, self.hidden_dim),
                initializer=keras.initializers.RandomNormal(stddev=0.02),
            )
        kind, first = self.position_embedding, len(self.first_tokens)
        self.tables = add_tables(self, kind, self.grid, first, self.hidden_dim)
        if kind == "learned":
            (self.positions,) = self.tables

    def call(self, patches: Tensor, training: bool | None = None) -> Tensor:
        return self.sequence(self.embeddings(patches), training)

    def embeddings(self, patches: Tensor) -> Tensor:
        """Return the patches' embeddings x_p E alone, `(B, N, D)`."""
        _, height, width, _ = patches.shape
        z = self.projection(patches)
        if self.norm is not None:
            z = self.norm(z)
        return ops.reshape(z, (-1, height * width, self.hidden_dim))

    def sequence(self, z: Tensor, training: bool | None = None) -> Tensor:
        """Return z_0 of embeddings `(B, N, D)`."""
        if self.position_embedding in ("learned_2d", "factorized", "sincos_2d"):
            z = z + ops.convert_to_tensor(self._vectors(), z.dtype)  # + E_pos
        if self.first_tokens:
            first = [self._for_each_image(token, z) for token in self.first_tokens]
            z = ops.concatenate([*first, z], axis=1)
        if self.positions is not None:
            z = z + ops.cast(self.positions, z.dtype)  # + E_pos
        if self.num_registers:
            count = len(self.first_tokens)
            registers = self._for_each_image(self.registers, z)
            z = ops.concatenate([z[:, :count], registers, z[:, count:]], axis=1)
        return self.dropout(z, training=training)

    def position_vectors(self) -> np.ndarray | None:
        """Return the vectors that are added to the patches, as an array `(h, w, D)`.

        `None` where nothing is added to them here.
        """
        return on_grid(self._vectors(), self.grid)

    def _vectors(self) -> Tensor | None:
        return vectors(self.position_embedding, self.tables, self.grid, self.hidden_dim)

    def _for_each_image(self, tokens: Tensor, z: Tensor) -> Tensor:
        tokens = ops.cast(tokens, z.dtype)
        return ops.broadcast_to(tokens, (ops.shape(z)[0], *tokens.shape[1:]))

    def compute_output_shape(self, patches_shape: Shape) -> Shape:
        batch, height, width, _ = patches_shape
        others = self.class_token + self.distillation_token + self.num_registers
        return batch, others + height * width, self.hidden_dim

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {
            "hidden_dim": self.hidden_dim,
            "class_token": self.class_token,
            "position_embedding": self.position_embedding,
            "num_registers": self.num_registers,
            "distillation_token": self.distillation_token,
            "dropout_rate": self.dropout_rate,
            "use_bias": self.use_bias,
            "norm": self.norm_kind,
            "layer_norm_epsilon": self.layer_norm_epsilon,
            "position_interpolation": self.position_interpolation,
        }
