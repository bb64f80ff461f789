"""What scikit-learn estimates from features. Nothing else imports it."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

SMALL = 10**9  # multiplications, for which threads wait longer than they work
ITERATIONS = 1000  # of L-BFGS, as in CLIP's linear probes


class LogisticRegression:
    """Multinomial logistic regression by L-BFGS, from where the last fit ended.

    It minimises the sum of the cross-entropies of the images, in nats, and
    l2 / 2 times the sum of the squared weights, the biases left out.

    Example:

    >>> x, y = np.array([[0.0], [1.0], [2.0], [3.0]]), np.array([0, 0, 1, 1])
    >>> regression = LogisticRegression()
    >>> regression.fit(x, y, l2=0.01)
    >>> regression.predict(x)
    array([0, 0, 1, 1])
    """

    def __init__(self) -> None:
        from sklearn import linear_model

        self._model: Any = linear_model.LogisticRegression(
            solver="lbfgs", max_iter=ITERATIONS, warm_start=True
        )

    def fit(self, features: np.ndarray, labels: np.ndarray, l2: float) -> None:
        """Fit `(N, D)` features to `(N,)` classes, of which there are two or more."""
        from sklearn.exceptions import ConvergenceWarning

        self._model.set_params(C=1 / l2)
        with warnings.catch_warnings():
            # Hardly regularised, weights grow for ever; predictions stay the same.
            warnings.simplefilter("ignore", ConvergenceWarning)
            with _threads(features.size * len(np.unique(labels))):
                self._model.fit(features, labels)

    def predict(self, features: np.ndarray) -> np.ndarray:
        """Return the likeliest class of each, `(N,)`."""
        return self._model.predict(features)


def principal_components(
    features: np.ndarray, count: int, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Project features on their first principal components.

    Args:
        features: `(N, D)`.
        count: at most N and D.
        seed: of what is drawn where features are many.

    Returns:
        `(N, count)`, and the share of the variance that each component holds,
        `(count,)`.

    Example:

    >>> places, shares = principal_components(np.outer(np.arange(4.0), [3, 4]), 1)
    >>> places.shape, shares.round(6)
    ((4, 1), array([1.]))
    """
    from sklearn.decomposition import PCA

    fit = PCA(count, random_state=seed)
    places = fit.fit_transform(features)
    return places, fit.explained_variance_ratio_


def t_sne(features: np.ndarray, seed: int = 0) -> np.ndarray:
    """Place features in the plane, similar ones close together.

    t-SNE (van der Maaten and Hinton 2008), begun from the first two principal
    components, with a perplexity of 30 or a third of the images.

    Args:
        features: `(N, D)`, N of at least 4.
        seed: of what is drawn.

    Returns:
        `(N, 2)`.

    Example:

    >>> t_sne(np.arange(24.0).reshape(8, 3)).shape
    (8, 2)
    """
    from sklearn.manifold import TSNE

    perplexity = min(30.0, (len(features) - 1) / 3)
    fit = TSNE(
        perplexity=perplexity, init="pca", learning_rate="auto", random_state=seed
    )
    with _threads(len(features) ** 2):
        return fit.fit_transform(features)


def _threads(multiplications: int) -> Any:
    """One thread for small work, whatever else the machine does; else all."""
    from threadpoolctl import threadpool_limits

    return threadpool_limits(1 if multiplications < SMALL else None)
