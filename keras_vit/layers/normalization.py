"""The normalisations of an encoder, one per row."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras

NORMS: dict[str, Callable[..., keras.layers.Layer]] = {
    "layer": keras.layers.LayerNormalization,  # arXiv:1607.06450
    "rms": keras.layers.RMSNormalization,  # arXiv:1910.07467: neither mean nor bias
}


def normalization(kind: str, epsilon: float, **kwargs: Any) -> keras.layers.Layer:
    """Return a normalisation over the features of each token.

    Args:
        kind: a key of `NORMS`.
        epsilon: what is added to the variance, or to the mean square.
        **kwargs: of the layer, such as its name.

    Raises:
        ValueError: for a kind that there is not.

    Example:

    >>> normalization("rms", 1e-6, name="norm")(keras.KerasTensor((2, 197, 192))).shape
    (2, 197, 192)
    """
    if kind not in NORMS:
        raise ValueError(
            f"norm must be one of {', '.join(NORMS)}. Received: norm={kind!r}"
        )
    return NORMS[kind](epsilon=epsilon, **kwargs)
