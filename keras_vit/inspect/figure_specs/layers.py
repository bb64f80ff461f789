"""Figures from layer to layer: distances, norms, similarity."""

import numpy as np

from keras_vit.inspect.distance import attention_distance, mean_distance
from keras_vit.inspect.facts import counted
from keras_vit.inspect.figure_specs.spec import FigureSpec
from keras_vit.inspect.similarity import cka_layers
from keras_vit.inspect.tokens import token_norms


def _measure_distance(inspection):
    rows, columns = inspection.grid
    cells = rows * columns
    alike = np.full((1, 1, cells, cells), 1 / cells, np.float32)
    return {
        "pixels": np.asarray(attention_distance(inspection.model, inspection.images)),
        "even": np.mean(mean_distance(alike, inspection.grid, inspection.cell)),
    }


def _draw_distance(numbers, inspection):
    from keras_vit import figures

    return figures.attention_distance(
        numbers["pixels"],
        float(numbers["even"]),
        f"Mean attention distance: {inspection.name}, {_images(inspection)}",
    )


def _tell_distance(numbers, inspection):
    means = numbers["pixels"].mean(1)
    return (
        f"Over {_images(inspection)}, the heads of the first layer look {means[0]:.3g} "
        f"pixels far on average, those of the last {means[-1]:.3g}; looking at all "
        f"alike would be {numbers['even']:.3g}."
    )


def _measure_norms(inspection):
    return {"norms": np.asarray(token_norms(inspection.model, inspection.images))}


def _draw_norms(numbers, inspection):
    from keras_vit import figures

    title = f"Norms of the patches' tokens: {inspection.name}, {_images(inspection)}"
    return figures.token_norms(numbers["norms"], title)


def _tell_norms(numbers, inspection):
    last = numbers["norms"][-1]
    median = np.median(last)
    return (
        f"After the last layer, the longest of {last.size:,} tokens is "
        f"{last.max() / max(median, 1e-12):.3g} times as long as the median."
    )


def _measure_cka(inspection):
    other = inspection.model if inspection.other is None else inspection.other
    return {"cka": cka_layers(inspection.model, other, inspection.images)}


def _draw_cka(numbers, inspection):
    from keras_vit import figures

    names = inspection.name, inspection.other_name or inspection.name
    title = f"How alike layers see {_images(inspection)}"
    return figures.similarity_of_layers(numbers["cka"], names, title)


def _tell_cka(numbers, inspection):
    values = numbers["cka"]
    first, last = (f"{inspection.name}'s {one} layer" for one in ("first", "last"))
    if inspection.other is None:
        return f"The first layer and the last are {values[0, -1]:.2f} alike."
    return (
        f"Of {inspection.other_name}, layer {values[0].argmax() + 1} is most like "
        f"{first} "
        f"({values[0].max():.2f}), layer {values[-1].argmax() + 1} most like {last} "
        f"({values[-1].max():.2f})."
    )


def _images(inspection):
    return counted(len(inspection.images))


DISTANCE = FigureSpec(
    "Mean attention distance",
    _measure_distance,
    _draw_distance,
    _tell_distance,
    "How far from a patch lies what it reads, in pixels, weighed by attention: a point "
    "a head. Low points are heads that look around themselves as a convolution does, "
    "high ones look across the picture; in trained models both are found in the first "
    "layers, and only high ones in the last. Section 4.5, Fig. 7 (right) and appendix "
    "D.7, Fig. 11 of the ViT paper.",
    ("attention", "every token"),
)
NORMS = FigureSpec(
    "How long tokens are",
    _measure_norms,
    _draw_norms,
    _tell_norms,
    "The Euclidean norm of the patches' tokens, from layer to layer and at the end. "
    "A second hump far on the right are the artefacts that register tokens cure. "
    "Darcet et al. (arXiv:2309.16588).",
    ("attention", "every token"),
)
CKA = FigureSpec(
    "Similarity of layers",
    _measure_cka,
    _draw_cka,
    _tell_cka,
    "Linear centred kernel alignment: how alike two layers place images to each other, "
    "whatever their widths are. Bright blocks are layers that change little; a bright "
    "diagonal between two models, that they work alike. Kornblith et al. "
    "(arXiv:1905.00414); for ViT, Raghu et al. (arXiv:2108.08810).",
    ("attention", "every token", "several images"),
)
