"""Whatever a classifier ends in, its own probabilities are what is told of it."""

import zipfile

import keras
import numpy as np
import pytest
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter
from keras import layers, ops

import keras_vit
from keras_vit.classifier import Classifier
from keras_vit.data import Dataset, Split
from keras_vit.evaluation import Context, evaluate, predictions_of, scaled
from keras_vit.evaluation.measurements import MEASUREMENTS
from keras_vit.exporting import export
from keras_vit.exporting.graph import outputs_of as graph_of
from keras_vit.exporting.signatures import signatures
from keras_vit.layers.head import PROBABILITIES
from keras_vit.logits import logits_model
from keras_vit.meaning import meaning_of
from keras_vit.model_files import save_model
from keras_vit.training.model import teacher_in_scope
from keras_vit.training.tasks.distillation import distilled
from keras_vit.weights import merge_tokens, replace_head, resize, save_weights
from support.models import tiny_vit

SIZE = (4, 6, 3)


def ends_in(units, *following):
    """A linear model of pixels, ended by layers or functions in turn."""
    images = keras.Input(SIZE)
    z = layers.Flatten()(layers.Rescaling(1 / 255)(images))
    z = units(z) if callable(units) else layers.Dense(units)(z)
    for one in following:
        z = one(z)
    return keras.Model(images, z)


@keras.saving.register_keras_serializable(package="test_logits")
class Ends(layers.Layer):
    """A layer that does not say what it returns."""

    def __init__(self, by, **kwargs):
        super().__init__(**kwargs)
        self.by = by

    def call(self, z):
        return getattr(ops, self.by)(z)

    def compute_output_shape(self, shape):
        return shape

    def get_config(self):
        return super().get_config() | {"by": self.by}


def ensemble():
    members = [ends_in(layers.Dense(3, "softmax")) for _ in range(2)]
    return keras.Model(
        members[0].input, layers.Average()([one(members[0].input) for one in members])
    )


def nested():
    head = [keras.Input((72,)), layers.Dense(3, activation="softmax")]
    stem = [keras.Input(SIZE), layers.Rescaling(1 / 255), layers.Flatten()]
    return keras.Sequential([*stem, keras.Sequential(head)])


def convolutional():
    conv = layers.Conv2D(3, SIZE[:2], activation="softmax")
    stem = [keras.Input(SIZE), layers.Rescaling(1 / 255)]
    return keras.Sequential([*stem, conv, layers.Flatten()])


def mixed_precision():
    last = layers.Dense(3, activation="softmax", dtype="mixed_bfloat16")
    return ends_in(last, layers.Activation("linear", dtype="float32"))


def head_of_ours():
    return ends_in(
        keras_vit.layers.Head(3, activation="softmax", bias_initializer="ones")
    )


def keras_application():
    return keras.applications.MobileNetV2(
        (32, 32, 3),
        alpha=0.35,
        weights=None,
        classes=5,
        classifier_activation="softmax",
    )


SOFTMAX = {
    "a dense layer": lambda: ends_in(layers.Dense(3, activation="softmax")),
    "TensorFlow's": lambda: ends_in(layers.Dense(3, activation=tf.nn.softmax)),
    "an activation": lambda: ends_in(3, layers.Activation("softmax", dtype="float32")),
    "a softmax layer": lambda: ends_in(4, layers.Softmax()),
    "an operation": lambda: ends_in(3, ops.softmax),
    "a function": lambda: ends_in(3, keras.activations.softmax),
    "nested": nested,
    "a convolution": convolutional,
    "mixed precision": mixed_precision,
    "an ensemble": ensemble,
    "a layer that does not say": lambda: ends_in(3, Ends("softmax")),
    "a head of ours": head_of_ours,
    "keras.applications": keras_application,
}
SIGMOID = {
    "a dense layer": lambda: ends_in(layers.Dense(3, activation="sigmoid")),
    "TensorFlow's": lambda: ends_in(layers.Dense(4, activation=tf.nn.sigmoid)),
    "an operation": lambda: ends_in(3, ops.sigmoid),
    "an ensemble": lambda: ends_in(
        lambda z: layers.Average()(
            [layers.Dense(3, activation="sigmoid")(z) for _ in range(2)]
        )
    ),
}
ENDINGS = {("softmax", name): make for name, make in SOFTMAX.items()}
ENDINGS |= {("sigmoid", name): make for name, make in SIGMOID.items()}


def pictures(rng, model, count=20):
    return rng.integers(0, 256, (count, *model.input_shape[1:]), dtype=np.uint8)


def probabilities(model, images):
    logits = model.predict_on_batch(images.astype(np.float32))
    return np.array(PROBABILITIES[meaning_of(model).activation](logits))


