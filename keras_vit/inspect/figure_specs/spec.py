"""What a row of the table of figures is, and what a model may lack for one."""

from collections.abc import Callable
from dataclasses import dataclass

import keras

from keras_vit.inspect.attention import blocks_of
from keras_vit.inspect.filters import first_filters
from keras_vit.inspect.positions import position_vectors
from keras_vit.inspect.similarity import LEAST
from keras_vit.layers.head import heads_of


@dataclass(frozen=True)
class FigureSpec:
    """A figure of a model: what is measured, drawn and said.

    Attributes:
        title: a few words.
        measure: of a `Inspection`, gives the figure's numbers, arrays by name.
        draw: of those and the inspection, gives a matplotlib figure.
        told: of both, says in a sentence what the numbers are.
        meaning: what is shown, how it is read, and where it comes from.
        needs: keys of `NEEDS`.
    """

    title: str
    measure: Callable
    draw: Callable
    told: Callable
    meaning: str
    needs: tuple[str, ...] = ()

    def missing(self, inspection):
        """Why a model cannot be looked at so; `None` if it can."""
        return next(
            (why for has, why in map(NEEDS.get, self.needs) if not has(inspection)),
            None,
        )


def _gives(method):
    """Whether a model has what a function gives, which refuses those that do not."""

    def test(inspection):
        try:
            method(inspection.model)
        except ValueError:
            return False
        return True

    return test


NEEDS = {  # in the order in which they are asked: a test, and what is said if not
    "attention": (
        lambda inspection: bool(inspection.blocks),
        "the model has no blocks that attend",
    ),
    "every token": (
        _gives(blocks_of),
        "the model merges tokens; keras_vit.merge_tokens(model, 0) gives one of the "
        "same weights that merges none",
    ),
    "classes": (
        lambda inspection: bool(heads_of(inspection.model)),
        "the model has no head, so no class to speak for",
    ),
    "gradients": (
        lambda inspection: keras.backend.backend() == "tensorflow",
        "gradients are taken on Keras's TensorFlow backend alone",
    ),
    "positions": (
        _gives(position_vectors),
        "no place of a patch has a vector in this model",
    ),
    "offsets": (
        lambda inspection: inspection.blocks[0].attention.relative is not None,
        "the model's positions are not relative",
    ),
    "filters": (
        _gives(first_filters),
        "the model has no filters that read pixels as RGB",
    ),
    "several images": (
        lambda inspection: len(inspection.images) >= LEAST,
        f"it takes {LEAST} images at least to see how layers tell them apart",
    ),
}
