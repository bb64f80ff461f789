"""Keras's and KerasCV's layers, and functions, in the stream of training images."""

import itertools
import random

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_vit.augmentation_names import LAYERS, REASONS_OF_NAMES, REFUSED, check_names
from keras_vit.data import Split
from keras_vit.data.augmentation import Augmentation
from keras_vit.data.augmentation_layers import image_changes
from keras_vit.data.pipeline import Shard, training_batches

SIZE = (24, 20)  # of more pixels than levels, which equalizing needs


def smooth(count=24):
    """Images without black or white, so that a stretch of their levels shows."""
    rng = np.random.default_rng(0)
    ramp = np.linspace(40, 200, SIZE[0] * SIZE[1] * 3).reshape(*SIZE, 3)
    noise = rng.normal(0, 10, (count, *SIZE, 3))
    return Split((ramp + noise).clip(30, 220).astype(np.uint8), np.arange(count) % 3)


def images_of(augmentation, steps=4, batch_size=6, **options):
    """The images of so many batches, by what stands for changes or is them."""
    made = isinstance(augmentation, tuple)
    changes = augmentation if made else image_changes(augmentation, SIZE)
    batches = training_batches(
        smooth(),
        batch_size,
        SIZE,
        3,
        **{"seed": 5, "augmentation": Augmentation(layers=changes)} | options,
    )
    batches = itertools.islice(batches.as_numpy_iterator(), steps)
    return np.stack([images for images, _ in batches])


def brighter(image, seed):
    return tf.image.stateless_random_brightness(image, 40.0, seed)


def check_it_is_a_function_of_the_place(augmentation):
    changes = image_changes(augmentation, SIZE)
    whole = images_of(changes)
    resumed = images_of(augmentation, steps=2, first_step=2)  # made anew, as in a run
    np.testing.assert_array_equal(resumed, whole[2:])
    parts = [images_of(changes, shard=Shard(first, 1, 2)) for first in (0, 1)]
    np.testing.assert_array_equal(np.concatenate(parts, axis=1), whole)
    by_two = images_of(changes, steps=12, batch_size=2)
    np.testing.assert_array_equal(by_two.reshape(whole.shape), whole)
    return whole


@pytest.mark.one_in(12)
@pytest.mark.parametrize(
    "augmentation",
    [
        # The list below has a layer by its name and a function of a seed as well.
        pytest.param("keras:RandomRotation", marks=pytest.mark.slow),
        pytest.param(brighter, marks=pytest.mark.slow),
        lambda image: image[:, ::-1],
        [keras.layers.RandomFlip("horizontal"), brighter, "keras:RandomGrayscale"],
        keras.layers.Pipeline([keras.layers.RandomTranslation(0.2, 0.2)]),
    ],
)
def test_what_a_layer_draws_follows_from_the_image_s_place(augmentation):
    whole = check_it_is_a_function_of_the_place(augmentation)
    plain = images_of([])
    assert whole.dtype == np.float32
    assert (whole != plain).any(axis=(2, 3, 4)).mean() > 0.5
    if getattr(augmentation, "__name__", "") != "<lambda>":  # which draws nothing
        assert not np.array_equal(whole, images_of(augmentation, seed=6))


def test_each_image_has_draws_of_its_own():
    constant = Split(np.full((8, *SIZE, 3), 100, np.uint8), np.arange(8) % 2)
    changes = image_changes([keras.layers.RandomBrightness(0.2), brighter], SIZE)
    stream = training_batches(
        constant, 8, SIZE, 2, seed=0, augmentation=Augmentation(layers=changes)
    )
    images, _ = next(stream.as_numpy_iterator())
    assert len(np.unique(images[:, 0, 0, 0])) == 8


def test_a_layer_is_neither_changed_nor_led_by_what_it_drew_before():
    layer = keras.layers.RandomBrightness(0.2, seed=1)
    state = layer.generator.state.numpy()
    first = images_of(layer)
    np.testing.assert_array_equal(layer.generator.state.numpy(), state)
    layer(np.zeros((2, 4, 4, 3)))
    np.testing.assert_array_equal(images_of(layer), first)


def test_random_functions_of_tensorflow_are_themselves_again_afterwards():
    before = tf.random.uniform, tf.random.gamma, tf.random.Generator.uniform
    images_of(keras.layers.RandomContrast(0.3), steps=1)
    assert before == (tf.random.uniform, tf.random.gamma, tf.random.Generator.uniform)


def test_a_function_that_draws_by_no_seed_is_told_of(caplog):
    image_changes(tf.image.random_flip_left_right, SIZE)
    assert "random_flip_left_right draws by RandomUniform" in caplog.text
    caplog.clear()
    image_changes(lambda image: image + tf.random.uniform(image.shape), SIZE)
    assert not caplog.text


def inverted(image):
    return 255 - image


COIN = itertools.cycle([True, True, False])  # which two draws do not show


def by_python(image):
    return image + random.uniform(-50, 50)


def by_a_coin(image):
    return image[:, ::-1] if next(COIN) else image


def by_numpy(image):
    return image * np.random.default_rng().uniform(0.2, 1.0)


