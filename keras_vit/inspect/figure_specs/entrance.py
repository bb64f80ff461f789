"""Figures of what is learned before the encoder: filters and positions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from keras_vit.inspect.figure_specs.spec import Arrays, FigureSpec
from keras_vit.inspect.filters import filter_shares, patch_filters
from keras_vit.inspect.inspection import Inspection
from keras_vit.inspect.offset_biases import relative_biases
from keras_vit.inspect.positions import position_similarity, relative_positions

if TYPE_CHECKING:
    from keras_vit.figures.drawing import Figure


def _measure_filters(inspection: Inspection) -> dict[str, np.ndarray]:
    model = inspection.model
    return {"filters": patch_filters(model), "shares": filter_shares(model)}


def _draw_filters(arrays: Arrays, inspection: Inspection) -> Figure:
    from keras_vit import figures

    return figures.patch_filters(arrays["filters"], f"First filters: {inspection.name}")


def _describe_filters(arrays: Arrays, inspection: Inspection) -> str:
    count, height, width, _ = arrays["filters"].shape
    share = 100 * arrays["shares"].sum()
    return (
        f"{count} components of {height} x {width} pixels, which explain {share:.0f} % "
        "of the variance of the filters."
    )


def _measure_positions(inspection: Inspection) -> dict[str, np.ndarray]:
    return {"cosine": position_similarity(inspection.model)}


def _draw_positions(arrays: Arrays, inspection: Inspection) -> Figure:
    from keras_vit import figures

    title = f"Similarity of position embeddings: {inspection.name}"
    return figures.position_similarity(arrays["cosine"], title)


def _describe_positions(arrays: Arrays, inspection: Inspection) -> str:
    cosine = arrays["cosine"]
    rows, columns = cosine.shape[:2]
    pairs = (
        np.einsum("ijij->ij", cosine[1:, :, :-1]),
        np.einsum("ijij->ij", cosine[:, 1:, :, :-1]),
    )
    beside = np.concatenate([one.ravel() for one in pairs])
    text = f"{rows} x {columns} patches."
    if beside.size:
        near, apart = (round(float(one.mean()), 2) for one in (beside, _apart(cosine)))
        text += f" The mean similarity is {near + 0.0} for adjacent patches and "
        text += f"{apart + 0.0} for all pairs of patches."
    return text


def _measure_offsets(inspection: Inspection) -> dict[str, np.ndarray]:
    return {"bias": relative_positions(inspection.model, inspection.images)}


def _draw_offsets(arrays: Arrays, inspection: Inspection) -> Figure:
    from keras_vit import figures

    title = f"Relative position embedding: {inspection.name}"
    return figures.relative_positions(arrays["bias"], title)


def _describe_offsets(arrays: Arrays, inspection: Inspection) -> str:
    bias = arrays["bias"]
    layer, head, offset = np.unravel_index(np.abs(bias).argmax(), bias.shape)
    return (
        f"The largest bias is {bias[layer, head, offset]:.3g}, in head {head + 1} of "
        f"layer {layer + 1}, for an offset of {offset - bias.shape[-1] // 2} patches."
    )


def _measure_biases(inspection: Inspection) -> dict[str, np.ndarray]:
    return {"bias": relative_biases(inspection.model)}


def _draw_biases(arrays: Arrays, inspection: Inspection) -> Figure:
    from keras_vit import figures

    return figures.relative_biases(
        arrays["bias"], f"Relative biases: {inspection.name}"
    )


def _describe_biases(arrays: Arrays, inspection: Inspection) -> str:
    bias = arrays["bias"]
    place = np.unravel_index(np.abs(bias).argmax(), bias.shape)
    layer, head, row, column = place
    down, right = row - bias.shape[2] // 2, column - bias.shape[3] // 2
    return (
        f"The largest bias is {bias[place]:.3g}, in head {head + 1} of layer "
        f"{layer + 1}, for a query {down} rows below and {right} columns right of the "
        "key."
    )


def _apart(cosine: np.ndarray) -> np.ndarray:
    """The similarities of all pairs of two places."""
    places = cosine.shape[0] * cosine.shape[1]
    table = cosine.reshape(places, places)
    return table[~np.eye(places, dtype=bool)]


FILTERS = FigureSpec(
    "First filters",
    _measure_filters,
    _draw_filters,
    _describe_filters,
    "The first principal components of the patch embedding's filters (of a hybrid, the "
    "filters of its stem's first convolution), in RGB, each scaled by its largest "
    "weight: grey is 0. After training on many photographs they are smooth: edges, "
    "waves and colours. Noise means little training. Section 4.5, Fig. 7 (left) of the "
    "ViT paper.",
    needs=("filters",),
)
POSITIONS = FigureSpec(
    "Similarity of position embeddings",
    _measure_positions,
    _draw_positions,
    _describe_positions,
    "For each patch, a map of the cosine similarity of its position embedding with the "
    "position embeddings of all patches. If the model has learned where patches lie, a "
    "map is bright around its own patch, often along its row and column. Section 4.5, "
    "Fig. 7 (centre) and appendix D.4, Fig. 10 of the ViT paper.",
    needs=("attention", "positions"),
)
OFFSETS = FigureSpec(
    "Relative position embedding",
    _measure_offsets,
    _draw_offsets,
    _describe_offsets,
    "The bias that each head adds to its attention logits for the offset between two "
    "patches, counted row by row; the mean over the queries of all images. A bright "
    "band at 0 is a head that attends to near patches; bands one row apart are a head "
    "that attends to its column. Appendix D.4 of the ViT paper.",
    needs=("attention", "offsets"),
)
BIASES = FigureSpec(
    "Relative biases",
    _measure_biases,
    _draw_biases,
    _describe_biases,
    "The bias that each head adds to its attention logits for the offset of a query's "
    "patch from a key's, a map for each head: an offset of 0 is in the middle. A "
    "bright middle is a head that attends to near patches, a bright line one that "
    "attends to its row or its column. BEiT, arXiv:2106.08254, section 2.2.",
    needs=("attention", "every token", "biases"),
)
