"""What a format of graphs has and has not, while a model is traced for it."""

from __future__ import annotations

import contextlib
import contextvars
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class GraphFormat:
    """What graphs of a format are made of.

    Attributes:
        has_loops: whether operations in a loop are as good there as others.
        operations: functions that the format has as one operation, by name:
            `"layer_normalization"` of `(x, gamma, beta, epsilon)`, and activations,
            by their keys in `layers.mlp.ACTIVATIONS`, of x.
    """

    has_loops: bool = True
    operations: Mapping[str, Callable[..., Any]] = field(default_factory=dict)


TENSORFLOW = GraphFormat()
_CURRENT: contextvars.ContextVar[GraphFormat | None] = contextvars.ContextVar(
    "graph_format", default=None
)


def graph_format() -> GraphFormat:
    """Return the format for which graphs are traced; TensorFlow's own by default.

    Example:

    >>> with traced_for(GraphFormat(has_loops=False)):
    ...     graph_format().has_loops
    False
    >>> graph_format().has_loops
    True
    """
    return _CURRENT.get() or TENSORFLOW


@contextlib.contextmanager
def traced_for(format: GraphFormat) -> Iterator[None]:
    """Have layers that are traced in this context use what a format has."""
    before = _CURRENT.set(format)
    try:
        yield
    finally:
        _CURRENT.reset(before)
