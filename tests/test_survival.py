"""What a model means goes wherever the model goes."""

import importlib.util
import json
import os
import shutil
import subprocess
import sys

import keras
import numpy as np
import pytest

import keras_vit
from keras_vit import layers
from keras_vit.classifier import Classifier
from keras_vit.decoding import Decoding
from keras_vit.image_model import KerasVitModel
from keras_vit.meaning import meaning_of, set_meaning, with_outputs
from keras_vit.model_files import save_model
from keras_vit.preprocessing import resolve
from support.models import randomize, tiny_vit

ODD = {"image_size": (24, 40), "evaluation_preprocessing": "timm:0.95"}
SIZE = (24, 40, 3)


def hybrid():
    stem = layers.ResNetStem((), 0.5, name="root")
    return tiny_vit(**ODD, stem=stem, patch_size=2, position_embedding="learned_2d")


def of_keras():
    return keras_vit.baselines.application("MobileNet")(5, image_size=32, alpha=0.25)


def from_elsewhere(units, activation):
    first = [keras.Input(SIZE), keras.layers.Rescaling(1 / 255), keras.layers.Flatten()]
    last = keras.layers.Dense(units, activation=activation)
    return with_outputs(keras.Sequential([*first, last]))


MODELS = {
    "map, three registers": lambda: tiny_vit(**ODD, pooling="map", num_registers=3),
    "distillation": lambda: tiny_vit(
        **ODD, distillation=True, position_interpolation="bicubic_antialias"
    ),
    "hybrid": hybrid,
    "network of Keras": of_keras,
    "one sigmoid": lambda: from_elsewhere(1, "sigmoid"),
    "softmax": lambda: from_elsewhere(5, "softmax"),
}
NAMES = ("cat", "dog", "cup", "pan", "naïve café")
OF_DATA = Decoding("0:4095", background="black")


def meaningful(kind, rng):
    """A model with another meaning than the default in all that it can keep."""
    model = randomize(MODELS[kind](), rng, scale=0.1)
    for weight in model.weights:
        if weight.path.endswith("variance"):
            weight.assign(np.square(weight))
    names = NAMES if model.output_shape[-1] == 5 else ("no", "yes")
    set_meaning(model, class_names=names, activation="sigmoid")
    if any(isinstance(one, layers.PixelNormalization) for one in model.layers):
        set_meaning(model, preprocessing=resolve("big_vision:0.5"), decoding=OF_DATA)
    return model


def through_a_file(model, folder):
    model.save(folder / "model.keras")
    return keras.models.load_model(folder / "model.keras")


def through_a_copied_file(model, folder):
    save_model(model, folder / "a.keras")
    other = folder / "other"
    other.mkdir()
    save_model(tiny_vit(num_classes=2), other / "b.keras", ("of", "another"))
    shutil.copy(folder / "a.keras", other / "c.keras")
    return keras.models.load_model(other / "c.keras")


def with_weights(copy, model):
    copy.set_weights(model.get_weights())
    return copy


def through_a_clone(model, folder):
    return with_weights(keras.models.clone_model(model), model)


def through_a_clone_layer_by_layer(model, folder):
    def copied(layer):
        return type(layer).from_config(layer.get_config())

    return with_weights(keras.models.clone_model(model, clone_function=copied), model)


def through_json(model, folder):
    return with_weights(keras.models.model_from_json(model.to_json()), model)


def inside_another_model(model, folder):
    images = keras.Input(model.input_shape[1:])
    y = keras.layers.Identity()(model(keras.layers.SpatialDropout2D(0.5)(images)))
    outer = keras.Model(images, keras.layers.Activation("linear")(y))
    return through_a_file(outer, folder)


ROADS = (
    through_a_file,
    through_a_copied_file,
    through_a_clone,
    through_a_clone_layer_by_layer,
    through_json,
    inside_another_model,
)


@pytest.mark.one_in(6)
@pytest.mark.parametrize("kind", MODELS)
def test_every_piece_of_meaning_survives_every_road(kind, tmp_path, rng):
    model = meaningful(kind, rng)
    expected = meaning_of(model)
    assert expected.class_names and expected.activation == "sigmoid"
    images = rng.uniform(0, 255, (2, *model.input_shape[1:])).astype("float32")
    outputs = np.array(model(images))
    assert np.isfinite(outputs).all() and np.ptp(outputs) > 0
    lost = []
    for road in ROADS:
        folder = tmp_path / road.__name__
        folder.mkdir()
        again = road(model, folder)
        np.testing.assert_array_equal(again(images), outputs, err_msg=road.__name__)
        if meaning_of(again) != expected:
            lost.append((road.__name__, meaning_of(again)))
        if isinstance(model, KerasVitModel) and road is not inside_another_model:
            kept = again.builder, again.arguments
            if kept != (model.builder, model.arguments):
                lost.append((road.__name__, kept))
        classifier = Classifier.of(again)
        if classifier.class_names != expected.class_names:
            lost.append((road.__name__, classifier))
    assert not lost


def test_names_are_not_those_of_outputs_that_are_made_of_a_models_outputs(rng):
    model = meaningful("map, three registers", rng)
    images = keras.Input(SIZE)
    pooled = keras.Model(images, keras.layers.Dense(5)(model(images)))
    assert meaning_of(pooled).class_names is None
    assert meaning_of(pooled).preprocessing == resolve("big_vision:0.5")
    assert meaning_of(pooled).decoding == OF_DATA


SCRIPT = """
import json, pathlib, sys
import keras
import numpy as np

try:
    keras.models.load_model(sys.argv[1])
    raise SystemExit("loaded without the package")
except TypeError as error:
    (line,) = str(error).splitlines()
    named = "KerasVitModel" in line.partition("Full object config")[0]
    assert named and "make sure they are all imported" in line, line[:400]
import keras_vit
from keras_vit.classifier import Classifier

path = pathlib.Path(sys.argv[1])
classifier = Classifier.of(path)
logits = classifier.model(np.load(path.with_suffix(".npy")))
print(json.dumps({
    "names": classifier.class_names,
    "activation": classifier.activation,
    "preprocessing": str(classifier.preprocessing),
    "decoding": str(classifier.decoding),
    "built": [classifier.model.builder, classifier.model.arguments],
    "logits": np.asarray(keras.ops.convert_to_numpy(logits)).tolist(),
}))
"""


@pytest.mark.parametrize(
    "backend",
    [pytest.param(n, marks=pytest.mark.slow) for n in ("jax", "tensorflow", "torch")],
)
def test_another_process_is_told_to_import_the_package_and_then_has_all(
    backend, tmp_path, rng
):
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    model = meaningful("distillation", rng)
    images = rng.uniform(0, 255, (2, *SIZE)).astype("float32")
    save_model(model, tmp_path / "a.keras")
    np.save(tmp_path / "a.npy", images)
    answer = subprocess.run(
        [sys.executable, "-c", SCRIPT, tmp_path / "a.keras"],
        env=os.environ | {"KERAS_BACKEND": backend},
        capture_output=True,
        text=True,
    )
    assert answer.returncode == 0, answer.stderr[-2000:]
    found = json.loads(answer.stdout.splitlines()[-1])
    np.testing.assert_allclose(found.pop("logits"), model(images), atol=1e-4)
    assert found == {
        "names": list(NAMES),
        "activation": "sigmoid",
        "preprocessing": str(resolve("big_vision:0.5")),
        "decoding": str(OF_DATA),
        "built": [model.builder, model.arguments],
    }
