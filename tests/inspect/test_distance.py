import math

import numpy as np
import pytest

from keras_vit import inspect
from support.models import randomize, tiny_vit
from support.often import often

IMAGES = np.random.default_rng(1).uniform(0, 255, (5, 16, 24, 3)).astype("float32")


def walked(attention, grid, cell):
    """The mean distance of one head on one image, pair by pair of patches."""
    rows, columns = grid
    others = len(attention) - rows * columns
    total = 0.0
    for i in range(rows * columns):
        weights = [attention[others + i][others + j] for j in range(rows * columns)]
        for j, weight in enumerate(weights):
            down = (i // columns - j // columns) * cell[0]
            right = (i % columns - j % columns) * cell[1]
            total += weight / sum(weights) * math.hypot(down, right)
    return total / (rows * columns)


def test_uniform_attention_on_14_x_14_patches_reaches_as_far_as_pairs_are_apart():
    """117.0 pixels: 0.52 of the side of 224, as of two points in a square."""
    places = [(16 * i, 16 * j) for i in range(14) for j in range(14)]
    expected = sum(math.dist(p, q) for p in places for q in places) / 196**2
    uniform = np.full((1, 2, 197, 197), 1 / 197, np.float32)
    distances = inspect.mean_distance(uniform, (14, 14), (16, 16))
    np.testing.assert_allclose(distances, expected, rtol=1e-5)
    assert expected == pytest.approx(0.5214 * 224, rel=0.01)


def test_attention_to_oneself_reaches_0_and_to_a_neighbour_one_cell():
    identity = np.eye(7, dtype=np.float32)[None]
    assert float(inspect.mean_distance(identity, (2, 3), (16, 8))[0]) == 0
    neighbour = np.zeros((1, 4, 4), np.float32)
    neighbour[0, [0, 1, 2, 3], [1, 0, 3, 2]] = 1  # left and right change places
    assert float(inspect.mean_distance(neighbour, (2, 2), (16, 8))[0]) == 8
    neighbour = neighbour[:, [2, 3, 0, 1]]  # across, one row and one column away
    distance = float(inspect.mean_distance(neighbour, (2, 2), (16, 8))[0])
    assert distance == pytest.approx(math.hypot(16, 8))


@pytest.mark.parametrize(
    "arguments",
    often(
        [
            {},
            {"patch_size": (4, 12), "pooling": "gap"},
            {"num_registers": 3, "distillation": True},
            {"image_size": (16, 24), "pooling": "map", "patch_size": (16, 4)},
        ],
        [{"num_registers": 3, "distillation": True}],
    ),
)
def test_the_distance_is_that_of_pairs_of_patches_one_by_one(arguments, rng):
    model = randomize(tiny_vit(**arguments), rng)
    grid = model.get_layer("patch_encoder").grid
    cell = model.get_layer("patches").patch_size
    expected = [
        [np.mean([walked(a[b, h], grid, cell) for b in range(5)]) for h in range(2)]
        for a in inspect.attention_maps(model, IMAGES)
    ]
    received = inspect.attention_distance(model, IMAGES)
    np.testing.assert_allclose(received, expected, rtol=1e-5)


def test_batches_of_any_size_have_the_same_distance(rng):
    model = randomize(tiny_vit(), rng)
    whole = inspect.attention_distance(model, IMAGES)
    cut = inspect.attention_distance(model, IMAGES, batch_size=2)
    np.testing.assert_allclose(cut, whole, rtol=1e-6)
    stream = (IMAGES[i : i + 1] for i in range(5))
    np.testing.assert_allclose(
        inspect.attention_distance(model, stream), whole, rtol=1e-6
    )


def test_a_batch_is_asked_for_when_the_one_before_it_is_done(rng):
    """So no more than one is in memory, whatever a stream holds."""
    model, asked, done = tiny_vit(), [], []
    from keras_vit.inspect import distance

    looking = distance.inspector(model, distance._distance_model)
    predict = looking.predict_on_batch
    looking.predict_on_batch = lambda batch: (predict(batch), done.append(1))[0]

    def stream():
        for one in IMAGES:
            asked.append(len(done))
            yield one[None]

    inspect.attention_distance(model, stream())
    assert asked == [0, 1, 2, 3, 4]


def test_no_image_has_no_distance():
    with pytest.raises(ValueError, match="at least one image"):
        inspect.attention_distance(tiny_vit(), IMAGES[:0])
