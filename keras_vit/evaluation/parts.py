"""What a measurement returns to a report: a table, and figures of its numbers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from keras_vit.figures.drawing import Figure


@dataclass(frozen=True)
class Part:
    """A measurement as a report shows it.

    Attributes:
        name: the stem of its files, such as `"few_shot"`.
        title: a line for people.
        rows: a table, with the same keys in each row: text, numbers, and
            `None` where there is no number. All numbers of its figures are
            in it.
        figures: by the stems of their files, functions without arguments
            that draw them.

    Raises:
        ValueError: if the rows differ in their keys.

    Example:

    >>> Part("halves", "Two halves", ({"half": 1, "top1": 0.5},)).columns
    ('half', 'top1')
    """

    name: str
    title: str
    rows: tuple[dict[str, Any], ...]
    figures: dict[str, Callable[[], Figure]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if any(tuple(row) != self.columns for row in self.rows):
            raise ValueError(
                f"Expected the same keys in each row of {self.name!r}. "
                f"Received: {sorted({tuple(row) for row in self.rows})}"
            )

    @property
    def columns(self) -> tuple[str, ...]:
        """The keys of every row, in order."""
        return tuple(self.rows[0]) if self.rows else ()
