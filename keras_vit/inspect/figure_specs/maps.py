"""Figures over pictures: rollout, heads, class-discriminative maps, norms."""

import numpy as np

from keras_vit.inspect.figure_specs.spec import FigureSpec
from keras_vit.inspect.heads import head_maps
from keras_vit.inspect.relevance import grad_cam, gradient_rollout
from keras_vit.inspect.rollouts import attention_rollout
from keras_vit.inspect.tokens import token_norms

EVEN = "Share of what is read (1: as if all patches were read alike)"
READER = {
    "token": "the class token",
    "gap": "the mean of the patches",
    "map": "the pooling's own attention",
}


def _measure_rollout(inspection):
    shares = attention_rollout(inspection.model, inspection.shown, **inspection.rollout)
    return {"shares": shares, "times_even": shares * shares[0].size}


def _draw_rollout(numbers, inspection):
    return _over_pictures(inspection, numbers["times_even"], "Attention rollout", EVEN)


def _tell_rollout(numbers, inspection):
    least, most = numbers["times_even"].min(), numbers["times_even"].max()
    told = (
        f"Read by {READER[inspection.pooling]}; single patches have {least:.2g} to "
        f"{most:.2g} times an even share."
    )
    choices = inspection.rollout
    if choices["fusion"] != "mean":
        told += f" Of the heads, the {choices['fusion']} is taken."
    if choices["discard"]:
        told += f" The smallest {100 * choices['discard']:g} % are left out."
    if not choices["residual"]:
        told += " Residual connections are left out."
    return told


def _measure_heads(inspection):
    shares = head_maps(inspection.model, inspection.shown[:1])
    return {"shares": shares, "times_even": shares * shares[0, 0, 0].size}


def _draw_heads(numbers, inspection):
    from keras_vit import figures

    return figures.head_maps(
        inspection.shown[0],
        numbers["times_even"][:, 0],
        inspection.cell,
        inspection.image_names[0],
        f"What each head reads: {inspection.name}",
        "Share (1: even)",
    )


def _tell_heads(numbers, inspection):
    layers, _, heads = numbers["shares"].shape[:3]
    peaks = numbers["times_even"][:, 0].max((-2, -1))
    layer, head = np.unravel_index(peaks.argmax(), peaks.shape)
    return (
        f"{layers} layers of {heads} heads, read by {READER[inspection.pooling]}. Head "
        f"{head + 1} of layer {layer + 1} is the most pointed: {peaks.max():.3g} times "
        "an even share on one patch."
    )


def _of_class(method):
    def measure(inspection):
        maps = np.asarray(
            method(inspection.model, inspection.shown, inspection.predicted)
        )
        largest = maps.max((1, 2), keepdims=True)
        relative = maps / np.where(largest > 0, largest, 1)
        likeliest = inspection.probabilities.max(-1)
        numbers = {"maps": maps, "relative": relative, "classes": inspection.predicted}
        return numbers | {"probabilities": likeliest}

    return measure


def _draws_of_class(title):
    def draw(numbers, inspection):
        names = []
        for place, number in enumerate(numbers["classes"]):
            share = f"{100 * numbers['probabilities'][place]:.1f} %"
            predicted = f"predicted, {share}: {inspection.class_name(number)}"
            names.append(f"{inspection.image_names[place]}\n{predicted}")
        label = "Relevance, relative to the picture's largest"
        return _over_pictures(inspection, numbers["relative"], title, label, names)

    return draw


def _tell_of_class(numbers, inspection):
    silent = int((numbers["maps"].max((1, 2)) <= 0).sum())
    names = dict.fromkeys(map(inspection.class_name, numbers["classes"]))
    told = f"Each map speaks for the likeliest class: {', '.join(names)}."
    if silent:
        told += f" {silent} of {len(numbers['maps'])} maps are zero everywhere."
    return told


def _measure_norms(inspection):
    return {"norms": np.asarray(token_norms(inspection.model, inspection.shown))[-1]}


def _draw_norms(numbers, inspection):
    title = "Norms of the patches' last tokens"
    norms = numbers["norms"]
    limits = float(norms.min()), float(norms.max())
    return _over_pictures(inspection, norms, title, "Euclidean norm", limits=limits)


def _tell_norms(numbers, inspection):
    norms = numbers["norms"]
    return (
        f"From {norms.min():.3g} to {norms.max():.3g}, median {np.median(norms):.3g}."
    )


def _over_pictures(inspection, maps, title, label, names=None, limits=None):
    from keras_vit import figures

    height, width = inspection.cell
    return figures.maps_over_pictures(
        inspection.shown,
        maps,
        inspection.cell,
        names or inspection.image_names,
        f"{title}: {inspection.name}, cells of {height:g} x {width:g} pixels",
        label,
        limits,
    )


ROLLOUT = FigureSpec(
    "Attention rollout",
    _measure_rollout,
    _draw_rollout,
    _tell_rollout,
    "How much of each patch reaches what the head reads: the attention of all layers "
    "multiplied, with their residual connections. Bright patches count most; 1 is what "
    "each would have if all counted alike. Section 4.5, Fig. 6 and appendix D.8 of the "
    "ViT paper, after Abnar and Zuidema (arXiv:2005.00928).",
    ("attention", "every token"),
)
HEADS = FigureSpec(
    "What each head reads",
    _measure_heads,
    _draw_heads,
    _tell_heads,
    "The attention of each head of each layer alone, over the first picture. The "
    "scale is logarithmic: dark is a tenth of an even share or less, bright ten times "
    "that share or more. Heads that are evenly coloured look at everything; heads with "
    "a few bright patches pick. Eq. 6 of the ViT paper.",
    ("attention", "every token"),
)
GRADIENTS = FigureSpec(
    "Gradient-weighted rollout",
    _of_class(gradient_rollout),
    _draws_of_class("Gradient-weighted rollout"),
    _tell_of_class,
    "A rollout in which attention counts by what it does for the logit of the "
    "likeliest class, so that it differs from class to class. Compare it with the "
    "rollout above: what is bright there and dark here is read, but not for that "
    "class. Chefer, Gur and Wolf (arXiv:2103.15679).",
    ("attention", "every token", "classes", "gradients"),
)
GRAD_CAM = FigureSpec(
    "Grad-CAM",
    _of_class(grad_cam),
    _draws_of_class("Grad-CAM on the patches' tokens"),
    _tell_of_class,
    "The patches that speak for the likeliest class as they enter the last layer: "
    "their features weighed by the mean gradient of its logit, what speaks against it "
    "left out. Selvaraju et al. (arXiv:1610.02391).",
    ("attention", "every token", "classes", "gradients"),
)
NORM_MAPS = FigureSpec(
    "Where tokens are long",
    _measure_norms,
    _draw_norms,
    _tell_norms,
    "The Euclidean norm of each patch's token after the last layer. Single bright "
    "patches on empty ground are the artefacts of large models, which use such "
    "patches as notes; register tokens cure them. Darcet et al. (arXiv:2309.16588).",
    ("attention", "every token"),
)
