"""LiteRT: every kind of model in every scheme, and int8 that is refused in time."""

import functools
import itertools
import json
import sys
import zipfile

import keras
import numpy as np
import pytest
from ai_edge_litert.compiled_model import CompiledModel
from ai_edge_litert.interpreter import Interpreter

import keras_vit
from keras_vit.baselines import ResNet
from keras_vit.classifier import Classifier
from keras_vit.cli.main import main
from keras_vit.export_formats import PIXELS, SCHEMES
from keras_vit.exporting import (
    accuracy_check,
    checking,
    export,
    images,
    litert,
    quantization,
    reference_outputs,
)
from keras_vit.exporting.report import read_report
from keras_vit.layers import TransformerBlock
from keras_vit.model_files import save_model
from support.kinds import KINDS, hybrid
from support.models import randomize, tiny_vit
from support.often import often
from support.runtimes import by_interpreter, runner

# The most that a logit may differ, as a share of the largest.
NEAR = {"none": 1e-5, "float16": 0.01, "dynamic": 0.2, "int8": 0.3}


def hybrid_of_several_labels():
    model = hybrid()
    model.get_layer("head").probabilities = "sigmoid"
    return model


OTHERS = {
    "hybrid, sigmoid": hybrid_of_several_labels,
    "resnet": lambda: ResNet(
        blocks=(1, 1), width_factor=0.5, num_classes=5, image_size=(32, 48)
    ),
}


OFTEN_READ = [("none", "uint8")]
OFTEN = ("registers, gap, relative",)


