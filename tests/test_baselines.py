import importlib

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_vit
from keras_vit import baselines, factories
from keras_vit.classifier import Classifier
from keras_vit.cli.main import main
from keras_vit.inspect import summary, unallocated
from keras_vit.model import features, head, preprocessing
from keras_vit.model_files import save_model
from support.often import often
from support.training.interrupted import At, outcome, train
from support.training.small import small_recipe
from support.training.steps import made

ONE_OF_EACH = {  # cheap ones, of each way to read pixels
    "MobileNetV2": {"alpha": 0.35},
    "VGG16": {},
    "DenseNet121": {},
    "EfficientNetV2B0": {},
}
PUBLISHED = {  # GMACs at 224: the networks' papers, and timm for ResNet50's first form
    "EfficientNetB0": 0.39,
    "MobileNetV2": 0.30,
    "ResNet50": 3.86,
}


def own_preprocessing(name):
    """`preprocess_input` of the module of keras.applications that has a network."""
    module = getattr(keras.applications, name).__module__
    return importlib.import_module(module).preprocess_input


def pixels(rng, count=2, size=32):
    return rng.integers(0, 256, (count, size, size, 3)).astype(np.float32)


def moved(model, rng):
    """Gives every weight that begins as 0 or 1 another value."""
    for weight in model.weights:
        if weight.path.endswith(("variance", "gamma")):
            weight.assign(rng.uniform(0.5, 1.5, weight.shape))
        elif len(weight.shape) == 1:
            weight.assign(rng.normal(scale=0.1, size=weight.shape))
    return model


def with_statistics(momentum=0.9):
    """A small classifier that normalises batches."""
    images = keras.Input((16, 16, 3), name="images")
    x = keras.layers.Conv2D(4, 3, name="conv")(preprocessing(127.5, 127.5)(images))
    x = keras.layers.BatchNormalization(momentum=momentum, name="statistics")(x)
    y = features("features")(keras.ops.mean(keras.ops.relu(x), axis=(1, 2)))
    return keras.Model(images, head(2)(y))


@pytest.mark.parametrize("name", often(ONE_OF_EACH, ["MobileNetV2"]))
def test_a_network_of_keras_gives_what_keras_gives_of_preprocessed_images(name, rng):
    ours = factories.find(f"keras:{name}")(
        num_classes=None, image_size=32, **ONE_OF_EACH[name]
    )
    theirs = getattr(keras.applications, name)(
        include_top=False,
        weights=None,
        input_shape=(32, 32, 3),
        pooling="avg",
        **ONE_OF_EACH[name],
    )
    moved(theirs, rng)
    ours.set_weights(theirs.get_weights())
    images = pixels(rng)
    expected = theirs(own_preprocessing(name)(images.copy()), training=False)
    scale = np.abs(expected).max()
    assert scale > 0
    np.testing.assert_allclose(ours(images), expected, atol=1e-5 * scale)


def test_every_network_of_keras_is_in_the_table_with_its_preprocessing(rng):
    names = [name for name in dir(keras.applications) if name[0].isupper()]
    assert len(names) >= 40
    assert baselines.applications() == names
    images = pixels(rng, 1, 4)
    for name in names:
        row = baselines._pixels(name)
        ours = preprocessing(row.mean, row.deviation)(images).numpy()
        ours = ours[..., ::-1] if row.blue_first else ours
        expected = own_preprocessing(name)(images.copy())
        np.testing.assert_allclose(ours, expected, atol=1e-4, err_msg=name)


@pytest.mark.parametrize("name", PUBLISHED)
def test_multiply_adds_of_networks_of_keras_are_the_published_ones(name):
    with unallocated():
        told = summary(baselines.application(name)())
    assert told.multiply_adds / 1e9 == pytest.approx(PUBLISHED[name], rel=0.02)
    assert told.uncounted == ()


@pytest.mark.slow
def test_layers_are_named_alike_however_many_models_were_built_before():
    keras.layers.Normalization()
    with unallocated():
        first, second = (
            baselines.application("EfficientNetB0")(image_size=32) for _ in range(2)
        )
    paths = [weight.path for weight in first.weights]
    assert "normalization/mean" in paths
    assert paths == [weight.path for weight in second.weights]
    assert keras.layers.Normalization().name == "normalization_1"


