"""Corrupting patch embeddings, for masked patch prediction (appendix B.1.2).

B images, N patches each, M of them corrupted, D features of an embedding.
"""

from __future__ import annotations

from typing import Any

import tensorflow as tf

CORRUPTED = 0.5  # of the patches
MASKED, EXCHANGED = 0.8, 0.1  # of those; the rest is kept as it is
_NUMBERS = 3  # for a patch: its rank, what becomes of it, which other it is


def num_draws(num_patches: int) -> int:
    """Return how many random numbers an image needs."""
    return _NUMBERS * num_patches


def num_corrupted(num_patches: int) -> int:
    """Return M: half of the patches, rounded down.

    Raises:
        ValueError: if that is none.
    """
    count = int(CORRUPTED * num_patches)
    if not count:
        raise ValueError(
            "Masked patch prediction needs images of at least 2 patches. "
            f"Received: {num_patches}"
        )
    return count


def corrupted(z: Any, mask_embedding: Any, draws: Any) -> tuple[Any, Any]:
    """Corrupt half of the patch embeddings of each image.

    The image's own random numbers alone determine which patches are corrupted,
    what each becomes and which other one replaces it. A patch is corrupted if
    its number is among the M largest. It becomes the [mask] embedding with a
    chance of 80 %, one of the N - 1 others of its image, all equally likely,
    with 10 %, and stays as it is with 10 %.

    Args:
        z: the embeddings, without positions, `(B, N, D)`.
        mask_embedding: a trained vector, `(D,)`.
        draws: numbers in [0, 1), `(B, 3 N)`: each patch's for its rank, then
            each patch's for what becomes of it, then for which other it is.

    Returns:
        The embeddings, `(B, N, D)`, and which patches are corrupted, int32
        `(B, M)`.

    Example:

    >>> z, draws = tf.ones((1, 4, 2)), tf.constant([[0.1, 0.7, 0.2, 0.5] + 8 * [0.0]])
    >>> z, chosen = corrupted(z, tf.zeros(2), draws)
    >>> z[0, :, 0].numpy(), chosen.numpy()
    (array([1., 0., 1., 0.], dtype=float32), array([[1, 3]], dtype=int32))
    """
    count = z.shape[1]
    rank, fate, other = tf.split(draws, _NUMBERS, axis=1)
    _, chosen = tf.math.top_k(rank, num_corrupted(count))
    hit = tf.reduce_sum(tf.one_hot(chosen, count), axis=1) > 0  # (B, N)
    masked = hit & (fate < MASKED)
    exchanged = hit & (fate >= MASKED) & (fate < MASKED + EXCHANGED)
    ahead = 1 + tf.cast(other * (count - 1), tf.int32)  # 1 to N - 1
    others = tf.gather(z, (tf.range(count) + ahead) % count, batch_dims=1)
    z = tf.where(tf.expand_dims(exchanged, -1), others, z)
    mask = tf.cast(mask_embedding, z.dtype)
    return tf.where(tf.expand_dims(masked, -1), mask, z), chosen
