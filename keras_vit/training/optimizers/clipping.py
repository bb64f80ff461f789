"""Clipping by the norm of the whole gradient."""

from collections.abc import Sequence
from typing import Any

import tensorflow as tf


def clip_by_global_norm(
    gradients: Sequence[Any], limit: float
) -> tuple[list[Any], Any]:
    """Scale gradients so that their joint norm is at most `limit`.

    Returns:
        The gradients and the norm that they had.
    """
    norm = tf.linalg.global_norm(gradients)
    factor = tf.where(norm < limit, 1.0, limit / norm)
    return [factor * gradient for gradient in gradients], norm
