"""ONNX and OpenVINO: every kind of model, and what the files say of themselves."""

import collections
import dataclasses
import functools
import itertools
import json

import numpy as np
import onnx
import openvino
import pytest

from keras_vit.cli.main import main
from keras_vit.data import Split
from keras_vit.exporting import export, runtime_check
from keras_vit.exporting.modes import ELSEWHERE, LOADED_BY
from keras_vit.exporting.report import read_report, report_paths
from keras_vit.model_files import save_model
from support import models
from support.kinds import KINDS, hybrid
from support.models import randomize
from support.often import often
from support.runtimes import by_onnx, by_openvino

tiny_vit = functools.partial(models.tiny_vit, num_layers=1)  # one tells as much as two


def images_for(model, rng, batch):
    shape = (batch, *model.input_shape[1:])
    return rng.integers(0, 256, shape).astype(np.float32)


FORMATS = {"onnx": (".onnx", by_onnx), "openvino": (".xml", by_openvino)}
ALL_KINDS = [*KINDS, "hybrid", "sigmoid"]
# Both formats are made of one graph, and OpenVINO takes three times as long: by
# default it gets what has operations of its own, and ONNX what it has not.
OFTEN = [
    ("registers, gap, relative", "openvino"),
    ("pre-logits, rope", "onnx"),
]


@pytest.mark.parametrize(
    ("kind", "format"), often(itertools.product(ALL_KINDS, FORMATS), OFTEN)
)
def test_any_batch_gets_the_models_own_answers(kind, format, tmp_path, rng):
    model = hybrid() if kind == "hybrid" else tiny_vit(**KINDS.get(kind, {}))
    randomize(model, rng, scale=0.2)
    if kind == "sigmoid":
        model.get_layer("head").probabilities = "sigmoid"
    suffix, by = FORMATS[format]
    run = by(export(model, tmp_path / f"model{suffix}", format))
    for batch in (1, 3, 8):
        images = images_for(model, rng, batch)
        logits, probabilities = run(images)
        expected = model.predict_on_batch(images)
        allowed = 1e-4 * max(1, np.abs(expected).max())
        np.testing.assert_allclose(logits, expected, atol=allowed)
        right = np.exp(expected - expected.max(1, keepdims=True))
        right /= right.sum(1, keepdims=True)
        if kind == "sigmoid":
            right = 1 / (1 + np.exp(-expected))
        np.testing.assert_allclose(probabilities, right, atol=1e-4)


@pytest.mark.parametrize("activation", often(["gelu_tanh", "gelu_erf"], ["gelu_tanh"]))
def test_onnx_has_norms_gelu_and_weights_as_what_they_are(activation, tmp_path, rng):
    model = randomize(tiny_vit(activation=activation, num_layers=2), rng)
    written = onnx.load(export(model, tmp_path / "model.onnx", "onnx"))
    kinds = collections.Counter(node.op_type for node in written.graph.node)
    assert kinds["LayerNormalization"] == 2 * 2 + 1
    assert kinds["Gelu"] == 2
    assert not kinds.keys() & {"Tanh", "Erf", "Sqrt", "PyFunc"}
    assert {node.domain for node in written.graph.node} == {""}
    held = {
        one.name: onnx.numpy_helper.to_array(one) for one in written.graph.initializer
    }
    for weight in model.get_layer("block_01").weights:
        np.testing.assert_array_equal(held[weight.path], weight)


