"""Batch normalisation with PyTorch's numbers."""

from __future__ import annotations

from typing import Any

import keras

EPSILON = 1e-5
MOMENTUM = 0.9  # what is kept of a running statistic; PyTorch's 0.1 is what is new


def batch_norm(**kwargs: Any) -> keras.layers.BatchNormalization:
    """Return batch normalisation of the last axis, as `torch.nn.BatchNorm2d` has it.

    Args:
        **kwargs: of `keras.layers.BatchNormalization`.

    Example:

    >>> batch_norm(name="norm").epsilon
    1e-05
    """
    return keras.layers.BatchNormalization(momentum=MOMENTUM, epsilon=EPSILON, **kwargs)
