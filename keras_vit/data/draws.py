"""Random numbers by their place: any of them, in any order, at once."""

import numpy as np
import tensorflow as tf

# SplitMix64 (Steele, Lea and Flood, 2014): the step from one state to the next,
# and the two multipliers of the function that scrambles a state.
STEP = 0x9E3779B97F4A7C15
FIRST, SECOND = 0xBF58476D1CE4E5B9, 0x94D049BB133111EB


def uniforms(seed: int | tf.Tensor, places: tf.Tensor, count: int) -> tf.Tensor:
    """Draw so many numbers for each place.

    Those of a place depend on nothing but the seed and the place. Place p has
    the numbers p x count to (p + 1) x count of a SplitMix64 generator.

    Args:
        seed: an integer.
        places: integers, at least 0, `(B,)`.
        count: how many numbers each place has.

    Returns:
        float32 in [0, 1), `(B, count)`, of 24 random bits each.

    Example:

    >>> there = uniforms(seed=0, places=tf.constant([5, 2**40]), count=3)
    >>> (there[1] == uniforms(0, tf.constant([2**40]), 3)[0]).numpy()
    array([ True,  True,  True])
    """
    return tf.cast(_shifted(bits(seed, places, count), 40), tf.float32) * 2.0**-24


def bits(seed: int | tf.Tensor, places: tf.Tensor, count: int) -> tf.Tensor:
    """Draw so many numbers of 64 bits for each place, as `uniforms` does.

    Returns:
        uint64 `(B, count)`.
    """
    numbers = tf.cast(places, tf.uint64)[:, None] * count
    numbers += np.arange(1, count + 1, dtype=np.uint64)
    start = _scrambled(tf.cast(seed, tf.uint64) * STEP)
    return _scrambled(start + numbers * STEP)


def _scrambled(state):
    state = (state ^ _shifted(state, 30)) * FIRST
    state = (state ^ _shifted(state, 27)) * SECOND
    return state ^ _shifted(state, 31)


def _shifted(state, bits):
    return tf.bitwise.right_shift(state, tf.constant(bits, tf.uint64))
