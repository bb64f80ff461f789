"""Figures over pictures: rollout, heads, class-discriminative maps, norms."""

import numpy as np

from keras_vit.inspect.heads import head_maps
from keras_vit.inspect.looks.look import Look
from keras_vit.inspect.relevance import grad_cam, gradient_rollout
from keras_vit.inspect.rollout import attention_rollout
from keras_vit.inspect.tokens import token_norms

EVEN = "Share of what is read (1: as if all patches were read alike)"
READER = {
    "token": "the class token",
    "gap": "the mean of the patches",
    "map": "the pooling's own attention",
}


def _measure_rollout(subject):
    shares = attention_rollout(subject.model, subject.shown, **subject.rollout)
    return {"shares": shares, "times_even": shares * shares[0].size}


def _draw_rollout(numbers, subject):
    return _over_pictures(subject, numbers["times_even"], "Attention rollout", EVEN)


def _tell_rollout(numbers, subject):
    least, most = numbers["times_even"].min(), numbers["times_even"].max()
    told = (
        f"Read by {READER[subject.pooling]}; single patches have {least:.2g} to "
        f"{most:.2g} times an even share."
    )
    choices = subject.rollout
    if choices["fusion"] != "mean":
        told += f" Of the heads, the {choices['fusion']} is taken."
    if choices["discard"]:
        told += f" The smallest {100 * choices['discard']:g} % are left out."
    if not choices["residual"]:
        told += " Residual connections are left out."
    return told


def _measure_heads(subject):
    shares = head_maps(subject.model, subject.shown[:1])
    return {"shares": shares, "times_even": shares * shares[0, 0, 0].size}


def _draw_heads(numbers, subject):
    from keras_vit import figures

    return figures.head_maps(
        subject.shown[0],
        numbers["times_even"][:, 0],
        subject.cell,
        subject.image_names[0],
        f"What each head reads: {subject.name}",
        "Share (1: even)",
    )


def _tell_heads(numbers, subject):
    layers, _, heads = numbers["shares"].shape[:3]
    peaks = numbers["times_even"][:, 0].max((-2, -1))
    layer, head = np.unravel_index(peaks.argmax(), peaks.shape)
    return (
        f"{layers} layers of {heads} heads, read by {READER[subject.pooling]}. Head "
        f"{head + 1} of layer {layer + 1} is the most pointed: {peaks.max():.3g} times "
        "an even share on one patch."
    )


def _of_class(method):
    def measure(subject):
        maps = np.asarray(method(subject.model, subject.shown, subject.answers))
        largest = maps.max((1, 2), keepdims=True)
        relative = maps / np.where(largest > 0, largest, 1)
        likeliest = subject.probabilities.max(-1)
        numbers = {"maps": maps, "relative": relative, "classes": subject.answers}
        return numbers | {"probabilities": likeliest}

    return measure


def _draws_of_class(title):
    def draw(numbers, subject):
        names = []
        for place, number in enumerate(numbers["classes"]):
            share = f"{100 * numbers['probabilities'][place]:.1f} %"
            predicted = f"predicted, {share}: {subject.class_name(number)}"
            names.append(f"{subject.image_names[place]}\n{predicted}")
        label = "Relevance, relative to the picture's largest"
        return _over_pictures(subject, numbers["relative"], title, label, names)

    return draw


def _tell_of_class(numbers, subject):
    silent = int((numbers["maps"].max((1, 2)) <= 0).sum())
    names = dict.fromkeys(map(subject.class_name, numbers["classes"]))
    told = f"Each map speaks for the likeliest class: {', '.join(names)}."
    if silent:
        told += f" {silent} of {len(numbers['maps'])} maps are zero everywhere."
    return told


def _measure_norms(subject):
    return {"norms": np.asarray(token_norms(subject.model, subject.shown))[-1]}


def _draw_norms(numbers, subject):
    title = "Norms of the patches' last tokens"
    norms = numbers["norms"]
    limits = float(norms.min()), float(norms.max())
    return _over_pictures(subject, norms, title, "Euclidean norm", limits=limits)


def _tell_norms(numbers, subject):
    norms = numbers["norms"]
    return (
        f"From {norms.min():.3g} to {norms.max():.3g}, median {np.median(norms):.3g}."
    )


def _over_pictures(subject, maps, title, label, names=None, limits=None):
    from keras_vit import figures

    height, width = subject.cell
    return figures.maps_over_pictures(
        subject.shown,
        maps,
        subject.cell,
        names or subject.image_names,
        f"{title}: {subject.name}, cells of {height:g} x {width:g} pixels",
        label,
        limits,
    )


ROLLOUT = Look(
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
HEADS = Look(
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
GRADIENTS = Look(
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
GRAD_CAM = Look(
    "Grad-CAM",
    _of_class(grad_cam),
    _draws_of_class("Grad-CAM on the patches' tokens"),
    _tell_of_class,
    "The patches that speak for the likeliest class as they enter the last layer: "
    "their features weighed by the mean gradient of its logit, what speaks against it "
    "left out. Selvaraju et al. (arXiv:1610.02391).",
    ("attention", "every token", "classes", "gradients"),
)
NORM_MAPS = Look(
    "Where tokens are long",
    _measure_norms,
    _draw_norms,
    _tell_norms,
    "The Euclidean norm of each patch's token after the last layer. Single bright "
    "patches on empty ground are the artefacts of large models, which use such "
    "patches as notes; register tokens cure them. Darcet et al. (arXiv:2309.16588).",
    ("attention", "every token"),
)