def test_weights_beyond_one_onnx_file_lie_in_a_second_beside_it(
    tmp_path, rng, monkeypatch
):
    model = randomize(tiny_vit(hidden_dim=32), rng)
    monkeypatch.setattr("keras_vit.exporting.onnx.MOST_INSIDE", 10_000)
    path = export(model, tmp_path / "large.onnx", "onnx")
    assert {one.name for one in tmp_path.iterdir()} == {
        "large.onnx",
        "large.onnx.data",
        "large.onnx.json",
        "large.onnx.md",
    }
    beside = tmp_path / "large.onnx.data"
    assert beside.stat().st_size > 3 * model.count_params()  # the rest are small
    held = {
        one.name: onnx.numpy_helper.to_array(one)
        for one in onnx.load(path).graph.initializer
    }
    for weight in model.get_layer("block_00").weights:
        np.testing.assert_array_equal(held[weight.path], weight)
    (tmp_path / "moved").mkdir()
    for file in (path, beside):
        file.rename(tmp_path / "moved" / file.name)
    images = images_for(model, rng, 3)
    logits, _ = by_onnx(tmp_path / "moved" / path.name)(images)
    np.testing.assert_allclose(logits, model.predict_on_batch(images), atol=1e-4)


def test_an_onnx_file_says_what_it_is_of(tmp_path, rng):
    model = randomize(tiny_vit(evaluation_preprocessing="timm:0.9"), rng)
    path = export(model, tmp_path / "model.onnx", "onnx", list("abcdé"))
    written = onnx.load(path)
    assert {one.domain: one.version for one in written.opset_import}[""] == 20
    (given,) = written.graph.input
    dims = [d.dim_param or d.dim_value for d in given.type.tensor_type.shape.dim]
    assert (given.name, dims) == ("images", ["batch", 16, 24, 3])
    assert [one.name for one in written.graph.output] == ["logits", "probabilities"]
    notes = {one.key: one.value for one in written.metadata_props}
    assert notes["labels.txt"].split() == list("abcdé")
    assert json.loads(notes["preprocessing.json"])["crop_fraction"] == 0.9


def test_an_openvino_file_says_what_it_is_of(tmp_path, rng):
    model = randomize(tiny_vit(), rng)
    path = export(model, tmp_path / "model.xml", "openvino", list("abcde"))
    size = path.with_suffix(".bin").stat().st_size
    assert size > 0.9 * 4 * model.count_params()
    written = openvino.Core().read_model(path)
    assert str(written.inputs[0].partial_shape) == "[?,16,24,3]"
    assert written.get_rt_info(["keras_vit", "labels"]).astype(str).split() == [
        *"abcde"
    ]


def test_the_default_of_a_runtime_is_measured_where_it_is_another(
    tmp_path, rng, monkeypatch, capsys
):
    """As on a processor with bfloat16, where a plain call rounds."""

    def rounding(path):
        exact = runtime_check.openvino(path)

        def logits(images):
            return exact.logits(images) + np.float32(0.125)

        return dataclasses.replace(exact, logits=logits, precision="bfloat16")

    monkeypatch.setitem(runtime_check.RUNTIMES, "openvino, by default", rounding)
    model = randomize(tiny_vit(), rng)
    save_model(model, tmp_path / "vit.keras")
    flags = [f"--model={tmp_path / 'vit.keras'}", f"--folder={tmp_path}"]
    assert main(["export", "--format=openvino", *flags]) == 0
    path = tmp_path / "vit.xml"
    exact, default = read_report(path).modes
    assert exact["precision"] == "float32" and exact["largest_difference"] < 1e-4
    assert exact["code"].endswith("{'INFERENCE_PRECISION_HINT': 'f32'})")
    assert default["precision"] == "bfloat16"
    assert default["largest_difference"] == pytest.approx(0.125, abs=1e-3)
    assert default["code"] == "Core().compile_model(path, 'CPU')"
    card, printed = path.with_name("vit.xml.md").read_text(), capsys.readouterr().out
    for mode in (exact, default):
        assert f"| `{mode['code']}` | {mode['precision']} |" in card
        assert f"  {mode['code']} computes in {mode['precision']}: " in printed


def test_openvinos_default_here_is_what_it_says(tmp_path, rng):
    path = export(randomize(tiny_vit(), rng), tmp_path / "model.xml", "openvino")
    _, default = read_report(path).modes
    can = openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    assert default["precision"] == ("bfloat16" if "BF16" in can else "float32")


