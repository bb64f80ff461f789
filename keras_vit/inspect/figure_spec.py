"""What a figure of a model is: what it needs, measures, draws and says."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Any, NamedTuple, TypeAlias

import keras
import numpy as np

from keras_vit import figures
from keras_vit.figures.drawing import Figure
from keras_vit.inspect.blocks import blocks_of
from keras_vit.inspect.inspection import Inspection
from keras_vit.layers.head import heads_of

Arrays: TypeAlias = Mapping[str, np.ndarray]


class Need(NamedTuple):
    """What a figure needs.

    Attributes:
        met_by: whether a model and its images have it.
        why: the reason for which there is no figure, if not.
    """

    met_by: Callable[[Inspection], bool]
    why: str


@dataclass(frozen=True)
class FigureSpec:
    """A figure of a model. It stands beside the functions of its numbers.

    Attributes:
        title: a few words.
        meaning: what is shown, how it is read, and where it comes from.
        measure: returns the figure's numbers, arrays by name, of an `Inspection`.
        draw: returns a matplotlib figure of those and the inspection.
        describe: returns a sentence with the main numbers, of both.
        needs: in the order in which they are asked.
    """

    title: str
    meaning: str
    _: KW_ONLY
    measure: Callable[[Inspection], dict[str, np.ndarray]]
    draw: Callable[[Arrays, Inspection], Figure]
    describe: Callable[[Arrays, Inspection], str]
    needs: tuple[Need, ...]

    def missing(self, inspection: Inspection) -> str | None:
        """Return why there is no such figure of a model; `None` if there is."""
        return next((why for met_by, why in self.needs if not met_by(inspection)), None)


def need_of(function: Callable[[keras.Model], Any], why: str) -> Need:
    """Return the need of a model that a function does not refuse by a ValueError."""

    def met_by(inspection: Inspection) -> bool:
        try:
            function(inspection.model)
        except ValueError:
            return False
        return True

    return Need(met_by, why)


ATTENTION = Need(
    lambda inspection: bool(inspection.blocks),
    "the model has no attention: it is no Vision Transformer",
)
EVERY_TOKEN = need_of(
    blocks_of,
    "the model merges tokens (keras_vit.merge_tokens(model, 0) returns a model "
    "with the same weights that merges none), or its blocks have several "
    "attentions side by side",
)
CLASSES = Need(
    lambda inspection: bool(heads_of(inspection.model)),
    "the model has no head, and so no logit of a class",
)
GRADIENTS = Need(
    lambda inspection: keras.backend.backend() == "tensorflow",
    "gradients need Keras's TensorFlow backend",
)


def over_pictures(
    inspection: Inspection,
    maps: np.ndarray,
    title: str,
    label: str,
    *,
    names: Sequence[str] | None = None,
    limits: tuple[float, float] | None = None,
) -> Figure:
    """Draw maps over the pictures of an inspection, as `maps_over_pictures` does.

    Args:
        inspection: whose pictures are shown.
        maps: `(pictures, rows, columns)`.
        title: what they are.
        label: what they measure.
        names: of the pictures; those of the inspection by default.
        limits: of the scale of colours.
    """
    height, width = inspection.cell
    return figures.maps_over_pictures(
        inspection.shown,
        maps,
        inspection.cell,
        names or inspection.image_names,
        title=f"{title}: {inspection.name}, cells of {height:g} x {width:g} pixels",
        label=label,
        limits=limits,
    )
