"""The choices of a Transformer block, beyond its sizes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from keras_vit.layers.config import as_dict, check_choices, config_of
from keras_vit.layers.normalization import NORMS
from keras_vit.layers.relative_position_bias import RelativeBiasConfig
from keras_vit.layers.rotary_positions import RotaryConfig

CHOICES = {  # a field: its values
    "layout": ("pre_norm", "res_post_norm", "parallel"),
    "norm": tuple(NORMS),
    "attention": ("softmax", "differential"),
    "mlp": ("dense", "gated"),
    "qkv_bias": ("all", "query_value", "none"),
}
WITHOUT_BIAS = {  # a block's `qkv_bias`: the projections that have none
    "all": (),
    "query_value": ("key",),
    "none": ("query", "key", "value"),
}
NESTED = {"rotary": RotaryConfig, "relative_bias": RelativeBiasConfig}


@dataclass(frozen=True, kw_only=True)
class BlockConfig:
    """What a block of the encoder is made of. The defaults are the ViT paper's.

    Attributes:
        layout: `"pre_norm"`: a norm before attention and one before the MLP,
            each on a residual branch (Eqs. 2 and 3). `"res_post_norm"`: the
            norms end the branches (Swin V2, arXiv:2111.09883). `"parallel"`:
            one norm, attention and MLP side by side on one branch
            (ViT-22B, arXiv:2302.05442).
        norm: `"layer"` or `"rms"` (arXiv:1910.07467), a key of `NORMS`: every
            norm in the block.
        attention: `"softmax"`, or `"differential"`: heads read by the difference
            of two maps, see `DifferentialAttention` (arXiv:2410.05258).
        mlp: `"dense"`: two dense layers. `"gated"`: the first is multiplied
            by the activation of a second one beside it (arXiv:2002.05202);
            with `activation="silu"` that is SwiGLU.
        qkv_bias: which projections to queries, keys and values have a bias:
            `"all"`, `"query_value"` (BEiT, arXiv:2106.08254) or `"none"`.
        use_bias: whether attention's output and the MLP's layers have biases.
        attention_norm: whether what heads read is normalised before the output
            projection (sub-LN, arXiv:2210.06423).
        mlp_norm: whether the MLP's inner features are normalised.
        mlp_layer_scale: whether LayerScale, where there is any, is that of the
            MLP's branch too, and not of attention's alone.
        num_key_value_heads: heads of keys and values, which divide those of
            queries; each serves as many of these (arXiv:2305.13245). `None`:
            one each.
        rotary: rotary positions of queries and keys; `None`: none.
        relative_bias: a bias of attention's logits for each offset between two
            patches; `None`: none.

        num_branches: how many attentions stand side by side, and then how many
            MLPs (arXiv:2203.09795), see `BranchedBlock`.

    Raises:
        ValueError: for a value that there is not, or for choices that do not go
            together, naming the fields.

    Example:

    >>> BlockConfig(norm="rms", mlp="gated", qkv_bias="none").as_dict()
    {'norm': 'rms', 'mlp': 'gated', 'qkv_bias': 'none'}
    """

    layout: str = "pre_norm"
    norm: str = "layer"
    attention: str = "softmax"
    mlp: str = "dense"
    qkv_bias: str = "all"
    use_bias: bool = True
    attention_norm: bool = False
    mlp_norm: bool = False
    mlp_layer_scale: bool = True
    num_key_value_heads: int | None = None
    rotary: RotaryConfig | None = None
    relative_bias: RelativeBiasConfig | None = None
    num_branches: int = 1

    def __post_init__(self) -> None:
        check_choices(self, CHOICES, "a block")
        for name, kind in NESTED.items():
            value = getattr(self, name)
            if not (value is None or isinstance(value, kind)):
                raise ValueError(
                    f"{name} of a block must be its fields by name, such as {{}} for "
                    f"the usual ones, or None. Received: {name}={value!r}"
                )
        heads = self.num_key_value_heads
        if heads is not None and heads < 1:
            raise ValueError(
                "num_key_value_heads of a block must be at least 1, or None. "
                f"Received: num_key_value_heads={heads!r}"
            )
        if self.attention == "differential" and (
            self.has_positions or self.num_key_value_heads is not None
        ):
            raise ValueError(
                "A block of attention='differential' has neither rotary, nor "
                "relative_bias, nor num_key_value_heads. Received: "
                f"rotary={self.rotary}, relative_bias={self.relative_bias}, "
                f"num_key_value_heads={self.num_key_value_heads}"
            )

        if self.num_branches < 1 or (
            self.num_branches > 1 and self.layout == "parallel"
        ):
            raise ValueError(
                "num_branches of a block must be at least 1, and 1 where "
                "layout='parallel'. Received: "
                f"num_branches={self.num_branches}, layout={self.layout!r}"
            )

    def has_bias(self, projection: str) -> bool:
        """Return whether a projection of attention has a bias.

        Args:
            projection: `"query"`, `"key"`, `"value"` or `"out"`.
        """
        if projection == "out":
            return self.use_bias
        return projection not in WITHOUT_BIAS[self.qkv_bias]

    @property
    def has_positions(self) -> bool:
        """Whether attention knows the places of patches."""
        return self.rotary is not None or self.relative_bias is not None

    @classmethod
    def of(cls, config: BlockConfig | Mapping[str, Any] | None) -> BlockConfig:
        """Return a config as it is, or that of its fields; `None`: the defaults.

        Raises:
            ValueError: for a field that there is not, or another type.
        """
        if isinstance(config, BlockConfig):
            return config
        if not isinstance(config, Mapping | None):
            raise ValueError(
                "block must be a BlockConfig, its fields by name, or one of these for "
                f"each layer. Received: {config!r}"
            )
        fields: dict[str, Any] = dict(config or {})
        for name, kind in NESTED.items():
            if isinstance(fields.get(name), Mapping):
                fields[name] = config_of(kind, fields[name], name)
        return config_of(cls, fields, "a block")

    def as_dict(self) -> dict[str, Any]:
        """Return the fields that differ from the defaults, for JSON."""
        return as_dict(self)


Block: TypeAlias = BlockConfig | Mapping[str, Any]  # or its fields by name
