"""What is to be known of a publisher of weights."""

from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Source:
    """A publisher's names and conventions.

    Attributes:
        name: of the source.
        recognises: the names in a file -> whether they are this source's.
        normalise: `{name: Stored}` as found -> the same in the source's one
            canonical spelling, without what is no weight of the model.
        rules: an `Architecture` -> `{ours: (theirs, Change)}`.
        activation: the form of GELU, where the source settles it.
        layer_norm_epsilon: likewise.
        position_method: by which its own code resizes positions; a key of
            `positions.METHODS`.
        dropped_with_head: beginnings of canonical names that belong to the
            head, and are left out when a new one is wanted.
    """

    name: str
    recognises: Callable
    normalise: Callable
    rules: Callable
    activation: str
    layer_norm_epsilon: float | None
    position_method: str
    dropped_with_head: tuple[str, ...] = field(default=())
