import numpy as np

from keras_vit.layers import StochasticDepth


def test_a_branch_is_dropped_for_whole_images_and_the_mean_stays():
    layer = StochasticDepth(rate=0.25, seed=1)
    kept = np.asarray(layer(np.ones((4000, 3, 2), "float32"), training=True))
    assert set(np.unique(kept)) == {np.float32(0), np.float32(1 / 0.75)}
    of_image = kept.reshape(4000, -1)
    assert (of_image == of_image[:, :1]).all()
    assert abs((of_image[:, 0] == 0).mean() - 0.25) < 0.03
    assert abs(kept.mean() - 1) < 0.03


def test_each_call_draws_anew_and_inference_drops_nothing():
    layer, ones = StochasticDepth(rate=0.5, seed=1), np.ones((64, 2), "float32")
    first, second = (np.asarray(layer(ones, training=True)) for _ in range(2))
    assert (first != second).any()
    np.testing.assert_array_equal(layer(ones), ones)