@pytest.mark.slow
def test_a_file_of_keras_gives_weights_and_the_head_stays_zero(tmp_path, rng):
    arguments = {"alpha": 0.35, "image_size": 32}
    build = baselines.application("MobileNetV2")
    theirs = keras.applications.MobileNetV2(
        include_top=False, weights=None, input_shape=(32, 32, 3), alpha=0.35
    )
    moved(theirs, rng)
    theirs.save_weights(tmp_path / "own.weights.h5")
    ours = build(3, weights=str(tmp_path / "own.weights.h5"), **arguments)
    kernel = ours.get_layer("Conv1").kernel
    np.testing.assert_array_equal(kernel, theirs.get_layer("Conv1").kernel)
    assert ours.output_shape == (None, 3)
    assert not ours.get_layer("head").kernel.numpy().any()
    save_model(ours, tmp_path / "model.keras", ("a", "b", "c"))
    again = Classifier.of(tmp_path).model
    other = keras_vit.replace_head(again, 5)
    assert other.output_shape == (None, 5)
    np.testing.assert_array_equal(other.get_layer("Conv1").kernel, kernel)


@pytest.mark.slow
def test_a_new_head_keeps_weights_whose_paths_no_config_tells(rng):
    model = moved(baselines.application("ConvNeXtTiny")(3, image_size=32), rng)
    other = keras_vit.replace_head(model, 5)
    images = pixels(rng)
    expected, told = (
        keras.Model(one.input, one.get_layer("features").output)(images)
        for one in (model, other)
    )
    np.testing.assert_array_equal(told, expected)
    assert other.output_shape == (None, 5)


def test_an_argument_that_keras_lacks_is_told_by_its_name():
    with pytest.raises(
        TypeError,
        match=r"MobileNetV2\(\) has no argument 'alhpa'. Did you mean 'alpha'",
    ):
        baselines.application("MobileNetV2")(image_size=32, alhpa=0.5)


def test_a_download_that_fails_is_told_as_an_error_of_the_system(monkeypatch):
    def fails(**_):
        raise Exception("URL fetch failure")

    monkeypatch.setattr(keras.applications, "VGG16", fails)
    with pytest.raises(OSError, match="weights of vgg16 cannot be had: URL fetch"):
        baselines.application("VGG16")(weights="imagenet")


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["train", "--model=keras:MobileNetV4"], "Did you mean 'MobileNetV2'"),
        (
            ["list", "--details", "--model=keras:ResNet51"],
            "Unknown network",
        ),
        (["train", "--model=keras:Xception"], "Input size must be at least 71x71"),
        (
            ["train", "--model=keras:VGG16", "--set", "position_embedding=none"],
            "sets position_embedding needs a model with that argument",
        ),
    ],
)
def test_a_command_refuses_what_keras_has_not(
    arguments, expected, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    told = capsys.readouterr().err
    assert expected in told
    assert told.count("\n") == 1


def test_details_are_listed_of_a_network_of_keras(capsys):
    arguments = ["--details", "--model=keras:MobileNetV2", "--image_size=32"]
    assert main(["list", *arguments]) == 0
    assert "block_1_depthwise" in capsys.readouterr().out


def test_statistics_move_by_those_of_each_micro_batch_in_turn(rng):
    model = with_statistics(momentum=0.9)
    images = rng.integers(0, 256, (8, 16, 16, 3), dtype=np.uint8)
    conv = keras.Sequential([model.get_layer("preprocessing"), model.get_layer("conv")])
    maps = np.asarray(conv(images))
    state, step = made(model, global_batch=8, accumulation_steps=2)
    step(tf.constant(images), tf.one_hot([0, 1] * 4, 2))
    mean, variance = np.zeros(4), np.ones(4)
    for part in (maps[:4], maps[4:]):
        mean = 0.9 * mean + 0.1 * part.mean((0, 1, 2))
        variance = 0.9 * variance + 0.1 * part.var((0, 1, 2))
    layer = model.get_layer("statistics")
    np.testing.assert_allclose(layer.moving_mean, mean, atol=1e-5)
    np.testing.assert_allclose(layer.moving_variance, variance, rtol=1e-4)
    kept = state.variables()
    assert kept["model/statistics/moving_mean"] is layer.moving_mean.value


@pytest.mark.slow
def test_a_run_with_statistics_of_batches_goes_on_bit_for_bit(tmp_path):
    with_statistics().save(tmp_path / "model.keras")
    recipe = small_recipe(epochs=2, checkpoint_every=3, ema=0.9)
    recipe = keras_vit.recipes.with_model(recipe, str(tmp_path / "model.keras"))
    unbroken, broken = tmp_path / "unbroken", tmp_path / "broken"
    for folder in (unbroken, broken):
        folder.mkdir()
    whole = train(unbroken, recipe=recipe)

    def stop():
        raise RuntimeError("a power cut")

    with pytest.raises(RuntimeError, match="a power cut"):
        train(broken, [At("on_train_batch_end", 5, stop)], recipe=recipe)
    again = train(broken, recipe=recipe)
    assert outcome(again) == outcome(whole)
    begun = with_statistics().get_layer("statistics").moving_mean.numpy()
    assert (again.model.get_layer("statistics").moving_mean.numpy() != begun).all()