@pytest.fixture(scope="module", autouse=True)
def models_are_converted_once():
    converted, made = litert._converted, {}

    def once(classifier, batch_size, pixels):
        key = classifier.model, batch_size, pixels
        if key not in made:
            made[key] = converted(classifier, batch_size, pixels)
        return made[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(litert, "_converted", once)
        yield


@functools.cache
def known(kind):
    """A model of random weights and a split on which it is always right."""
    rng = np.random.default_rng(0)
    make = OTHERS.get(kind) or (lambda: tiny_vit(**KINDS[kind]))
    model = randomize(make(), rng, scale=0.8)
    return model, decided(model, rng)


def answers(model, images):
    """Logits in batches of one size, of which Keras makes one graph."""
    parts = np.split(images, len(images) // 32)
    return np.concatenate([model.predict_on_batch(part) for part in parts])


def by_compiled_model(path, images):
    """Logits by LiteRT's newer interface."""
    with CompiledModel.from_file(str(path)) as model:
        given = model.create_input_buffer_by_name("serving_default", "images")
        told = model.create_output_buffer_by_name("serving_default", "logits")
        other = model.create_output_buffer_by_name("serving_default", "probabilities")
        given.write(images)
        buffers = {"logits": told, "probabilities": other}
        model.run_by_name("serving_default", {"images": given}, buffers)
        return np.array(told.read(5, np.float32))


def decided(model, rng, count=192):
    """Makes a model say each class as often, and gives images it is sure of."""
    height, width = model.input_shape[1:3]
    colours = rng.integers(0, 256, (4 * count, 2, 3, 3))
    images = colours.repeat(height // 2, 1).repeat(width // 3, 2)
    images = np.clip(images + rng.normal(0, 9, images.shape), 0, 255).astype(np.uint8)
    logits = answers(model, images)
    head = model.get_layer("head")
    head.bias.assign(head.bias - np.median(logits, 0))
    logits = answers(model, images)
    lowest, highest = np.sort(logits, 1)[:, -2:].T
    sure = rng.permutation(np.argsort(lowest - highest)[:count])
    return keras_vit.data.Split(images[sure], logits[sure].argmax(1))


def with_outliers(model, factor=1000):
    """The same function, of which one activation is far larger than all others."""
    for number in range(2):
        block = model.get_layer(f"block_{number:02}")
        for norm, denses in (
            (block.norm1, [getattr(block.attention, n) for n in ("query", "key")]),
            (block.norm2, [block.mlp.fc1]),
        ):
            if norm is block.norm1:
                denses = [*denses, block.attention.value]
            for weight in (norm.gamma, norm.beta):
                value = weight.numpy()
                value[0] *= factor
                weight.assign(value)
            for dense in denses:
                value = dense.kernel.numpy()
                value[0] /= factor
                dense.kernel.assign(value)
    return model


@pytest.mark.parametrize("kind", often([*KINDS, *OTHERS], OFTEN))
def test_every_kind_of_model_gives_its_answers_in_every_scheme(kind, tmp_path):
    model, split = known(kind)
    expected = answers(model, split.images[:32])
    for scheme in ("none", "float16", "dynamic"):
        path = tmp_path / f"{scheme}.tflite"
        litert.write(Classifier.of(model), path, quantize=scheme)
        for image, right in zip(split.images[:8], expected, strict=False):
            told = by_interpreter(path, image[None])
            (logits,), (probabilities,) = told["logits"], told["probabilities"]
            off = np.abs(logits - right).max() / np.abs(expected).max()
            assert off < NEAR[scheme]
            right = np.exp(logits) / np.exp(logits).sum()
            if kind == "hybrid, sigmoid":
                right = 1 / (1 + np.exp(-logits))
            np.testing.assert_allclose(probabilities, right, atol=1e-5)


@pytest.mark.parametrize(
    ("scheme", "pixels"), often(itertools.product(SCHEMES, PIXELS), OFTEN_READ)
)
def test_pixels_are_given_as_they_are(scheme, pixels, tmp_path):
    model, split = known("token")
    path = export(
        model,
        tmp_path / "model.tflite",
        "tflite",
        list("abcdé"),
        split=split,
        quantize=scheme,
        calibration=split if scheme == "int8" else None,
        pixels=pixels,
    )
    (given,) = runner(path).get_input_details().values()
    assert given["dtype"] == np.dtype(pixels)
    assert given["quantization_parameters"]["scales"].size == 0
    assert list(given["shape"]) == [1, 16, 24, 3]
    logits = by_interpreter(path, split.images[:1])["logits"]
    expected = answers(model, split.images[:32])
    assert np.abs(logits - expected[0]).max() < NEAR[scheme] * np.abs(expected).max()
    newer = by_compiled_model(path, split.images[:1].astype(pixels))
    np.testing.assert_allclose(newer, logits[0], atol=1e-5)
    with zipfile.ZipFile(path) as notes:
        assert notes.read("labels.txt").decode().split() == list("abcdé")
        assert "crop_fraction" in json.loads(notes.read("preprocessing.json"))


def test_weights_in_int8_are_within_half_a_step_of_keras(tmp_path):
    model, _ = known("token")
    litert.write(Classifier.of(model), tmp_path / "model.tflite", quantize="dynamic")
    interpreter = Interpreter(str(tmp_path / "model.tflite"))
    interpreter.allocate_tensors()
    written = []
    for tensor in interpreter.get_tensor_details():
        if tensor["dtype"] == np.int8 and len(tensor["shape"]) == 2:
            quantised = tensor["quantization_parameters"]
            assert not quantised["zero_points"].any()
            written.append((interpreter.get_tensor(tensor["index"]), quantised))
    kernels = [w.numpy() for w in model.weights if w.path.endswith("kernel")]
    assert len(written) == len(kernels) == 14
    for kernel, path in zip(kernels, (w.path for w in model.weights), strict=False):
        kernel = kernel.reshape(-1, kernel.shape[-1]) if kernel.ndim == 4 else kernel
        assert any(holds(kernel, *one) for one in written), path


def holds(kernel, values, quantised):
    """Whether int8 values, a scale for each output, are a kernel's, or a query's."""
    scales = quantised["scales"]
    if values.shape != kernel.T.shape or len(scales) != len(values):
        return False
    for factor in (1, 8**-0.5):  # 8 features a head, by whose root queries are divided
        wanted = factor * kernel.T
        steps = np.abs(wanted).max(1) / 127
        off = np.abs(values * scales[:, None] - wanted)
        if np.allclose(scales, steps) and (off <= 0.501 * steps[:, None]).all():
            return True
    return False


def test_weights_in_float16_are_keras_rounded(tmp_path):
    model, _ = known("token")
    litert.write(Classifier.of(model), tmp_path / "model.tflite", quantize="float16")
    interpreter = Interpreter(str(tmp_path / "model.tflite"))
    interpreter.allocate_tensors()
    halves = [
        interpreter.get_tensor(tensor["index"])
        for tensor in interpreter.get_tensor_details()
        if tensor["dtype"] == np.float16
    ]
    assert len(halves) == 14
    kernel = model.get_layer("block_00").mlp.fc1.kernel.numpy()
    assert any(np.array_equal(half, kernel.T.astype(np.float16)) for half in halves)


@pytest.mark.slow
@pytest.mark.fresh_process
def test_int8_is_judged_in_a_process_of_its_own_and_reported(tmp_path):
    model, split = known("token")
    options = {"split": split, "quantize": "int8", "calibration": split}
    path = export(model, tmp_path / "model.tflite", "tflite", **options)
    gate = read_report(path).gate
    assert (gate["calibration_images"], gate["images"]) == (96, 96)
    assert gate["agreement"] == gate["accuracy"] >= 0.99
    assert gate["accuracy_of_origin"] == 1
    assert gate["operations_in_int8"] == {"FULLY_CONNECTED": [13, 14]}  # not the head
    card = (tmp_path / "model.tflite.md").read_text(encoding="utf-8")
    assert "13 of 14 FULLY_CONNECTED" in card


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "static"),
    [
        ("hybrid, sigmoid", {"CONV_2D": [5, 5], "FULLY_CONNECTED": [13, 14]}),
        ("map, sincos", {"FULLY_CONNECTED": [18, 19]}),
        ("distillation", {"FULLY_CONNECTED": [15, 15]}),  # whose mean is the output
    ],
)
def test_int8_is_of_dense_layers_and_convolutions(kind, static, tmp_path):
    model, split = known(kind)
    options = {"quantize": "int8", "calibration": split}
    path = export(model, tmp_path / "model.tflite", "tflite", **options)
    assert read_report(path).gate["operations_in_int8"] == static
    told = by_interpreter(path, split.images[:1])
    assert told["logits"].dtype == told["probabilities"].dtype == np.float32
    expected = answers(model, split.images[:32])
    off = np.abs(told["logits"] - expected[0]).max()
    assert off < NEAR["int8"] * np.abs(expected).max()


def test_int8_that_changes_answers_is_refused_and_nothing_written(tmp_path, rng):
    model = randomize(tiny_vit(), rng, scale=0.8)
    split = decided(model, rng)
    with_outliers(model)
    said = answers(model, split.images).argmax(1)
    assert (said == split.labels).mean() > 0.99  # the same function
    with pytest.raises(
        accuracy_check.AccuracyLostError, match=r"on 96 images.*agreement \d\d"
    ):
        export(
            model,
            tmp_path / "new" / "model.tflite",
            "tflite",
            quantize="int8",
            calibration=split,
        )
    assert [p for p in tmp_path.rglob("*") if p.is_file()] == []


@pytest.mark.parametrize(
    ("changed", "lost", "kept"),
    [(20, 10, True), (20, 0, True), (21, 0, False), (11, 11, False), (0, -30, True)],
)
def test_int8_may_change_two_answers_and_lose_one_point_of_a_hundred(
    changed, lost, kept
):
    gate = {"agreement": (1000 - changed) / 1000}
    gate |= {"accuracy": (870 - lost) / 1000, "accuracy_of_origin": 0.87}
    assert accuracy_check.holds(gate) == kept


@pytest.mark.slow
def test_convolutions_stay_in_float_where_that_keeps_the_answers(tmp_path, monkeypatch):
    run, files = checking.run_in_fresh_process, []

    def first_is_bad(runtime, path, images):
        files.append(litert.operations(path.read_bytes())[1])
        logits, measured = run(runtime, path, images)
        return (logits[:, ::-1] if len(files) == 1 else logits), measured

    monkeypatch.setattr(checking, "run_in_fresh_process", first_is_bad)
    model, split = known("hybrid, sigmoid")
    options = {"quantize": "int8", "calibration": split}
    path = export(model, tmp_path / "model.tflite", "tflite", **options)
    assert files[0]["CONV_2D"] == 5 and files[1]["CONV_2D"] == 0
    assert read_report(path).gate["scheme"] == "dense layers"


@pytest.mark.slow
def test_int8_is_judged_on_images_that_calibration_did_not_see(tmp_path, monkeypatch):
    seen = {}
    calibrated, run = quantization.calibrated, checking.run_in_fresh_process

    def record(file, batches):
        seen["calibrating"] = np.concatenate(batches)
        return calibrated(file, batches)

    def judge(runtime, path, images):
        seen.setdefault("judging", np.array(images))
        return run(runtime, path, images)

    monkeypatch.setattr(quantization, "calibrated", record)
    monkeypatch.setattr(checking, "run_in_fresh_process", judge)
    model, split = known("token")
    options = {"calibration": split.subset(np.arange(117)), "batch_size": 8}
    export(model, tmp_path / "model.tflite", "tflite", quantize="int8", **options)
    once, judged = (
        {image.tobytes() for image in seen[name]} for name in ("calibrating", "judging")
    )
    assert (
        len(seen["calibrating"]) == 64
    )  # 59, and five of them again to fill the last batch
    assert (len(once), len(judged)) == (59, 58)
    assert not once & judged


def test_int8_is_judged_on_images_that_the_model_was_not_fitted_on(
    tmp_path, monkeypatch
):
    """It keeps the answers on training images and loses them on the others."""
    model, split = known("token")
    training, others = (split.subset(np.arange(side, 192, 2)) for side in (0, 1))
    unknown, judged = {image.tobytes() for image in others.images}, []
    run = checking.run_in_fresh_process

    def fits_training_images(runtime, path, images):
        logits, measured = run(runtime, path, images)
        judged.append([image.astype(np.uint8).tobytes() in unknown for image in images])
        return np.where(np.array(judged[-1])[:, None], -logits, logits), measured

    monkeypatch.setattr(checking, "run_in_fresh_process", fits_training_images)
    options = {"quantize": "int8", "calibration": training, "split": others}
    options |= {"source": "pictures, test"}
    with pytest.raises(
        accuracy_check.AccuracyLostError, match=r"on 96 images \(pictures, test"
    ):
        export(model, tmp_path / "model.tflite", "tflite", **options)
    assert len(judged[0]) == 96 and all(judged[0])
    assert list(tmp_path.iterdir()) == []


def test_the_report_refuses_int8_by_the_limit_of_its_gate(tmp_path, monkeypatch):
    """Few images chose the operations; more of them tell something else."""
    model, split = known("token")
    run = checking.run_in_fresh_process

    def loses_three_of_a_hundred(runtime, path, images):
        logits, measured = run(runtime, path, images)
        if len(images) == 192:
            logits[:6] = np.eye(5)[(split.labels[:6] + 1) % 5]
        return logits, measured

    monkeypatch.setattr(checking, "run_in_fresh_process", loses_three_of_a_hundred)
    monkeypatch.setattr(images, "MOST_JUDGING", 50)
    other = keras_vit.data.Split(split.images.copy(), split.labels)
    options = {"quantize": "int8", "calibration": other, "split": split}
    with pytest.raises(
        accuracy_check.AccuracyLostError, match=r"as reported: agreement 9\d"
    ):
        export(model, tmp_path / "model.tflite", "tflite", **options)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("scheme", SCHEMES)
def test_every_scheme_has_a_bound_that_can_fail(scheme, tmp_path, monkeypatch):
    logits = np.eye(5, dtype=np.float32)[np.arange(100) % 5]
    measured = dict.fromkeys(
        ("load_seconds", "latency_ms", "peak_memory_bytes", "fixed_batch_size")
    )
    measured |= {"versions": {}, "precision": "float32"}
    compared = reference_outputs.ReferenceOutputs(
        logits, np.arange(100) % 5, logits, "pictures"
    )
    wrong = np.roll(logits, 1, axis=1)
    monkeypatch.setattr(checking, "_size", lambda path: 0)
    right, other = (tmp_path / f"{name}.tflite" for name in ("right", "wrong"))
    for file in (right, other):
        file.touch()
    told = {right: logits, other: wrong * 1.5}
    monkeypatch.setattr(
        checking, "run_in_fresh_process", lambda _, path, images: (told[path], measured)
    )
    assert checking.check("tflite", right, compared, scheme).accuracy == 1
    with pytest.raises(RuntimeError, match="at most"):
        checking.check("tflite", other, compared, scheme)


def images_of(split, calibration):
    return images.images_of(
        Classifier.of(tiny_vit()),
        split,
        calibration,
        source="pictures",
        quantize="int8",
    )


def test_without_other_images_half_of_a_split_calibrates():
    split = keras_vit.data.Split(
        np.arange(120 * 3, dtype=np.float32).reshape(120, 1, 1, 3) / 2,
        np.arange(120) % 4,
    )
    for given in ((split, None), (None, split), (split, split)):
        found = images_of(*given)
        assert found.reported is found.judging
        assert len(found.calibrating) == len(found.judging) == 60
        sets = [
            set(one.images[:, 0, 0, 0]) for one in (found.calibrating, found.judging)
        ]
        assert not sets[0] & sets[1]
        assert "half" in found.source
    few = split.subset(np.arange(49))
    with pytest.raises(ValueError, match="split must have at least 50 images.*judge"):
        images_of(few, split)
    with pytest.raises(ValueError, match="split must have at least 100 images.*half"):
        images_of(few, None)


def test_both_halves_have_every_class_and_are_the_same_each_time():
    labels = np.repeat(np.arange(50), np.arange(2, 52))
    pixels = np.zeros((len(labels), 1, 1, 3), np.float32)
    pixels[:, 0, 0, 0] = np.arange(len(labels)) / 8
    split = keras_vit.data.Split(pixels, labels)
    calibrating, judging = images.halves(split)
    assert (len(calibrating), len(judging)) == (200, len(labels) // 2)
    assert set(judging.labels) == set(range(50))
    numbers = [set(half.images[:, 0, 0, 0]) for half in (calibrating, judging)]
    assert not numbers[0] & numbers[1]
    again, _ = images.halves(split)
    np.testing.assert_array_equal(again.images, calibrating.images)
    few, _ = images.halves(split.subset(np.arange(100)))
    assert set(few.labels) == set(labels[:100])


def test_int8_without_images_is_refused_with_what_gives_them(tmp_path):
    path = tmp_path / "model.tflite"
    with pytest.raises(ValueError, match="calibration=split,.*--dataset=NAME"):
        export(tiny_vit(), path, "tflite", quantize="int8")
    few = keras_vit.data.Split(np.zeros((99, 16, 24, 3), np.uint8), np.zeros(99, int))
    with pytest.raises(ValueError, match="at least 100 images.*99"):
        export(tiny_vit(), path, "tflite", quantize="int8", calibration=few)
    with pytest.raises(ValueError, match="int8' alone.*'dynamic'"):
        export(tiny_vit(), path, "tflite", quantize="dynamic", calibration=few)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"quantize": "int4"}, "one of none, float16, dynamic, int8.*'int4'"),
        ({"pixels": "int8"}, "one of float32, uint8.*'int8'"),
        ({"batch_size": -1}, "positive integer.*-1"),
        ({"batch_size": None}, "positive integer.*None"),
    ],
)
def test_what_a_tflite_file_cannot_be_is_refused(options, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        export(tiny_vit(), tmp_path / "model.tflite", "tflite", **options)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("package", ["ai_edge_litert", "ai_edge_quantizer"])
def test_without_its_package_quantisation_says_how_to_get_it(
    package, tmp_path, monkeypatch
):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ImportError, match=rf"{package}.*pip install .*\[export\]"):
        export(tiny_vit(), tmp_path / "a.tflite", "tflite", quantize="dynamic")
    assert list(tmp_path.iterdir()) == []


