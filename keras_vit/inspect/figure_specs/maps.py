"""Figures over images: rollout, heads, class-discriminative maps, norms."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from keras_vit.inspect.figure_specs.spec import Arrays, FigureSpec
from keras_vit.inspect.heads import head_maps
from keras_vit.inspect.inspection import Inspection
from keras_vit.inspect.relevance import grad_cam, gradient_rollout
from keras_vit.inspect.rollouts import attention_rollout
from keras_vit.inspect.tokens import token_norms
from keras_vit.layers import PoolingConfig

if TYPE_CHECKING:
    from keras_vit.figures.drawing import Figure

UNIFORM = "Attention relative to uniform attention (1: uniform)"
READERS = {  # a kind of pooling: what its map shows, of what is pooled
    "token": "of the class token",
    "gap": "of the mean of {pooled}",
    "map": "of the attention pooling",
    "max": "of the largest of {pooled} in each feature",
    "gap_max": "of the mean of {pooled}, and of the largest of them in each feature",
    "token_gap": "of the class token, and of the mean of {pooled}",
    "prefix_gap": "of the mean of class token and registers",
}


def _measure_rollout(inspection: Inspection) -> dict[str, np.ndarray]:
    shares = attention_rollout(inspection.model, inspection.shown, **inspection.rollout)
    return {"shares": shares, "times_even": shares * shares[0].size}


def _draw_rollout(arrays: Arrays, inspection: Inspection) -> Figure:
    return _over_pictures(
        inspection, arrays["times_even"], "Attention rollout", UNIFORM
    )


def _describe_rollout(arrays: Arrays, inspection: Inspection) -> str:
    least, most = arrays["times_even"].min(), arrays["times_even"].max()
    text = (
        f"Attention {_reader(inspection)}; patches have {least:.2g} to "
        f"{most:.2g} times the uniform attention."
    )
    choices = inspection.rollout
    if choices["fusion"] != "mean":
        text += f" Heads are fused by their {choices['fusion']}."
    if choices["discard"]:
        text += f" The smallest {100 * choices['discard']:g} % are discarded."
    if not choices["residual"]:
        text += " Without residual connections."
    return text


def _measure_heads(inspection: Inspection) -> dict[str, np.ndarray]:
    shares = head_maps(inspection.model, inspection.shown[:1])
    return {"shares": shares, "times_even": shares * shares[0, 0, 0].size}


def _draw_heads(arrays: Arrays, inspection: Inspection) -> Figure:
    from keras_vit import figures

    return figures.head_maps(
        inspection.shown[0],
        arrays["times_even"][:, 0],
        inspection.cell,
        inspection.image_names[0],
        title=f"Attention of each head: {inspection.name}",
        label="Relative attention (1: uniform)",
    )


def _reader(inspection: Inspection) -> str:
    pool = inspection.pooling or PoolingConfig()
    pooled = "all tokens" if pool.prefix_tokens else "the patches"
    return READERS[pool.kind].format(pooled=pooled)


def _describe_heads(arrays: Arrays, inspection: Inspection) -> str:
    layers, _, heads = arrays["shares"].shape[:3]
    peaks = arrays["times_even"][:, 0].max((-2, -1))
    layer, head = np.unravel_index(peaks.argmax(), peaks.shape)
    return (
        f"{layers} layers of {heads} heads, attention {_reader(inspection)}. "
        f"Head {head + 1} of layer {layer + 1} is the most concentrated: "
        f"{peaks.max():.3g} times the uniform attention on one patch."
    )


def _of_class(
    method: Callable[..., np.ndarray],
) -> Callable[[Inspection], dict[str, np.ndarray]]:
    def measure(inspection):
        maps = np.asarray(
            method(inspection.model, inspection.shown, inspection.predicted)
        )
        largest = maps.max((1, 2), keepdims=True)
        relative = maps / np.where(largest > 0, largest, 1)
        likeliest = inspection.probabilities.max(-1)
        arrays = {"maps": maps, "relative": relative, "classes": inspection.predicted}
        return arrays | {"probabilities": likeliest}

    return measure


def _draws_of_class(title: str) -> Callable[[Arrays, Inspection], Figure]:
    def draw(arrays, inspection):
        names = []
        for place, number in enumerate(arrays["classes"]):
            share = f"{100 * arrays['probabilities'][place]:.1f} %"
            predicted = f"predicted, {share}: {inspection.class_name(number)}"
            names.append(f"{inspection.image_names[place]}\n{predicted}")
        label = "Relevance (1: the image's maximum)"
        return _over_pictures(inspection, arrays["relative"], title, label, names=names)

    return draw


def _describe_of_class(arrays: Arrays, inspection: Inspection) -> str:
    silent = int((arrays["maps"].max((1, 2)) <= 0).sum())
    names = dict.fromkeys(map(inspection.class_name, arrays["classes"]))
    text = f"Maps of the likeliest class of each image: {', '.join(names)}."
    if silent:
        text += f" {silent} of {len(arrays['maps'])} maps are zero everywhere."
    return text


def _measure_norms(inspection: Inspection) -> dict[str, np.ndarray]:
    return {"norms": np.asarray(token_norms(inspection.model, inspection.shown))[-1]}


def _draw_norms(arrays: Arrays, inspection: Inspection) -> Figure:
    title = "Norms of patch tokens after the last layer"
    norms = arrays["norms"]
    limits = float(norms.min()), float(norms.max())
    return _over_pictures(inspection, norms, title, "Euclidean norm", limits=limits)


def _describe_norms(arrays: Arrays, inspection: Inspection) -> str:
    norms = arrays["norms"]
    return (
        f"From {norms.min():.3g} to {norms.max():.3g}, median {np.median(norms):.3g}."
    )


def _over_pictures(
    inspection: Inspection,
    maps: np.ndarray,
    title: str,
    label: str,
    *,
    names: Sequence[str] | None = None,
    limits: tuple[float, float] | None = None,
) -> Figure:
    from keras_vit import figures

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


ROLLOUT = FigureSpec(
    "Attention rollout",
    _measure_rollout,
    _draw_rollout,
    _describe_rollout,
    "How much of each patch reaches the input of the head: the product of the "
    "attention of all layers, with their residual connections. Bright patches "
    "contribute most; 1 is uniform attention. Section 4.5, Fig. 6 and appendix D.8 of "
    "the ViT paper, after Abnar and Zuidema (arXiv:2005.00928).",
    needs=("attention", "every token"),
)
HEADS = FigureSpec(
    "Attention of each head",
    _measure_heads,
    _draw_heads,
    _describe_heads,
    "The attention of each head of each layer, over the first image. The scale is "
    "logarithmic: dark is a tenth of the uniform attention or less, bright ten times "
    "the uniform attention or more. A head of one colour attends to all patches, a "
    "head with a few bright patches to those. Eq. 6 of the ViT paper.",
    needs=("attention", "every token"),
)
GRADIENTS = FigureSpec(
    "Gradient-weighted rollout",
    _of_class(gradient_rollout),
    _draws_of_class("Gradient-weighted rollout"),
    _describe_of_class,
    "A rollout in which attention is weighed by its gradient: by what it contributes "
    "to the logit of the likeliest class. Compare it with the rollout above: a patch "
    "that is bright there and dark here is attended to, but does not support that "
    "class. Chefer, Gur and Wolf (arXiv:2103.15679).",
    needs=("attention", "every token", "classes", "gradients"),
)
GRAD_CAM = FigureSpec(
    "Grad-CAM",
    _of_class(grad_cam),
    _draws_of_class("Grad-CAM of patch tokens"),
    _describe_of_class,
    "The patches that support the likeliest class, at the input of the last layer: "
    "their features weighed by the mean gradient of its logit, negative sums set to 0. "
    "Selvaraju et al. (arXiv:1610.02391).",
    needs=("attention", "every token", "classes", "gradients"),
)
NORM_MAPS = FigureSpec(
    "Maps of token norms",
    _measure_norms,
    _draw_norms,
    _describe_norms,
    "The Euclidean norm of each patch's token after the last layer. Single bright "
    "patches on plain background are artefacts of large models, which store global "
    "information there; register tokens remove them. Darcet et al. (arXiv:2309.16588).",
    needs=("attention", "every token"),
)
