import dataclasses
import functools
import os
import pathlib
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

from keras_vit.classifier import Classifier
from keras_vit.data.images import decode_image
from keras_vit.data.preprocessing import preprocess
from keras_vit.exporting import export, saved_model, signatures, warmup
from keras_vit.inspect import attention_rollout
from keras_vit.layers import Head, ResNetStem
from keras_vit.meaning import meaning_of
from support.damaged import encoded, smooth, turned
from support.models import randomize, tiny_vit
from support.often import often

NAMES = ["a", "b", "ç", "d e", "f/g", "h", "i"]


def of_several_classes():
    model = tiny_vit(
        num_classes=None, num_layers=1, pooling="gap", representation_size=8
    )
    head = Head(3, probabilities="sigmoid", name="head")
    return keras.Model(model.input, head(model.output))


def hybrid():
    stem = ResNetStem((1,), 0.5, name="stem")
    return tiny_vit(
        num_classes=7,
        num_layers=1,
        stem=stem,
        patch_size=1,
        evaluation_preprocessing="timm:0.7",
    )


def under_mixed_precision():
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        return tiny_vit(num_classes=7, num_layers=1)
    finally:
        keras.config.set_dtype_policy("float32")


# What is exported, and how: every pooling, head and preprocessing somewhere.
MODELS = {
    "token": (lambda: tiny_vit(num_classes=7), {"class_names": NAMES}),
    "gap, sigmoid": (of_several_classes, {"top": 2}),
    "map, compiled": (
        lambda: tiny_vit(num_classes=7, num_layers=1, pooling="map"),
        {"xla": True},
    ),
    "hybrid, cropped": (hybrid, {"class_names": NAMES}),
    "mixed precision": (under_mixed_precision, {}),
}


@dataclasses.dataclass
class Exported:
    """A model, the folder of its SavedModel, and that as TensorFlow loads it."""

    model: keras.Model
    folder: pathlib.Path
    loaded: object
    names: np.ndarray
    top: int

    def ask(self, signature, batch):
        (name,) = self.loaded.signatures[signature].structured_input_signature[1]
        told = self.loaded.signatures[signature](**{name: tf.constant(batch)})
        return {name: value.numpy() for name, value in told.items()}


@pytest.fixture(scope="module")
def exports(tmp_path_factory):
    """Gives an export by its name in the table, made once."""

    @functools.cache
    def export(name):
        build, options = MODELS[name]
        model = randomize(build(), np.random.default_rng(0), scale=0.2)
        folder = tmp_path_factory.mktemp("export") / "1"
        names, top = options.get("class_names"), options.get("top", 5)
        classifier = Classifier.of(model, class_names=names)
        saved_model.write(classifier, folder, top=top, xla=options.get("xla", False))
        loaded = tf.saved_model.load(str(folder))
        names = names or [f"class {number}" for number in range(model.output_shape[-1])]
        return Exported(model, folder, loaded, np.array(names), top)

    return export


OFTEN = ["token"]


@pytest.fixture(params=often(MODELS, OFTEN))
def exported(request, exports):
    return exports(request.param)


@pytest.fixture(scope="module")
def files():
    """Files of images of several sizes and formats."""
    rng = np.random.default_rng(1)
    return [
        encoded(smooth(rng, 40, 31), "PNG"),
        encoded(smooth(rng, 25, 60), "JPEG", exif=turned(6)),
        encoded(smooth(rng, 16, 24), "WEBP"),
        encoded(smooth(rng, 50, 50), "GIF"),
        encoded(smooth(rng, 20, 20), "BMP"),
    ]


def pixels_of(model, files):
    """What `predict` makes of files."""
    images = [
        preprocess(
            decode_image(data, "image"), (16, 24), meaning_of(model).preprocessing
        )
        for data in files
    ]
    return np.stack([np.asarray(image, np.float32) for image in images])