class Determinant(keras.layers.Layer):
    """An operation that LiteRT has not."""

    def call(self, x):
        import tensorflow as tf

        return tf.linalg.det(tf.eye(3) * x[:, :1, None])[:, None] + x


def needing_another_operation():
    images = keras.Input((4, 4, 3))
    pooled = keras.layers.GlobalAveragePooling2D()(images)
    return keras.Model(images, Determinant()(pooled))


def test_a_model_that_needs_other_operations_is_not_written(tmp_path):
    with pytest.raises(RuntimeError, match="not LiteRT's own.*MatrixDeterminant"):
        export(needing_another_operation(), tmp_path / "a.tflite", "tflite")
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_needs_other_operations_is_known_by_its_codes(
    tmp_path, monkeypatch
):
    import tensorflow as tf

    model = needing_another_operation()
    serve = tf.function(lambda images: model(images))
    images = tf.TensorSpec((1, 4, 4, 3))
    converter = tf.lite.TFLiteConverter.from_concrete_functions(
        [serve.get_concrete_function(images)], model
    )
    converter.target_spec.supported_ops = [
        tf.lite.OpsSet.TFLITE_BUILTINS,
        tf.lite.OpsSet.SELECT_TF_OPS,
    ]
    file = converter.convert()
    assert litert.operations(file)[0]["CUSTOM"] == 1
    monkeypatch.setattr(litert, "_converted", lambda *_: file)
    with pytest.raises(RuntimeError, match="not LiteRT's own"):
        litert.write(Classifier.of(model), tmp_path / "a.tflite")


