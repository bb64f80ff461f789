"""Figures from layer to layer: distances, norms, similarity."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from keras_vit.inspect.distance import attention_distance, mean_distance
from keras_vit.inspect.facts import counted
from keras_vit.inspect.figure_specs.spec import Arrays, FigureSpec
from keras_vit.inspect.inspection import Inspection
from keras_vit.inspect.similarity import cka_layers
from keras_vit.inspect.tokens import token_norms

if TYPE_CHECKING:
    from keras_vit.figures.drawing import Figure


def _measure_distance(inspection: Inspection) -> dict[str, np.ndarray]:
    rows, columns = inspection.grid
    cells = rows * columns
    alike = np.full((1, 1, cells, cells), 1 / cells, np.float32)
    distance = np.asarray(mean_distance(alike, inspection.grid, inspection.cell))
    return {
        "pixels": np.asarray(attention_distance(inspection.model, inspection.images)),
        "even": np.asarray(np.mean(distance)),
    }


def _draw_distance(arrays: Arrays, inspection: Inspection) -> Figure:
    from keras_vit import figures

    return figures.attention_distance(
        arrays["pixels"],
        float(arrays["even"]),
        f"Mean attention distance: {inspection.name}, {_images(inspection)}",
    )


def _describe_distance(arrays: Arrays, inspection: Inspection) -> str:
    means = arrays["pixels"].mean(1)
    return (
        f"The mean over {_images(inspection)} is {means[0]:.3g} pixels for the heads "
        f"of the first layer and {means[-1]:.3g} for those of the last; it would be "
        f"{arrays['even']:.3g} for uniform attention."
    )


def _measure_norms(inspection: Inspection) -> dict[str, np.ndarray]:
    return {"norms": np.asarray(token_norms(inspection.model, inspection.images))}


def _draw_norms(arrays: Arrays, inspection: Inspection) -> Figure:
    from keras_vit import figures

    title = f"Norms of patch tokens: {inspection.name}, {_images(inspection)}"
    return figures.token_norms(arrays["norms"], title)


def _describe_norms(arrays: Arrays, inspection: Inspection) -> str:
    last = arrays["norms"][-1]
    median = np.median(last)
    return (
        f"After the last layer, the largest norm of {last.size:,} tokens is "
        f"{last.max() / max(median, 1e-12):.3g} times the median."
    )


def _measure_cka(inspection: Inspection) -> dict[str, np.ndarray]:
    other = inspection.model if inspection.other is None else inspection.other
    return {"cka": cka_layers(inspection.model, other, inspection.images)}


def _draw_cka(arrays: Arrays, inspection: Inspection) -> Figure:
    from keras_vit import figures

    names = inspection.name, inspection.other_name or inspection.name
    title = f"Similarity of layers on {_images(inspection)}"
    return figures.similarity_of_layers(arrays["cka"], names, title)


def _describe_cka(arrays: Arrays, inspection: Inspection) -> str:
    values = arrays["cka"]
    first, last = (f"the {one} layer of {inspection.name}" for one in ("first", "last"))
    if inspection.other is None:
        return f"The CKA of the first and the last layer is {values[0, -1]:.2f}."
    return (
        f"Of {inspection.other_name}, layer {values[0].argmax() + 1} is most like "
        f"{first} "
        f"({values[0].max():.2f}), layer {values[-1].argmax() + 1} most like {last} "
        f"({values[-1].max():.2f})."
    )


def _images(inspection: Inspection) -> str:
    return counted(len(inspection.images))


DISTANCE = FigureSpec(
    "Mean attention distance",
    _measure_distance,
    _draw_distance,
    _describe_distance,
    "The mean distance in pixels between a patch and the patches that it attends to, "
    "weighed by attention: one point for each head. Low points are heads that attend "
    "locally, as a convolution does; high points are heads that attend across the "
    "image. Trained models have both in the first layers, and only high ones in the "
    "last. Section 4.5, Fig. 7 (right) and appendix D.7, Fig. 11 of the ViT paper.",
    needs=("attention", "every token"),
)
NORMS = FigureSpec(
    "Norms of patch tokens",
    _measure_norms,
    _draw_norms,
    _describe_norms,
    "The Euclidean norm of the patches' tokens, from layer to layer and after the last "
    "one. A second mode far on the right is the artefact that register tokens remove. "
    "Darcet et al. (arXiv:2309.16588).",
    needs=("attention", "every token"),
)
CKA = FigureSpec(
    "Similarity of layers",
    _measure_cka,
    _draw_cka,
    _describe_cka,
    "Linear centred kernel alignment (CKA): how similar the representations of two "
    "layers are, whatever their widths. Bright blocks are layers that change little; a "
    "bright diagonal between two models means that their layers correspond. Kornblith "
    "et al. (arXiv:1905.00414); for ViT, Raghu et al. (arXiv:2108.08810).",
    needs=("attention", "every token", "several images"),
)
