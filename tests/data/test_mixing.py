import numpy as np
import pytest
import tensorflow as tf

from keras_vit.data.augmentation import Augmentation
from keras_vit.data.mixing import cutmix_map, mixed, mixture


def led(values):
    """A batch, its last row once more in front, where the first one mixes with it."""
    return np.concatenate([values[-1:], values])


def mixtures(count, augmentation, size):
    """The shares of pixels and of targets in so many batches, by one graph."""

    @tf.function
    def drawn(seeds):
        return tf.map_fn(
            lambda seed: mixture(tf.stack([seed, 3]), augmentation, size),
            seeds,
            fn_output_signature=(tf.float32, tf.float32),
        )

    return [shares.numpy() for shares in drawn(np.arange(count))]


def test_mixing_is_that_of_the_reference(fixtures):
    tables = np.load(fixtures / "mixup.npz")
    for name in ("images", "labels"):
        values = tables[name]
        told = mixed(led(values), tables["a"])
        np.testing.assert_allclose(told, tables[f"mixed_{name}"], rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("p", [0.01, 0.2, 1.0])
def test_the_ratio_of_a_mixture_is_that_of_a_beta_variate(p):
    """Its mean against NumPy's; a small p must not vanish into 0 / 0."""
    mixup = Augmentation(mixup=p)
    _, ratios = mixtures(400, mixup, (4, 4))
    assert np.isfinite(ratios).all()
    assert ((ratios >= 0.5) & (ratios <= 1)).all()
    sample = np.random.default_rng(0).beta(p, p, 200_000)
    sample = np.maximum(sample, 1 - sample)
    assert abs(ratios.mean() - sample.mean()) < 4 * sample.std() / 20 + 1e-3


def box_of_the_paper(share, centre_y, centre_x, height, width):
    """Where the neighbour shows, as the code of arXiv:1905.04899 cuts it out."""
    cut = np.sqrt(1.0 - share)
    cut_w, cut_h = int(width * cut), int(height * cut)
    shown = np.zeros((height, width), bool)
    shown[
        np.clip(centre_y - cut_h // 2, 0, height) : np.clip(
            centre_y + cut_h // 2, 0, height
        ),
        np.clip(centre_x - cut_w // 2, 0, width) : np.clip(
            centre_x + cut_w // 2, 0, width
        ),
    ] = True
    return shown


@pytest.mark.parametrize("size", [(20, 30), (32, 32), (5, 3)])
def test_cutmix_cuts_the_box_of_its_paper(rng, size):
    for _ in range(50):
        share, centre = rng.random(dtype=np.float32), rng.random(2, dtype=np.float32)
        places = (centre * np.float32(size)).astype(int)
        expected = box_of_the_paper(share, *places, *size)
        np.testing.assert_array_equal(
            cutmix_map(share, centre, size)[..., 0] == 0, expected
        )


def test_the_rest_of_cutmix_is_the_share_of_the_target(rng):
    images = rng.random((4, 12, 16, 3), dtype=np.float32)
    neighbours = np.roll(images, 1, axis=0)
    targets = np.eye(4, dtype=np.float32)
    for step in range(10):
        shares = mixture((0, step), Augmentation(cutmix=1.0), (12, 16))
        pixels = mixed(led(images), shares[0]).numpy()
        told = mixed(led(targets), shares[1]).numpy()
        own = (pixels == images).all(-1)
        other = (pixels == neighbours).all(-1)
        assert (own | other).all()
        np.testing.assert_allclose(np.diag(told), own.mean((1, 2)), atol=1e-6)
        np.testing.assert_allclose(told.sum(1), 1, atol=1e-6)


def test_the_share_of_cutmix_is_that_of_a_beta_variate():
    """A small p keeps all, or next to nothing."""
    rare = Augmentation(cutmix=0.01)
    maps, _ = mixtures(200, rare, (32, 32))
    whole = np.mean([one.all() for one in maps])
    assert abs(whole - 0.5) < 4 * 0.5 / 200**0.5


def test_with_both_each_batch_has_one_with_even_chances():
    both = Augmentation(mixup=1.0, cutmix=1.0)
    maps, _ = mixtures(200, both, (6, 8))
    kinds = [set(np.unique(pixels)) <= {0, 1} for pixels in maps]
    assert abs(np.mean(kinds) - 0.5) < 4 * 0.5 / 200**0.5


def test_levels_are_mixed_in_float32(rng):
    levels = rng.integers(0, 256, (3, 4, 4, 3), dtype=np.uint8)
    told = mixed(tf.constant(levels), 0.25)
    assert told.dtype == tf.float32
    np.testing.assert_array_equal(told, 0.25 * levels[1:] + 0.75 * levels[:-1])