def probabilities_of(logits, model):
    logits = logits.astype(np.float64)
    if "sigmoid" in str(model.get_config()):
        return 1 / (1 + np.exp(-logits))
    e = np.exp(logits - logits.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def close(received, expected):
    np.testing.assert_allclose(received, expected, atol=2e-5, rtol=2e-5)


def test_bytes_give_what_the_model_says_of_their_pixels(exported, files):
    told = exported.ask("serving_default", files)
    logits = exported.model.predict_on_batch(pixels_of(exported.model, files))
    close(told["logits"], logits)
    probabilities = probabilities_of(told["logits"], exported.model)
    order = np.argsort(-probabilities, axis=-1, kind="stable")[:, : exported.top]
    close(told["probabilities"], np.take_along_axis(probabilities, order, -1))
    received = [[name.decode() for name in row] for row in told["classes"]]
    assert received == exported.names[order].tolist()
    assert told["error"].tolist() == [b""] * 5


@pytest.mark.parametrize("place", range(4))
def test_what_is_no_image_is_told_and_the_others_are_answered(exports, place, files):
    token = exports("token")
    alone = token.ask("serving_default", files[:3])
    told = token.ask("serving_default", [*files[:place], b"text", *files[place:3]])
    assert told["error"][place].startswith(b"not a readable JPEG, PNG")
    assert set(told["classes"][place]) == {b""}
    assert not told["probabilities"][place].any()
    assert not told["logits"][place].any()
    for name, values in told.items():
        others = np.delete(values, place, axis=0)
        if values.dtype == np.float32:
            close(others, alone[name])
        else:
            assert others.tolist() == alone[name].tolist()


@pytest.mark.parametrize("count", [0, 1, 7])
def test_pixels_give_logits_and_probabilities(exported, count, rng):
    model = exported.model
    images = rng.integers(0, 256, (count, 16, 24, 3), dtype=np.uint8)
    told = exported.ask("pixels", images.astype(np.float32))
    assert sorted(told) == ["logits", "probabilities"]
    assert told["logits"].shape == told["probabilities"].shape
    assert told["logits"].shape == (count, model.output_shape[-1])
    if count:
        close(told["logits"], model.predict_on_batch(images.astype(np.float32)))
        close(told["probabilities"], probabilities_of(told["logits"], model))
    levels = exported.ask("pixels_uint8", images)
    for name, values in told.items():
        np.testing.assert_array_equal(levels[name], values)


@pytest.mark.parametrize("signature", ["serving_default", "attention"])
def test_an_empty_batch_gets_an_empty_answer(exports, signature):
    told = exports("token").ask(signature, np.array([], object))
    assert {len(values) for values in told.values()} == {0}


def test_features_are_what_the_head_reads(exported, rng):
    """The head's own arithmetic makes the logits of them."""
    images = rng.uniform(0, 255, (3, 16, 24, 3)).astype(np.float32)
    features = exported.ask("features", images)["features"]
    kernel, bias = (np.asarray(w) for w in exported.model.get_layer("head").weights)
    close(features @ kernel + bias, exported.ask("pixels", images)["logits"])


def test_attention_is_rollout_over_what_the_model_sees(exported, files):
    told = exported.ask("attention", [*files, b"text"])
    maps = attention_rollout(exported.model, pixels_of(exported.model, files))
    close(told["attention"][:-1], maps)
    assert not told["attention"][-1].any()
    assert not told["window"][-1].any()
    assert told["error"].tolist()[:-1] == [b""] * 5
    assert told["error"][-1] != b""


@pytest.mark.slow
def test_the_window_is_the_part_that_the_model_saw(exports):
    picture = encoded(smooth(np.random.default_rng(0), 100, 100), "PNG")
    assert exports("token").ask("attention", [picture])["window"].tolist() == [
        [0, 0, 1, 1]
    ]
    # Resized to 34 x 34, as the model's 24 columns are 0.7 of 34; 16 x 24 of these.
    told = exports("hybrid, cropped").ask("attention", [picture])
    expected = [9 / 34, 5 / 34, 16 / 34, 24 / 34]
    np.testing.assert_allclose(told["window"][0], expected, atol=1e-6)


def test_a_process_without_this_package_gets_the_same_answers(exports, tmp_path, files):
    for number, data in enumerate([*files, b"text"]):
        (tmp_path / str(number)).write_bytes(data)
    code = """
import sys
sys.modules["keras_vit"] = sys.modules["keras"] = sys.modules["PIL"] = None
import numpy as np, tensorflow as tf
served = tf.saved_model.load(sys.argv[1])
files = tf.constant([open(str(number), "rb").read() for number in range(6)])
told = served.signatures["serving_default"](image_bytes=files)
maps = served.signatures["attention"](image_bytes=files)
errors = [len(error) for error in told["error"].numpy()]
np.savez("told.npz", logits=told["logits"], maps=maps["attention"], errors=errors)
"""
    token = exports("token")
    command = [sys.executable, "-c", code, str(token.folder)]
    subprocess.run(command, cwd=tmp_path, check=True)
    with np.load(tmp_path / "told.npz") as told:
        pixels = pixels_of(token.model, files)
        close(told["logits"][:5], token.model.predict_on_batch(pixels))
        close(told["maps"][:5], attention_rollout(token.model, pixels))
        assert (told["errors"] > 0).tolist() == [False] * 5 + [True]


def test_the_requests_that_warm_up_are_answered(exports):
    from tensorflow_serving.apis import prediction_log_pb2

    token, seen = exports("token"), []
    path = token.folder / "assets.extra" / "tf_serving_warmup_requests"
    for record in tf.data.TFRecordDataset(str(path)):
        log = prediction_log_pb2.PredictionLog.FromString(record.numpy())
        assert log.WhichOneof("log_type") == "predict_log"
        request = log.predict_log.request
        ((name, batch),) = request.inputs.items()
        signature = token.loaded.signatures[request.model_spec.signature_name]
        spec = signature.structured_input_signature[1][name]
        told = signature(**{name: tf.constant(tf.make_ndarray(batch), spec.dtype)})
        (count,) = {len(value) for value in told.values()}
        assert not any(told.get("error", tf.constant([])).numpy())
        seen.append((request.model_spec.signature_name, name, count))
    assert seen == [
        ("serving_default", "image_bytes", 1),
        ("pixels", "images", 1),
        ("serving_default", "image_bytes", 8),
        ("pixels", "images", 8),
    ]


def test_without_the_servers_protocol_nothing_warms_up(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorflow_serving.apis", None)
    with pytest.warns(UserWarning, match=r"no warm-up.*pip install .*\[export\]"):
        assert not warmup.write_warmup(tmp_path, (16, 24, 3))
    assert os.listdir(tmp_path) == []


@pytest.mark.slow
def test_xla_compiles_the_model_where_it_is_asked_to(exports):
    def compiled(name):
        data = (exports(name).folder / "saved_model.pb").read_bytes()
        (graph,) = saved_model_pb2.SavedModel.FromString(data).meta_graphs
        functions = graph.graph_def.library.function
        return [one for one in functions if one.attr["_XlaMustCompile"].b]

    assert len(compiled("map, compiled")) == 1
    assert not compiled("token")


@pytest.mark.slow
def test_classes_without_names_are_told_by_number_alone(exports):
    assert not (exports("gap, sigmoid").folder / "assets" / "labels.txt").exists()
    labels = (exports("token").folder / "assets" / "labels.txt").read_text("utf-8")
    assert labels.split("\n") == [*NAMES, ""]


def test_each_weight_is_written_once(exports):
    token = exports("token")
    (data,) = (token.folder / "variables").glob("*.data*")
    assert data.stat().st_size < 1.2 * 4 * token.model.count_params() + 10_000


def test_a_model_without_attention_has_no_such_signature(tmp_path, files):
    images = keras.Input((16, 24, 3))
    features = keras.layers.Flatten(name="features")(images)
    dense = keras.Model(images, keras.layers.Dense(2)(features))
    flat = keras.Model(images, keras.layers.GlobalAveragePooling2D()(images))
    common = {"pixels", "pixels_uint8", "serving_default"}
    assert {*signatures.signatures(Classifier.of(flat))} == common
    saved_model.write(Classifier.of(dense), tmp_path / "1")
    served = tf.saved_model.load(str(tmp_path / "1"))
    assert {*served.signatures} == common | {"features"}
    told = served.signatures["serving_default"](tf.constant(files))
    assert not any(told["error"].numpy())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"class_names": ["a"]}, "Expected 5 class names.*Received: 1"),
        ({"top": 0}, "top must be a positive integer. Received: top=0"),
    ],
)
def test_arguments_are_checked_before_anything_is_written(arguments, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        export(tiny_vit(), tmp_path / "1", **arguments)
    assert os.listdir(tmp_path) == []


def test_a_model_of_any_size_is_refused(tmp_path):
    images = keras.Input((None, None, 3))
    model = keras.Model(images, keras.layers.GlobalAveragePooling2D()(images))
    with pytest.raises(ValueError, match="of a known size"):
        export(model, tmp_path / "1")
    assert os.listdir(tmp_path) == []


@pytest.mark.slow
def test_a_model_that_reads_pictures_otherwise_is_refused(tmp_path, rng, monkeypatch):
    original = signatures._reader

    def mirrored(*how):
        def read(data):
            pixels, windows, errors = original(*how)(data)
            return pixels[:, ::-1], windows, errors

        return read

    monkeypatch.setattr(signatures, "_reader", mirrored)
    with pytest.raises(RuntimeError, match="reads a picture otherwise"):
        export(randomize(tiny_vit(num_layers=1), rng), tmp_path / "1")
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_an_export_without_pixels_is_refused_with_what_to_do(tmp_path):
    spec = tf.TensorSpec((None, 16, 24, 3), tf.float32, name="images")
    serve = tf.function(lambda images: {"logits": images[:, 0, 0]}, [spec])
    told = serve.get_concrete_function()
    tf.saved_model.save(tf.Module(), str(tmp_path / "1"), told)
    message = "signature 'pixels'.*exported again.*with serving_default"
    with pytest.raises(ValueError, match=message):
        Classifier.of(tmp_path)


def test_the_readme_of_exports_prints_what_it_says(tmp_path, monkeypatch, capsys):
    root = pathlib.Path(__file__).parents[2]
    text = (root / "savedmodels" / "README.md").read_text(encoding="utf-8")
    code, _, printed = text.split("```python\n")[1].partition("```\n\n```\n")
    monkeypatch.chdir(tmp_path)
    model = tiny_vit(num_classes=10, num_layers=1)
    folder = pathlib.Path("savedmodels", "fashion_mnist", "1")
    saved_model.write(Classifier.of(model), folder)
    smooth(np.random.default_rng(0), 28, 28).save("shoe.png")
    exec(compile(code, "README.md", "exec"), {})
    assert capsys.readouterr().out == printed.partition("```")[0]
