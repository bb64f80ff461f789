"""The file that is fastest on this machine: what is tried, and why one is written."""

import numpy as np
import pytest

import keras_vit
from keras_vit.cli.main import main
from keras_vit.data import Split
from keras_vit.exporting import accuracy_check, fastest
from keras_vit.exporting.report import read_report, report_paths
from keras_vit.model_files import save_model
from support.models import randomize, tiny_vit


@pytest.fixture(scope="module")
def model():
    return randomize(tiny_vit(num_layers=1), np.random.default_rng(0))


@pytest.fixture
def split(model, rng):
    images = rng.integers(0, 256, (60, 16, 24, 3), np.uint8)
    logits = model.predict_on_batch(images.astype(np.float32))
    return Split(images, logits.argmax(1))


@pytest.fixture
def times(monkeypatch):
    """Has files take as long as it says, milliseconds by name."""

    def given(candidates, image_size):
        assert image_size == (16, 24)
        for one in candidates:
            assert one.path.is_file()
            one.times = [told[one.name]]

    told = {"tflite": 4.0, "tflite dynamic": 2.0, "onnx": 3.0, "onnx dynamic": 1.0}
    monkeypatch.setattr(fastest, "_time", given)
    monkeypatch.setattr(fastest, "CANDIDATES", ("tflite", "onnx"))
    return told


def reasons(path):
    return {one["file"]: one["reason"] for one in read_report(path).chosen_from}


@pytest.mark.slow
def test_the_fastest_that_keeps_the_accuracy_is_written(
    model, split, times, tmp_path, monkeypatch
):
    """ONNX Runtime's int8 would be the fastest, were it not refused."""
    holds = accuracy_check.holds
    monkeypatch.setattr(
        fastest.accuracy_check,
        "holds",
        lambda found: holds(found) and found["accuracy"] != 0.5,
    )
    lost = fastest.read_report

    def read(path):
        report = lost(path)
        if report.name() == "onnx dynamic":
            report.modes[0]["accuracy"] = 0.5
        return report

    monkeypatch.setattr(fastest, "read_report", read)
    path = keras_vit.export(model, tmp_path / "vit", for_="cpu", split=split)
    assert path == tmp_path / "vit.tflite"
    assert {one.name for one in tmp_path.iterdir()} == {
        "vit.tflite",
        "vit.tflite.json",
        "vit.tflite.md",
    }
    report = read_report(path)
    assert report.quantize == "dynamic" and report.format == "tflite"
    why = reasons(path)
    assert why["tflite dynamic"] == f"chosen: {report.modes[0]['code']}"
    assert why["onnx"] == "1.50 times as long" and why["tflite"][:4] == "2.00"
    assert why["onnx dynamic"].startswith("refused: ")
    assert "50.00 % after 100.00 %" in why["onnx dynamic"]
    assert why["tflite int8"].startswith("not written: split must have at least 100")
    card = report_paths(path)[1].read_text()
    assert "| tflite dynamic | 2.00 |" in card


@pytest.mark.slow
def test_without_images_what_loses_precision_is_not_tried(model, times, tmp_path):
    path = keras_vit.export(model, tmp_path / "vit", for_="cpu")
    assert path == tmp_path / "vit.onnx"
    why = reasons(path)
    assert why["tflite dynamic"] == "not tried: no images to judge it by, --dataset"
    assert read_report(path).quantize == "none"


@pytest.mark.slow
def test_the_command_prints_what_was_tried(model, times, tmp_path, capsys):
    save_model(model, tmp_path / "vit.keras")
    folder = tmp_path / "files"
    flags = [f"--model={tmp_path / 'vit.keras'}", f"--folder={folder}"]
    assert main(["export", "--for=cpu", *flags]) == 0
    out = capsys.readouterr().out
    assert f"Written and checked: {folder / 'vit.onnx'}" in out
    assert out.index("| onnx | 3.00") < out.index("| tflite | 4.00")
    assert main(["export", "--for=cpu", "--format=onnx", *flags]) == 2
    assert "Expected no --format beside it" in capsys.readouterr().err


def test_what_is_to_be_found_cannot_be_given(model, tmp_path):
    for options, said in (
        ({"for_": "gpu"}, "for_ must be one of cpu"),
        ({"for_": "cpu", "format": "onnx"}, "Expected neither"),
        ({"for_": "cpu", "quantize": "dynamic"}, "Expected neither"),
    ):
        with pytest.raises(ValueError, match=said):
            keras_vit.export(model, tmp_path / "vit", **options)
    with pytest.raises(ValueError, match="Expected a path without .onnx"):
        keras_vit.export(model, tmp_path / "vit.onnx", for_="cpu")


@pytest.mark.slow
def test_where_no_file_keeps_the_accuracy_none_is_written(
    model, split, times, tmp_path, monkeypatch
):
    monkeypatch.setattr(fastest.accuracy_check, "holds", lambda found: False)
    with pytest.raises(RuntimeError, match="No file keeps the model's accuracy"):
        keras_vit.export(model, tmp_path / "vit", for_="cpu", split=split)
    assert list(tmp_path.iterdir()) == []


def test_files_are_timed_in_turn(model, tmp_path, monkeypatch):
    seen = []

    def run(runtime, path, images, batches):
        seen.append((runtime, batches, images.shape))
        return None, {"latency_ms": {"1": float(len(seen))}}

    monkeypatch.setattr(fastest.checking, "run_in_fresh_process", run)
    both = [fastest.Tried(name, tmp_path, name) for name in ("onnx", "tflite")]
    fastest._time(both, (16, 24))
    assert [one for one, _, _ in seen] == ["onnx", "tflite"] * 3
    assert {rest for _, *rest in map(tuple, seen) for rest in [tuple(rest)]} == {
        ((1,), (1, 16, 24, 3))
    }
    assert [one.milliseconds for one in both] == [3.0, 4.0]