@pytest.fixture
def command(tmp_path, monkeypatch):
    """Calls `keras-vit export`, whose writer refuses int8 and notes all else."""
    model = tiny_vit()
    save_model(model, tmp_path / "run" / "model.keras", list("abcde"))
    labels = np.arange(100) % 5
    images = np.zeros((100, 16, 24, 3), np.uint8)
    arrays = {"train_images": images, "train_labels": labels}
    arrays |= {"test_images": images[:5], "test_labels": labels[:5]}
    np.savez(tmp_path / "data.npz", **arrays)
    written = {}

    def write(model, path, format, **options):
        written[format, options.get("quantize")] = options
        if options.get("quantize") == "int8":
            raise accuracy_check.AccuracyLostError("agreement 12 %")
        return path

    monkeypatch.setattr(keras_vit.exporting, "export", write)
    for name in ("table", "origin_row"):
        monkeypatch.setattr(f"keras_vit.exporting.report.{name}", lambda *given: "")
    monkeypatch.setattr("keras_vit.exporting.report.read_report", lambda path: None)
    return lambda *flags: (
        main(["export", f"--model={tmp_path / 'run'}", *flags]),
        written,
    )


def test_the_command_calibrates_on_training_images(command, tmp_path, capsys):
    data = f"--dataset={tmp_path / 'data.npz'}"
    status, written = command("--format=tflite", "--quantize=int8", data)
    assert status == 2 and "agreement 12 %" in capsys.readouterr().err
    assert len(written["tflite", "int8"]["calibration"]) == 100
    assert len(written["tflite", "int8"]["split"]) == 5


def test_the_command_writes_the_others_where_int8_is_refused(command, tmp_path, capsys):
    status, written = command("--format=all", f"--dataset={tmp_path / 'data.npz'}")
    assert status == 1
    assert "run-int8.tflite. agreement 12 %" in capsys.readouterr().out
    assert {"none", "float16", "dynamic"} < {scheme for _, scheme in written}
    assert {"saved_model", "onnx", "openvino"} < {format for format, _ in written}


def test_the_command_says_that_int8_needs_a_data_set(command, capsys):
    _, written = command("--format=all")
    assert written["tflite", "int8"]["calibration"] is None


def test_the_command_compares_with_the_model_that_merges_no_tokens(command):
    _, written = command("--token_merging=1", "--temperature=2")
    made_of = written["saved_model", "none"]["made_of"]
    blocks = [one for one in made_of.layers if one.name.startswith("block_")]
    assert [type(one) for one in blocks] == [TransformerBlock] * 2
    _, written = command()
    assert written["saved_model", "none"]["made_of"] is None


def test_the_command_takes_no_quantisation_beside_all(command, capsys):
    assert command("--format=all", "--quantize=none") == (2, {})
    assert "Leave it out" in capsys.readouterr().err