@pytest.mark.parametrize(
    "augmentation",
    [by_python, by_numpy, by_a_coin, keras.layers.Lambda(by_numpy, name="by_numpy")],
)
def test_what_python_draws_while_the_graph_is_made_is_told(augmentation, caplog):
    image_changes(augmentation, SIZE)
    name = getattr(augmentation, "name", None) or augmentation.__name__
    assert f"{name} draws by Python or NumPy while its graph is made" in caplog.text


@pytest.mark.parametrize(
    "augmentation",
    [
        inverted,
        keras.layers.RandomContrast(0.3, seed=1),
        "keras:RandomRotation",
    ],
)
def test_what_draws_by_its_seeds_or_nothing_is_not_told_of(augmentation, caplog):
    image_changes(augmentation, SIZE)
    assert not caplog.text


@pytest.mark.parametrize(
    ("augmentation", "words"),
    [
        (keras.layers.MixUp(), "set mixup=0.2 or cutmix=1.0 instead"),
        (keras.layers.AugMix(), "use keras_cv:AugMix"),
        (keras.layers.Rescaling(1 / 255), "the model standardizes them"),
        (keras.layers.Resizing(8, 8), r"returns \(8, 8, 3\) of \(24, 20, 3\)"),
        (keras.layers.RandomBrightness(0.1, (0, 1)), r"value_range=\(0, 1\)"),
        (lambda image: image / 255, "returns 0 to 1. Set its value_range"),
        (lambda image: image[:, :, None], r"\(24, 20, 1, 3\)"),
        (lambda image: image + image.numpy(), "in a TensorFlow graph"),
        ("keras_cv:AugMx", "Did you mean 'keras_cv:AugMix'"),
        ("keras_cv:CutMix", "set mixup=0.2 or cutmix=1.0 instead"),
    ],
)
def test_what_is_no_augmentation_of_images_is_refused(augmentation, words):
    with pytest.raises(ValueError, match=words):
        image_changes(augmentation, SIZE)


@pytest.mark.parametrize("augmentation", [3, keras.layers.RandomFlip, [None]])
def test_another_object_is_refused(augmentation):
    with pytest.raises(TypeError, match="a preprocessing layer, a function"):
        image_changes(augmentation, SIZE)


def test_a_name_is_offered_or_refused_with_a_reason():
    assert not LAYERS.keys() & REFUSED.keys()
    for name in REFUSED:
        with pytest.raises(ValueError, match=f"augmentation cannot be {name}, which"):
            check_names([name])


def preprocessing_layers():
    """The names of all that the installed libraries offer for images."""
    import keras_cv
    from keras.src.layers import preprocessing as own

    kinds = own.image_preprocessing.base_image_preprocessing_layer
    bases = {
        "keras": (keras.layers, (kinds.BaseImagePreprocessingLayer,)),
        "keras_cv": (
            keras_cv.layers,
            (
                keras_cv.layers.BaseImageAugmentationLayer,
                keras_cv.layers.VectorizedBaseImageAugmentationLayer,
            ),
        ),
    }
    for library, (layers, kinds) in bases.items():
        for name in dir(layers):
            one = getattr(layers, name)
            if isinstance(one, type) and issubclass(one, kinds) and one not in kinds:
                yield f"{library}:{name}"


@pytest.mark.slow
def test_every_layer_of_both_libraries_is_offered_or_refused():
    missing = {*preprocessing_layers()} - {*LAYERS} - {*REFUSED}
    assert not missing


@pytest.mark.slow
@pytest.mark.parametrize("name", LAYERS)
def test_a_layer_that_is_offered_changes_pixels_by_their_place(name, caplog):
    whole = check_it_is_a_function_of_the_place(name)
    assert "no seed" not in caplog.text
    assert whole.min() >= 0
    assert 100 < whole.max() <= 255
    assert (whole != images_of([])).any(axis=(2, 3, 4)).mean() > 0.2


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["keras_cv:MixUp", "keras_cv:CutMix", "keras_cv:FourierMix"]
)
def test_a_layer_of_kerascv_that_mixes_is_refused_as_an_object(name):
    import keras_cv

    layer = getattr(keras_cv.layers, name.removeprefix("keras_cv:"))()
    with pytest.raises(ValueError, match="set mixup=0.2"):
        image_changes(layer, SIZE)


@pytest.mark.slow
def test_kerascv_s_layers_made_of_others_are_taken_as_objects():
    from keras_cv import layers

    grey = layers.Grayscale(output_channels=3)
    assert REFUSED["keras_cv:RandomApply"] in REASONS_OF_NAMES
    for layer in (
        layers.RandomApply(grey),
        layers.RandomChoice([layers.RandomFlip(), grey]),
        layers.RandomCropAndResize(SIZE, (0.3, 1.0), (3 / 4, 4 / 3)),
    ):
        check_it_is_a_function_of_the_place(layer)


@pytest.mark.slow
def test_jpeg_quality_of_kerascv_turns_pixels_into_values_in_0_to_1():
    from keras_cv import layers

    image = smooth(1).images.astype(np.float32)
    assert layers.RandomJpegQuality((40, 95))(image).numpy().max() <= 1
