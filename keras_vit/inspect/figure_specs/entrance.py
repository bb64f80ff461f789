"""Figures of what was learned for the entrance: filters and positions."""

import numpy as np

from keras_vit.inspect.figure_specs.spec import FigureSpec
from keras_vit.inspect.filters import filter_shares, patch_filters
from keras_vit.inspect.positions import position_similarity, relative_positions


def _measure_filters(inspection):
    model = inspection.model
    return {"filters": patch_filters(model), "shares": filter_shares(model)}


def _draw_filters(numbers, inspection):
    from keras_vit import figures

    return figures.patch_filters(numbers["filters"], f"Filters: {inspection.name}")


def _tell_filters(numbers, inspection):
    count, height, width, _ = numbers["filters"].shape
    share = 100 * numbers["shares"].sum()
    return (
        f"{count} components of {height} x {width} pixels, which make up {share:.0f} % "
        "of what differs between the filters."
    )


def _measure_positions(inspection):
    return {"cosine": position_similarity(inspection.model)}


def _draw_positions(numbers, inspection):
    from keras_vit import figures

    title = f"Similarity of positions: {inspection.name}"
    return figures.position_similarity(numbers["cosine"], title)


def _tell_positions(numbers, inspection):
    cosine = numbers["cosine"]
    rows, columns = cosine.shape[:2]
    beside = [
        np.einsum("ijij->ij", cosine[1:, :, :-1]),
        np.einsum("ijij->ij", cosine[:, 1:, :, :-1]),
    ]
    beside = np.concatenate([one.ravel() for one in beside])
    told = f"{rows} x {columns} places."
    if beside.size:
        near, apart = (round(float(one.mean()), 2) for one in (beside, _apart(cosine)))
        told += f" On average, neighbours have a similarity of {near + 0.0}, "
        told += f"any two places one of {apart + 0.0}."
    return told


def _measure_offsets(inspection):
    return {"bias": relative_positions(inspection.model, inspection.images)}


def _draw_offsets(numbers, inspection):
    from keras_vit import figures

    title = f"Relative positions: {inspection.name}"
    return figures.relative_positions(numbers["bias"], title)


def _tell_offsets(numbers, inspection):
    bias = numbers["bias"]
    layer, head, offset = np.unravel_index(np.abs(bias).argmax(), bias.shape)
    return (
        f"The largest is {bias[layer, head, offset]:.3g}, of head {head + 1} in layer "
        f"{layer + 1}, for {offset - bias.shape[-1] // 2} patches."
    )


def _apart(cosine):
    """The similarities of places to others."""
    places = cosine.shape[0] * cosine.shape[1]
    table = cosine.reshape(places, places)
    return table[~np.eye(places, dtype=bool)]


FILTERS = FigureSpec(
    "Filters of the entrance",
    _measure_filters,
    _draw_filters,
    _tell_filters,
    "The first principal components of the filters that turn pixels into tokens (of a "
    "hybrid, the filters of its root), in RGB, each scaled by its largest weight: grey "
    "is 0. Trained on many photographs they are smooth: edges, waves and colours; "
    "noise means little training. Section 4.5, Fig. 7 (left) of the ViT paper.",
    ("filters",),
)
POSITIONS = FigureSpec(
    "Similarity of positions",
    _measure_positions,
    _draw_positions,
    _tell_positions,
    "For each place of a patch, a map of how like its position embedding is to that of "
    "all others. Where the model learned the plane, a map is bright around its own "
    "place, often along its row and column. Section 4.5, Fig. 7 (centre) and appendix "
    "D.4, Fig. 10 of the ViT paper.",
    ("attention", "positions"),
)
OFFSETS = FigureSpec(
    "Relative positions",
    _measure_offsets,
    _draw_offsets,
    _tell_offsets,
    "What each head adds to the logits of its attention for the offset between two "
    "patches, which are counted row by row, in the mean over the queries of all "
    "images. A bright band at 0 is a head that prefers what is near; bands a row's "
    "length apart, one that prefers its column. Appendix D.4 of the ViT paper.",
    ("attention", "offsets"),
)
