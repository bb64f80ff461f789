import numpy as np
from conftest import tiny_vit

from keras_vit.training import loop
from training.test_run import small_dataset, small_recipe


def test_the_stream_is_that_of_the_recipe_and_the_seed(monkeypatch):
    """What the loop trains on equals what these arguments give on their own."""
    dataset, real = small_dataset(), loop.training_batches
    streams = []

    def spy(*arguments, **options):
        streams.append((arguments, options))
        return real(*arguments, **options)

    monkeypatch.setattr(loop, "training_batches", spy)
    model = tiny_vit(image_size=16, num_classes=2)
    recipe = small_recipe(flip=True, crop_padding=2, epochs=1)
    numbers, evaluation = next(loop.fit(model, dataset, recipe, seed=7))
    [(arguments, options)] = streams
    assert arguments == (dataset.train, 10, (16, 16))
    assert options == {"seed": 7, "flip": True, "crop_padding": 2}
    assert numbers["steps"] == 5
    assert evaluation.count == len(dataset.test)
    assert np.isclose(numbers["test_accuracy"], evaluation.top1)
