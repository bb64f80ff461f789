import math

import numpy as np
import pytest
from conftest import randomize, tiny_vit

from keras_vit import recipes
from keras_vit.training.optimizer import WarmupCosine, adamw


def test_the_rate_grows_linearly_and_falls_along_a_cosine():
    rate = WarmupCosine(0.03, total_steps=100, warmup_steps=20)
    assert float(rate(0)) == 0
    assert float(rate(5)) == pytest.approx(0.03 / 4)
    assert float(rate(20)) == pytest.approx(0.03)
    assert float(rate(40)) == pytest.approx(0.03 * (1 + math.cos(math.pi / 4)) / 2)
    assert float(rate(60)) == pytest.approx(0.015)
    assert float(rate(100)) == pytest.approx(0, abs=1e-9)


def test_without_a_warm_up_the_first_rate_is_the_largest():
    assert float(WarmupCosine(0.03, total_steps=100)(0)) == pytest.approx(0.03)


@pytest.mark.parametrize("warmup", [100, 120, -1])
def test_a_warm_up_as_long_as_the_run_is_refused(warmup):
    with pytest.raises(ValueError, match=f"warmup_steps={warmup}, 100 steps"):
        WarmupCosine(0.03, total_steps=100, warmup_steps=warmup)


def test_the_whole_gradient_is_clipped(rng):
    """AdamW hides a scale, so the clipped gradient is caught on its way."""
    recipe = recipes.override(recipes.get("fashion_mnist"), ["clip_norm=0.5"])
    model = randomize(tiny_vit(num_layers=1), rng)
    optimizer = adamw(model, recipe, total_steps=1000)
    seen = []
    optimizer.update_step = lambda gradient, weight, rate: seen.append(gradient)
    gradients = [weight.value + 0 for weight in model.trainable_variables]
    norm = np.sqrt(sum((np.asarray(one) ** 2).sum() for one in gradients))
    assert norm > 0.5
    optimizer.apply(gradients, model.trainable_variables)
    for one, clipped in zip(gradients, seen, strict=True):
        np.testing.assert_allclose(clipped, one * (0.5 / norm), rtol=1e-4, atol=1e-7)


def test_decay_shrinks_kernels_and_leaves_the_rest(rng):
    recipe = recipes.override(
        recipes.get("fashion_mnist"),
        ["weight_decay=0.5", "base_lr=0.1", "warmup_steps=0"],
    )
    model = randomize(
        tiny_vit(num_registers=1, layer_scale=0.1, pooling="map", qk_norm=True), rng
    )
    before = {weight.path: weight.numpy() for weight in model.weights}
    optimizer = adamw(model, recipe, total_steps=1000)
    gradients = [0 * weight.value for weight in model.trainable_variables]
    optimizer.apply(gradients, model.trainable_variables)
    for weight in model.trainable_variables:
        # Without a gradient, all that AdamW does is w -= rate decay w.
        factor = 0.95 if weight.path.endswith("kernel") else 1
        np.testing.assert_allclose(
            weight.numpy(), factor * before[weight.path], rtol=1e-5, err_msg=weight.path
        )
