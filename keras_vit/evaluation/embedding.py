"""Frozen features as a picture: each image a point of a plane."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from keras_vit import figures
from keras_vit.evaluation.features import lacks
from keras_vit.evaluation.parts import Part
from keras_vit.evaluation.threads import threads_for

if TYPE_CHECKING:
    from keras_vit.evaluation.context import Context

MOST_IMAGES = 2000  # in a picture
FEWEST_IMAGES = 4
COMPONENTS = 50  # that t-SNE starts from, as its authors advise


@dataclass(frozen=True)
class Embedding:
    """Places of N images in two planes.

    Attributes:
        components: the first two principal components, `(N, 2)`, in the
            features' unit.
        shares: of the variance, that each of the two holds.
        neighbourhood: `(N, 2)` by t-SNE, in which only distances between
            neighbours mean something.
    """

    components: np.ndarray
    shares: tuple[float, float]
    neighbourhood: np.ndarray


def embed(features: np.ndarray, seed: int = 0) -> Embedding:
    """Place features in the plane, by principal components and by t-SNE.

    t-SNE (van der Maaten and Hinton 2008) begins from the first two principal
    components, with a perplexity of 30 or a third of the images.

    Args:
        features: `(N, D)`, N of at least 4, D of at least 2. t-SNE takes a
            minute for some 10,000.
        seed: of what is drawn.

    Returns:
        An `Embedding`; where all features are the same, all places are 0.

    Raises:
        ValueError: for fewer images or features.

    Example:

    >>> embed(np.random.default_rng(0).normal(size=(20, 8))).components.shape
    (20, 2)
    """
    from sklearn.decomposition import PCA
    from sklearn.manifold import TSNE

    features = np.asarray(features, np.float32)
    if features.ndim != 2 or len(features) < FEWEST_IMAGES or features.shape[1] < 2:
        raise ValueError(
            f"Expected two features or more of {FEWEST_IMAGES} images or more, (N, D). "
            f"Received: {features.shape}"
        )
    if (features == features[0]).all():  # they have one place
        nowhere = np.zeros((len(features), 2), np.float32)
        return Embedding(nowhere, (0.0, 0.0), nowhere)
    components = PCA(min(COMPONENTS, *features.shape), random_state=seed)
    places = components.fit_transform(features)
    first, second = components.explained_variance_ratio_[:2].tolist()
    perplexity = min(30.0, (len(features) - 1) / 3)
    neighbourhood = TSNE(
        perplexity=perplexity, init="pca", learning_rate="auto", random_state=seed
    )
    with threads_for(len(features) ** 2):
        found = neighbourhood.fit_transform(places)
    return Embedding(places[:, :2], (first, second), found)


def lacks_embedding(context: Context) -> str | None:
    """Return why a `Context` cannot be shown as an embedding, if so."""
    reason = lacks(context)
    if reason is None and len(context.dataset.test) < FEWEST_IMAGES:
        return f"the test split has fewer than {FEWEST_IMAGES} images"
    return reason


def embedding_part(context: Context) -> Part:
    """Return a `Part` of the places of the test images, at most `MOST_IMAGES`."""
    features, labels = context.features_and_labels("test")
    split, names = context.dataset.test, context.dataset.class_names
    order = np.random.default_rng(context.seed).permutation(len(labels))
    shown = np.sort(order[:MOST_IMAGES])
    found = embed(features[shown], context.seed)
    rows = [
        {
            "image": split.name(index),
            "class": names[labels[index]],
            "component_1": float(component[0]),
            "component_2": float(component[1]),
            "t_sne_1": float(place[0]),
            "t_sne_2": float(place[1]),
        }
        for index, component, place in zip(
            shown, found.components, found.neighbourhood, strict=True
        )
    ]
    first, second = (100 * share for share in found.shares)
    title = (
        f"{len(shown):,} test images by t-SNE and by their first principal components, "
        f"which hold {first:.1f} % and {second:.1f} % of the variance"
    )
    drawn = {"embedding": lambda: figures.embedding(rows, names, found.shares)}
    return Part("embedding", title, tuple(rows), drawn)
