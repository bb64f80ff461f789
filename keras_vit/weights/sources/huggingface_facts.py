"""What a model is made of, in the words of `ViT`'s arguments, and in sizes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from keras_vit.weights.architecture import Architecture, describe, weights


@dataclass(frozen=True, kw_only=True)
class Facts:
    """Facts of a model, on which what is written of it depends.

    Attributes:
        architecture: of the model.
        arguments: those of `ViT` that say what it is made of.
        hidden_dim: features of a token.
        mlp_dim: features inside a block's MLP.
        num_layers: blocks.
        image_size: (height, width), pixels.
        dropout_rate: of the tokens.
        attention_dropout_rate: of the attention probabilities.
        weights: its arrays by path.
    """

    architecture: Architecture
    arguments: dict[str, Any]
    hidden_dim: int
    mlp_dim: int
    num_layers: int
    image_size: tuple[int, int]
    dropout_rate: float
    attention_dropout_rate: float
    weights: dict[str, np.ndarray]

    @property
    def has_head(self) -> bool:
        """Whether there is a head."""
        return self.arguments["num_classes"] is not None

    @property
    def is_gated(self) -> bool:
        """Whether MLPs are gated."""
        return self.architecture.blocks[0].mlp == "gated"

    @property
    def has_positions(self) -> bool:
        """Whether there is a table of positions at the input."""
        return self.arguments["position_embedding"] == "learned"


def facts_of(model: keras.Model) -> Facts:
    """Return the `Facts` of a model.

    Raises:
        ValueError: if it is no ViT that this package built.
    """
    architecture = describe(model)
    found: dict[str, Any] = {layer.name: layer for layer in model.layers}
    encoder, block, head = found["patch_encoder"], found["block_00"], found.get("head")
    pre_logits = found.get("pre_logits")
    height, width = model.input_shape[1:3]
    return Facts(
        architecture=architecture,
        arguments={
            "activation": architecture.activation,
            "layer_norm_epsilon": architecture.layer_norm_epsilon,
            "position_embedding": architecture.position_embedding,
            "pooling": architecture.pooling,
            "block": list(architecture.blocks),
            "fc_norm": architecture.fc_norm,
            "class_token": encoder.class_token,
            "distillation": encoder.distillation_token,
            "num_registers": encoder.num_registers,
            "layer_scale": block.layer_scale,
            "qk_norm": block.qk_norm,
            "patch_bias": encoder.use_bias,
            "patch_norm": encoder.norm_kind is not None,
            "pre_norm": "pre_norm" in found,
            "final_norm": "norm" in found,
            "head_bias": head is None or head.use_bias,
            "representation_size": pre_logits and pre_logits.units,
            "num_classes": head and head.units,
        },
        hidden_dim=encoder.hidden_dim,
        mlp_dim=block.mlp_dim,
        num_layers=len(architecture.blocks),
        image_size=(height, width),
        dropout_rate=block.dropout_rate,
        attention_dropout_rate=block.attention_dropout_rate,
        weights={weight.path: np.asarray(weight) for weight in weights(model)},
    )
