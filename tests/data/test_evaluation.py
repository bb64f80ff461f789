import pytest

from keras_vit.data.evaluation import evaluation_batches
from support.splits import numbered


@pytest.mark.parametrize("batch_size", [1, 3, 10, 16])
def test_evaluation_sees_every_image_once_in_batches_of_one_shape(batch_size):
    split = numbered(10)
    seen = []
    for images, labels, weights in evaluation_batches(split, batch_size, (4, 6)):
        assert images.shape == (batch_size, 4, 6, 3)
        assert labels.shape == weights.shape == (batch_size,)
        assert not images[weights == 0].any()
        seen += list(images[weights > 0][:, 0, 0, 0])
    assert seen == list(range(10))


def test_images_are_resized_to_the_models_size():
    images, _, _ = next(iter(evaluation_batches(numbered(3), 3, (8, 5))))
    assert images.shape == (3, 8, 5, 3)
