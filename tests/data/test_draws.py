import numpy as np
import tensorflow as tf

from keras_vit.data.draws import uniforms

MASK = 2**64 - 1


def splitmix64(state):
    """The generator as its authors describe it, in Python's own integers."""
    while True:
        state = (state + 0x9E3779B97F4A7C15) & MASK
        z = state
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
        yield z ^ (z >> 31)


def test_the_oracle_gives_the_published_numbers():
    """The first outputs for the seed 1234567, as Java's and others' tests have them."""
    generator = splitmix64(1234567)
    assert [next(generator) for _ in range(3)] == [
        6457827717110365317,
        3203168211198807973,
        9817491932198370423,
    ]


def test_the_numbers_of_a_place_are_those_of_the_generator():
    for seed in (0, 1, 2**31):
        # The scrambled seed: what the generator gives from one step before it.
        start = next(splitmix64((seed - 1) * 0x9E3779B97F4A7C15 & MASK))
        generator = splitmix64(start)
        expected = [[(next(generator) >> 40) / 2**24 for _ in range(5)] for _ in "abc"]
        np.testing.assert_array_equal(uniforms(seed, tf.range(3), 5), expected)


def test_a_place_has_its_numbers_in_whatever_company():
    places = np.array([7, 0, 2**40, 7, 10**12])
    together = uniforms(3, places, 4).numpy()
    for place, numbers in zip(places, together, strict=True):
        np.testing.assert_array_equal(uniforms(3, [place], 4)[0], numbers)


def test_numbers_are_even_and_do_not_follow_each_other():
    drawn = uniforms(1, tf.range(100_000), 8).numpy().astype(float)
    assert drawn.min() >= 0
    assert drawn.max() < 1
    counts = np.stack([np.histogram(x, 20, (0, 1))[0] for x in drawn.T])
    assert np.abs(counts - 5000).max() < 5 * 5000**0.5
    correlation = np.corrcoef(np.concatenate([drawn[:-1].T, drawn[1:].T]))
    assert np.abs(correlation - np.eye(16)).max() < 5 / 100_000**0.5


def test_seeds_have_numbers_of_their_own():
    drawn = np.stack([uniforms(seed, tf.range(1000), 1)[:, 0] for seed in range(8)])
    assert np.abs(np.corrcoef(drawn) - np.eye(8)).max() < 5 / 1000**0.5
