"""The choices of pooling: what stands for the image."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from keras_vit.layers.config import as_dict, check_choices, config_of

POOLINGS = ("token", "gap", "map", "max", "gap_max", "token_gap", "prefix_gap")
READS_CLASS_TOKEN = ("token", "token_gap", "prefix_gap")
OF_MAP = ("num_heads", "mlp_dim", "mlp", "query_projection", "qkv_bias")


@dataclass(frozen=True, kw_only=True)
class PoolingConfig:
    """How tokens become one vector.

    Attributes:
        kind: `"token"`: the class token's final state. `"gap"`: the mean of the
            patches' final states; `"max"`: of each feature the largest;
            `"gap_max"`: the mean of both. `"map"`: attention by a learned
            query. `"token_gap"`: the class token's state and the patches'
            mean, one after the other (DINOv2, arXiv:2304.07193).
            `"prefix_gap"`: the mean of class token and registers.
        prefix_tokens: whether class token and registers are pooled as patches
            are.
        num_heads: of `"map"`; `None`: as many as the blocks'.
        mlp_dim: of `"map"`; `None`: that of the blocks.
        mlp: whether `"map"` ends in a norm and an MLP (AIMv2's does not,
            arXiv:2411.14402).
        query_projection: whether the learned query of `"map"` is projected
            before it meets keys.
        qkv_bias: whether projections to queries, keys and values in `"map"`
            have biases.

    Raises:
        ValueError: for a kind that there is not, or for options of another.

    Example:

    >>> PoolingConfig.of("gap").kind
    'gap'
    """

    kind: str = "token"
    prefix_tokens: bool = False
    num_heads: int | None = None
    mlp_dim: int | None = None
    mlp: bool = True
    query_projection: bool = True
    qkv_bias: bool = True

    def __post_init__(self) -> None:
        check_choices(self, {"kind": POOLINGS}, "pooling")
        of_map = as_dict(self).keys() & {*OF_MAP}
        if self.kind != "map" and of_map:
            raise ValueError(
                f"{', '.join(OF_MAP)} of pooling are those of kind='map'. "
                f"Received: {self}"
            )
        if self.prefix_tokens and self.kind in READS_CLASS_TOKEN:
            raise ValueError(
                "prefix_tokens are pooled with patches by other kinds than "
                f"{' and '.join(READS_CLASS_TOKEN)}. Received: {self}"
            )

    @classmethod
    def of(cls, pooling: str | Mapping[str, Any] | PoolingConfig) -> PoolingConfig:
        """Return the config of a kind, of fields by name, or as it is.

        Raises:
            ValueError: for a kind or a field that there is not.
        """
        if isinstance(pooling, PoolingConfig):
            return pooling
        if isinstance(pooling, Mapping):
            return config_of(cls, pooling, "pooling")
        if pooling not in POOLINGS:
            raise ValueError(
                f"pooling must be one of {', '.join(POOLINGS)}, or None. "
                f"Received: pooling={pooling!r}"
            )
        return cls(kind=pooling)

    @property
    def plain(self) -> str | dict[str, Any]:
        """The kind where nothing else differs from the defaults, else all, for JSON."""
        fields = as_dict(self)
        return (
            self.kind if not fields.keys() - {"kind"} else {"kind": self.kind} | fields
        )