@pytest.mark.parametrize(("kind", "name"), ENDINGS)
def test_probabilities_that_a_model_gives_are_told_as_they_are(kind, name, rng):
    model = ENDINGS[kind, name]()
    images = pictures(rng, model)
    expected = np.array(model(images.astype(np.float32)), np.float64)
    told = logits_model(model)
    assert meaning_of(told).activation == kind and told.name == model.name
    # bfloat16 steps by 2 ** -8 below one: logits are rounded, and so is their softmax.
    near = 2**-7 if name == "mixed precision" else 2e-6
    np.testing.assert_allclose(probabilities(told, images), expected, atol=near)
    if kind == "softmax":
        logits = told.predict_on_batch(images.astype(np.float32))
        assert logits.dtype == np.float32
        np.testing.assert_allclose(logits, np.log(expected), atol=max(5 * near, 1e-4))
    assert logits_model(told) is told


@pytest.mark.parametrize(
    "make",
    [
        tiny_vit,
        lambda: tiny_vit(distillation=True),
        lambda: tiny_vit(num_classes=None),
        lambda: ends_in(3),
        lambda: ends_in(layers.Dense(3, activation="relu")),
        lambda: ends_in(3, layers.Activation("tanh")),
    ],
    ids=["a vit", "distillation", "no head", "a dense layer", "relu", "tanh"],
)
def test_a_model_of_logits_stays_itself(make, recwarn):
    model = make()
    assert logits_model(model) is model and not recwarn.list


def test_evaluation_of_a_softmax_model_is_that_of_keras(rng):
    model = ends_in(layers.Dense(7, activation="softmax", kernel_initializer="normal"))
    images, labels = pictures(rng, model, 50), rng.integers(0, 7, 50)
    model.compile(
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy", keras.metrics.SparseTopKCategoricalAccuracy(5)],
    )
    loss, top1, top5 = model.evaluate(images.astype(np.float32), labels, verbose=0)
    found = evaluate(model, (images, labels))
    assert found.loss == pytest.approx(loss, rel=1e-5)
    assert (found.top1, found.top5) == pytest.approx((top1, top5))


@pytest.mark.parametrize("activation", [None, "sigmoid"])
def test_a_model_of_one_output_is_evaluated_as_keras_does(activation, rng):
    model = ends_in(layers.Dense(1, activation, kernel_initializer="normal"))
    images, labels = pictures(rng, model, 50), rng.integers(0, 2, 50)
    model.compile(
        loss=keras.losses.BinaryCrossentropy(from_logits=activation is None),
        metrics=[keras.metrics.BinaryAccuracy(threshold=0.5 if activation else 0)],
    )
    loss, accuracy = model.evaluate(images.astype(np.float32), labels, verbose=0)
    found = evaluate(model, (images, labels))
    assert (found.loss, found.top1) == pytest.approx((loss, accuracy), rel=1e-5)
    dataset = Dataset(
        "two", Split(images, labels), Split(images, labels), ("no", "yes")
    )
    context = Context(model, dataset)
    assert context.lacks_classes() is None
    assert MEASUREMENTS["confusion"].measure(context).rows


@pytest.mark.parametrize(
    ("given", "names"),
    [
        (None, ("class 0", "class 1")),
        (["cat"], ("not cat", "cat")),
        (["a", "b"], ("a", "b")),
    ],
)
def test_one_output_is_a_probability_and_its_complement(given, names, rng, tmp_path):
    model = ends_in(layers.Dense(1, activation="sigmoid"))
    keras.utils.save_img(tmp_path / "x.png", pictures(rng, model, 1)[0], scale=False)
    (found,) = keras_vit.predict(model, tmp_path / "x.png", class_names=given)
    pixels = np.asarray(keras.utils.load_img(tmp_path / "x.png"), np.float32)
    p = float(model(pixels[np.newaxis])[0, 0])
    assert dict(found.top()) == pytest.approx({names[0]: 1 - p, names[1]: p}, abs=1e-6)


def test_a_softmax_of_one_output_is_refused():
    with pytest.raises(ValueError, match="softmax of one output is 1 whatever"):
        logits_model(ends_in(layers.Dense(1, activation="softmax")))


def test_numbers_that_may_be_probabilities_are_warned_of():
    with pytest.warns(UserWarning, match="from 0 to 1 that do not sum to 1"):
        model = ends_in(3, Ends("sigmoid"))
        assert logits_model(model) is model


def test_unlikely_classes_keep_their_order(rng):
    """Their probabilities are too small for float32; their logits are not."""
    model = ends_in(layers.Dense(6, activation="softmax"))
    bias = np.array([0, -200, -300, -150, -250, -400])
    model.layers[-1].set_weights([np.zeros((72, 6)), bias])
    images, labels = pictures(rng, model, 1), np.array([2])
    assert np.count_nonzero(model(images.astype(np.float32))) == 1
    answers = predictions_of(model, (images, labels))
    assert not answers.correct(3)[0] and answers.correct(5)[0]


