"""Models of other Keras packages, by what those packages gave."""

import numpy as np
import pytest
from test_examples import load

take_over = load("take_over")


def theirs(fixtures, package):
    """Arrays by path, pixels, and the logits for pixels between -1 and 1.

    Of a model of two blocks and a pre-logits layer with random weights, by
    vit-keras 0.2.0 and KerasHub 0.32.0.
    """
    stored = np.load(fixtures / f"{package}_model.npz")
    arrays = {
        name.removeprefix("weights/"): stored[name]
        for name in stored
        if name.startswith("weights/")
    }
    return arrays, stored["pixels"], stored["logits"]


@pytest.mark.parametrize(("package", "heads"), [("vit_keras", 3), ("keras_hub", None)])
def test_a_model_that_is_taken_over_gives_their_logits_for_plain_pixels(
    fixtures, package, heads
):
    arrays, pixels, logits = theirs(fixtures, package)
    model = take_over.taken_over(arrays, pixels.shape[1:3], heads)
    np.testing.assert_allclose(model(pixels), logits, atol=1e-5)


def test_weights_that_a_vit_has_no_place_for_are_told(fixtures):
    arrays, pixels, _ = theirs(fixtures, "keras_hub")
    arrays["vit_encoder/adapter/kernel"] = np.zeros((2, 2))
    with pytest.raises(ValueError, match="No place for vit_encoder/adapter/kernel"):
        take_over.taken_over(arrays, pixels.shape[1:3])
