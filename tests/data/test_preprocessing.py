import numpy as np

from keras_vit.data.preprocessing import resize


def bilinear(image, size):
    """Half-pixel centres, no antialiasing, in NumPy."""

    def weights(new, old):
        centres = np.clip((np.arange(new) + 0.5) * old / new - 0.5, 0, old - 1)
        low = np.minimum(centres.astype(int), max(old - 2, 0))
        matrix = np.zeros((new, old))
        matrix[np.arange(new), low] = 1 - (centres - low)
        matrix[np.arange(new), np.minimum(low + 1, old - 1)] += centres - low
        return matrix

    rows = weights(size[0], image.shape[0])
    columns = weights(size[1], image.shape[1])
    return np.einsum("rh,hwc,sw->rsc", rows, image, columns)


def test_resizing_is_bilinear_without_antialiasing(rng):
    image = rng.integers(0, 256, (9, 14, 3), dtype=np.uint8)
    for size in ((5, 5), (20, 31), (9, 7)):
        np.testing.assert_allclose(
            resize(image, size), bilinear(image, size), atol=1e-3
        )


def test_an_image_of_the_right_size_is_left_alone(rng):
    image = rng.integers(0, 256, (9, 14, 3), dtype=np.uint8)
    assert resize(image, (9, 14)) is image