def test_a_softmax_of_several_labels_tells_its_own_probabilities(rng):
    model = ends_in(layers.Dense(5, activation="softmax"))
    images, labels = pictures(rng, model), rng.integers(0, 2, (20, 5))
    answers = predictions_of(model, (images, labels))
    expected = model.predict_on_batch(images.astype(np.float32))
    np.testing.assert_allclose(answers.probabilities(), expected, rtol=1e-4)


def test_a_temperature_goes_with_any_ending(rng):
    model = ends_in(layers.Dense(4, activation="softmax"))
    images = pictures(rng, model, 3)
    p = np.array(model(images.astype(np.float32)), np.float64) ** (1 / 2.5)
    told = probabilities(scaled(model, 2.5), images)
    np.testing.assert_allclose(told, p / p.sum(1, keepdims=True), rtol=1e-5)


def test_a_file_of_one_output_has_two_classes(rng, tmp_path):
    model = ends_in(layers.Dense(1, activation="sigmoid"))
    save_model(model, tmp_path / "model.keras", ["defect"])
    classifier = Classifier.of(tmp_path / "model.keras")
    assert classifier.class_names == ("not defect", "defect")
    path = tmp_path / "x.tflite"
    export(model, path, "tflite", ["defect"])
    with zipfile.ZipFile(path) as notes:
        assert notes.read("labels.txt") == b"not defect\ndefect\n"
    images = pictures(rng, model, 1).astype(np.float32)
    p = float(model(images)[0, 0])
    told = Interpreter(str(path)).get_signature_runner("serving_default")(images=images)
    np.testing.assert_allclose(told["probabilities"], [[1 - p, p]], rtol=1e-4)
    found = classifier.model.predict_on_batch(images)
    np.testing.assert_allclose(told["logits"], found, rtol=1e-4, atol=1e-5)


def test_a_graph_of_a_softmax_model_tells_its_probabilities(rng):
    model = ends_in(layers.Dense(3, activation="softmax"))
    images = pictures(rng, model, 2).astype(np.float32)
    told = graph_of(Classifier.of(model))(images)
    expected = model.predict_on_batch(images)
    np.testing.assert_allclose(told["probabilities"], expected, rtol=1e-5)
    np.testing.assert_allclose(told["logits"], np.log(expected), rtol=1e-4)


def test_training_refuses_what_gives_no_logits(rng):
    model = ends_in(layers.Dense(2, activation="softmax"))
    images = pictures(rng, model)
    split = Split(images, np.arange(20) % 2)
    dataset = Dataset("two", split, split, ("a", "b"))
    with pytest.raises(ValueError, match="ends in a softmax.*logits_model"):
        keras_vit.train(model=model, dataset=dataset, epochs=1)


def test_a_teacher_of_probabilities_teaches_by_logits(rng):
    model = ends_in(layers.Dense(2, activation="softmax"))
    images = pictures(rng, model).astype(np.float32)
    teacher = teacher_in_scope(model, tf.distribute.get_strategy(), ("a", "b"))
    np.testing.assert_allclose(np.exp(teacher.model(images)), model(images), rtol=1e-5)


def test_maps_of_one_output_are_of_either_class(rng):
    model = tiny_vit(num_classes=1)
    model.get_layer("head").kernel.assign(rng.normal(0, 1, (16, 1)))
    images = rng.integers(0, 256, (1, 16, 24, 3))
    against, for_it = (keras_vit.inspect.grad_cam(model, images, c) for c in (0, 1))
    assert against.max() > 0 or for_it.max() > 0
    assert not (against * for_it).any()  # what speaks for one speaks against the other


@pytest.mark.slow
def test_a_sequential_model_that_was_never_called_is_exported_and_taught(rng):
    stack = [keras.Input(SIZE), layers.Flatten(), layers.Dense(3)]
    model = keras.Sequential(stack)
    images = rng.integers(0, 256, (2, *SIZE)).astype(np.float32)
    pixels, _ = signatures(Classifier.of(model))["pixels"]
    told = pixels(images)["logits"]
    objective = distilled(model, model)
    losses, _ = objective(images, tf.one_hot([0, 1], 3))
    expected = model(images)
    np.testing.assert_allclose(told, expected, rtol=1e-5, atol=1e-4)
    assert losses.shape == (2,)


def test_a_vit_of_one_output_is_rebuilt_as_any_other(rng, tmp_path):
    model = logits_model(tiny_vit(num_classes=1))
    assert merge_tokens(model, 1).output_shape == (None, 2)
    assert resize(model, (24, 32)).output_shape == (None, 2)
    assert replace_head(model, 3).output_shape == (None, 3)
    save_weights(model, tmp_path / "weights.npz")
    other = tiny_vit(num_classes=1, weights=tmp_path / "weights.npz")
    images = rng.integers(0, 256, (2, 16, 24, 3)).astype(np.float32)
    np.testing.assert_array_equal(logits_model(other)(images), model(images))
