"""What a row of the table of figures is, and what a model needs for one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import KW_ONLY, dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import keras
import numpy as np

from keras_vit.inspect.blocks import blocks_of
from keras_vit.inspect.filters import first_filters
from keras_vit.inspect.inspection import Inspection
from keras_vit.inspect.offset_biases import biases_of
from keras_vit.inspect.positions import position_vectors
from keras_vit.inspect.similarity import LEAST
from keras_vit.layers.head import heads_of

if TYPE_CHECKING:
    from keras_vit.figures.drawing import Figure

Arrays: TypeAlias = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class FigureSpec:
    """A figure of a model: what is measured, drawn and described.

    Attributes:
        title: a few words.
        measure: returns the figure's numbers, arrays by name, of an `Inspection`.
        draw: returns a matplotlib figure of those and the inspection.
        describe: returns a sentence with the main numbers, of both.
        meaning: what is shown, how it is read, and where it comes from.
        needs: keys of `NEEDS`.
    """

    title: str
    measure: Callable[[Inspection], dict[str, np.ndarray]]
    draw: Callable[[Arrays, Inspection], Figure]
    describe: Callable[[Arrays, Inspection], str]
    meaning: str
    _: KW_ONLY
    needs: tuple[str, ...] = ()

    def missing(self, inspection: Inspection) -> str | None:
        """Return why there is no such figure of a model; `None` if there is."""
        needs = (NEEDS[name] for name in self.needs)
        return next((why for has, why in needs if not has(inspection)), None)


def _accepted_by(
    function: Callable[[keras.Model], Any],
) -> Callable[[Inspection], bool]:
    """Whether a function accepts a model, or refuses it by a ValueError."""

    def test(inspection):
        try:
            function(inspection.model)
        except ValueError:
            return False
        return True

    return test


# In the order in which they are asked: a test, and the reason if it fails.
NEEDS: dict[str, tuple[Callable[[Inspection], bool], str]] = {
    "attention": (
        lambda inspection: bool(inspection.blocks),
        "the model has no attention: it is no Vision Transformer",
    ),
    "every token": (
        _accepted_by(blocks_of),
        "the model merges tokens (keras_vit.merge_tokens(model, 0) returns a model "
        "with the same weights that merges none), or its blocks have several "
        "attentions side by side",
    ),
    "classes": (
        lambda inspection: bool(heads_of(inspection.model)),
        "the model has no head, and so no logit of a class",
    ),
    "gradients": (
        lambda inspection: keras.backend.backend() == "tensorflow",
        "gradients need Keras's TensorFlow backend",
    ),
    "positions": (
        _accepted_by(position_vectors),
        "the model has no position embedding for each place",
    ),
    "offsets": (
        lambda inspection: inspection.blocks[0].attention.relative is not None,
        "the model has no relative position embedding",
    ),
    "biases": (
        _accepted_by(biases_of),
        "the model has no relative biases in every block",
    ),
    "filters": (
        _accepted_by(first_filters),
        "the model has no filters over RGB pixels",
    ),
    "several images": (
        lambda inspection: len(inspection.images) >= LEAST,
        f"it needs at least {LEAST} images",
    ),
}