@pytest.mark.one_in(3)
@pytest.mark.parametrize("format", ["onnx", "tflite", "saved_model"])
def test_a_report_has_the_line_of_code_that_loads_its_file(format, tmp_path, rng):
    suffix = FORMATS.get(format, (f".{format}",))[0] if format != "saved_model" else ""
    path = export(randomize(tiny_vit(), rng), tmp_path / f"model{suffix}", format)
    (mode,) = read_report(path).modes
    assert mode["code"] == LOADED_BY[format] and mode["precision"] == "float32"
    card = report_paths(path)[1].read_text()
    assert f"`{mode['code']}`" in card and ELSEWHERE[format] in card


@pytest.mark.parametrize(
    ("format", "package"),
    [("onnx", "tf2onnx"), ("onnx", "onnxruntime"), ("openvino", "openvino")],
)
def test_without_its_package_a_format_says_how_to_get_it(
    format, package, tmp_path, monkeypatch
):
    monkeypatch.setitem(__import__("sys").modules, package, None)
    path = tmp_path / f"model{FORMATS[format][0]}"
    with pytest.raises(ImportError, match=r"pip install .*\[export\]"):
        export(tiny_vit(), path, format)
    assert list(tmp_path.iterdir()) == []


def test_an_onnx_file_of_dynamic_int8_is_near_and_small(tmp_path, rng):
    """A fifth of a step of 8 bits a layer: 2 % of the logits' range."""
    model = randomize(tiny_vit(hidden_dim=64, mlp_dim=256), rng, scale=0.1)
    whole = export(model, tmp_path / "whole.onnx", "onnx")
    small = export(model, tmp_path / "small.onnx", "onnx", quantize="dynamic")
    assert small.stat().st_size < 0.5 * whole.stat().st_size
    images = images_for(model, rng, 3)
    logits, _ = by_onnx(small)(images)
    expected = model.predict_on_batch(images)
    assert 0 < np.abs(logits - expected).max() < 0.05 * np.ptp(expected)
    kinds = collections.Counter(node.op_type for node in onnx.load(small).graph.node)
    assert kinds["MatMulInteger"] >= 5
    notes = {one.key for one in onnx.load(small).metadata_props}
    assert "preprocessing.json" in notes
    assert read_report(small).name() == "onnx dynamic"


@pytest.mark.slow
def test_openvino_in_int8_is_judged_by_what_it_was_not_calibrated_on(tmp_path, rng):
    pytest.importorskip("nncf")
    model = randomize(tiny_vit(), rng)
    images = rng.integers(0, 256, (400, 16, 24, 3), np.uint8)
    logits = model.predict_on_batch(images.astype(np.float32))
    sure = np.argsort(np.diff(np.sort(logits, 1)[:, -2:])[:, 0])[-200:]
    split = Split(images[sure], logits[sure].argmax(1))
    path = tmp_path / "model.xml"
    export(model, path, "openvino", quantize="int8", split=split)
    gate = read_report(path).gate
    assert gate["calibration_images"] == gate["images"] == 100
    assert gate["agreement"] >= 0.98
    in_int8, total = gate["operations_in_int8"]["MatMul"]
    assert 0 < in_int8 <= total


@pytest.mark.parametrize(
    ("format", "scheme", "said"),
    [
        ("onnx", "int8", "a scheme of tflite, openvino; onnx has none, dynamic"),
        ("openvino", "dynamic", "a scheme of tflite, onnx; openvino has none, int8"),
        ("onnx", "int9", "quantize must be one of none, float16"),
    ],
)
def test_a_scheme_of_another_format_is_refused(format, scheme, said, tmp_path):
    with pytest.raises(ValueError, match=said):
        export(tiny_vit(), tmp_path / f"x{FORMATS[format][0]}", format, quantize=scheme)


def test_without_nncf_int8_of_openvino_says_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "nncf", None)
    with pytest.raises(ImportError, match=r"nncf.* pip install .*\[export,nncf\]"):
        export(tiny_vit(), tmp_path / "x.xml", "openvino", quantize="int8")
