"""`keras-vit predict` by a .tflite file: what it answers, and what it needs for it."""

import hashlib
import json
import pathlib
import subprocess
import sys
import zipfile

import numpy as np
import pytest
from PIL import Image

import keras_vit
from keras_vit.cli.main import main
from keras_vit.decoding import Decoding
from keras_vit.equal_files import equal_file
from keras_vit.litert_model import LiteRTModel
from keras_vit.meaning import set_meaning
from keras_vit.model_files import save_model
from keras_vit.preprocessing import PRESETS, resolve
from keras_vit.served_model import LABELS, PREPROCESSING
from support.models import randomize, tiny_vit

NAMES = ("cat", 'a "big", dog', "été")
HEAVY = ["tensorflow", "keras", "torch", "jax"]
PROGRAM = """
import json, sys
import keras_vit_command
status = keras_vit_command.main()
tops = {name.partition(".")[0] for name in sys.modules}
print(json.dumps([status, sorted(tops)]))
"""


def model_of(preprocessing, **meaning):
    rng = np.random.default_rng(0)
    model = tiny_vit(image_size=28, num_classes=3)
    model = randomize(model, rng, scale=0.05)
    set_meaning(model, preprocessing=preprocessing, class_names=NAMES, **meaning)
    return model


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run's folder, with its model and an exported file beside it."""
    folder = tmp_path_factory.mktemp("runs") / "pets"
    folder.mkdir()
    save_model(model_of(resolve("timm:0.875")), folder / "model.keras", NAMES)
    keras_vit.export(folder, folder / "pets.tflite", "tflite")
    return folder


@pytest.fixture(autouse=True)
def photos(tmp_path, monkeypatch, rng):
    """Landscape, portrait, tiny, of the model's size, grey, 16 bits, transparent."""
    monkeypatch.chdir(tmp_path)
    pathlib.Path("photos").mkdir()
    for name, size in (
        ("wide.png", (90, 40)),
        ("tall.jpg", (31, 64)),
        ("tiny.png", (3, 2)),
        ("own.png", (28, 28)),
        ("large.jpg", (500, 375)),
    ):
        pixels = rng.integers(0, 256, (*size[::-1], 3), np.uint8)
        Image.fromarray(pixels).save(f"photos/{name}")
    grey = rng.integers(0, 256, (40, 30), np.uint8)
    Image.fromarray(grey).save("photos/grey.png")
    Image.fromarray(grey.astype(np.uint16) * 257).save("photos/deep.png")
    seen = rng.integers(0, 256, (40, 30, 4), np.uint8)
    Image.fromarray(seen).save("photos/transparent.png")
    turned = Image.fromarray(rng.integers(0, 256, (30, 60, 3), np.uint8))
    exif = Image.Exif()
    exif[0x0112] = 6
    turned.save("photos/turned.jpg", exif=exif)
    pathlib.Path("photos/bad.jpg").write_text("no image")
    return sorted(pathlib.Path("photos").iterdir())


def in_fresh_process(*arguments):
    """Status, modules, lines and errors of a call in a process of its own."""
    root = pathlib.Path(keras_vit.__file__).parent.parent
    call = subprocess.run(
        [sys.executable, "-c", PROGRAM, *map(str, arguments)],
        capture_output=True,
        text=True,
        env={"PYTHONPATH": str(root), "PATH": ""},
    )
    *lines, last = call.stdout.splitlines()
    return (*json.loads(last), lines, call.stderr)


def test_a_file_answers_without_tensorflow_and_keras_as_its_model_does(run, photos):
    status, modules, lines, errors = in_fresh_process(
        "predict", f"--model={run / 'pets.tflite'}", "--output=found.json", "photos"
    )
    assert status == 1  # one image cannot be read
    assert not {*HEAVY} & {*modules}
    assert errors.splitlines() == [
        "keras-vit predict: photos/bad.jpg: not a readable image (of no known format)"
    ]
    found = json.loads(pathlib.Path("found.json").read_text(encoding="utf-8"))
    expected = keras_vit.predict(run, "photos")
    assert len(found) == len(photos) and len(lines) == len(photos)
    for one, other in zip(found, expected, strict=True):
        assert one["path"] == str(other.path) and one["label"] == other.label
        assert bool(one["error"]) == bool(other.error)
        for pair, named in zip(one["top"], other.top(3), strict=True):
            assert pair["label"] == named.label
            # A level of 256 may differ where Pillow's filters round otherwise.
            assert pair["probability"] == pytest.approx(named.probability, abs=2e-3)


def test_a_run_is_answered_for_by_the_file_beside_it_that_is_proven_equal(run):
    status, modules, lines, errors = in_fresh_process(
        "predict", f"--model={run}", "photos/wide.png"
    )
    assert (status, errors) == (0, "")
    assert not {*HEAVY} & {*modules}
    assert lines[0] == (
        f"  answered by  {run / 'pets.tflite'}, whose logits equal the model's"
    )
    (seen,) = keras_vit.predict(run, "photos/wide.png")
    labels = ", ".join(f"{name} {100 * p:.1f} %" for name, p in seen.top(3))
    assert lines[1] == f"photos/wide.png: {labels}"


@pytest.fixture
def copied(run, tmp_path):
    """The same run elsewhere, to be changed."""
    folder = tmp_path / "pets"
    folder.mkdir()
    for one in run.iterdir():
        (folder / one.name).write_bytes(one.read_bytes())
    return folder


def changed_report(folder, **changes):
    path = folder / "pets.tflite.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


@pytest.mark.parametrize(
    "change",
    [
        lambda run: (run / "pets.tflite.json").unlink(),
        lambda run: (run / "pets.tflite.json").write_text("[]"),
        lambda run: changed_report(run, quantize="dynamic"),
        lambda run: changed_report(run, largest_difference=2e-3),
        lambda run: changed_report(run, top1_agreement=0.99),
        lambda run: changed_report(run, equal_to=None),
        lambda run: save_model(model_of(PRESETS["timm"]), run / "model.keras"),
        lambda run: (run / "labels.txt").write_text("a\nb\nc\n"),
        lambda run: (run / "pets.tflite").write_bytes(b"another file"),
    ],
)
def test_a_file_is_not_equal_to_what_was_changed(copied, change):
    assert equal_file(copied) == copied / "pets.tflite"
    change(copied)
    assert equal_file(copied) is None


def test_when_a_model_was_saved_changes_nothing(copied):
    model = copied / "model.keras"
    with zipfile.ZipFile(model) as archive:
        contents = {name: archive.read(name) for name in archive.namelist()}
    contents["metadata.json"] += b" "
    with zipfile.ZipFile(model, "w") as archive:
        for name, content in contents.items():
            archive.writestr(name, content)
    assert equal_file(copied) == copied / "pets.tflite"
    model.write_bytes(b"another file")
    assert equal_file(copied) is None


def test_what_an_earlier_version_noted_counts_until_the_file_changes(copied):
    """It noted the hash of the whole file, and of class names beside it."""
    model = copied / "model.keras"
    of_file = hashlib.sha256(model.read_bytes()).hexdigest()
    noted = hashlib.sha256(f"{of_file} ".encode()).hexdigest()
    changed_report(copied, equal_to=noted)
    assert equal_file(copied) == copied / "pets.tflite"
    (copied / "labels.txt").write_text("a\nb\nc\n")
    assert equal_file(copied) is None


@pytest.mark.slow
def test_what_is_exported_with_a_change_proves_nothing(run, tmp_path):
    """Other names, other pixels, less precision; or a model that is in no file."""
    model = run / "model.keras"
    for number, (source, options) in enumerate(
        [
            (model, {"class_names": ("x", "y", "z")}),
            (model, {"pixels": "uint8"}),
            (model, {"quantize": "float16"}),
            (keras_vit.Classifier.of(model), {}),
        ]
    ):
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / "model.keras").write_bytes(model.read_bytes())
        keras_vit.export(source, folder / "x.tflite", "tflite", **options)
        assert equal_file(folder) is None


@pytest.mark.one_in(3)
@pytest.mark.parametrize(
    ("name", "pixels"),
    [("vit_jax", "float32"), ("big_vision", "uint8"), ("huggingface", "float32")],
)
def test_every_way_to_resize_is_the_models(name, pixels, photos, tmp_path):
    model = model_of(resolve(name), activation="sigmoid", decoding=Decoding("0:999"))
    path = keras_vit.export(
        model, tmp_path / "x.tflite", "tflite", pixels=pixels, batch_size=2
    )
    received = keras_vit.predict(path, photos, batch_size=3)
    for one, other in zip(received, keras_vit.predict(model, photos), strict=True):
        assert (one.error is None) == (other.error is None)
        np.testing.assert_allclose(
            one.class_probabilities, other.class_probabilities, atol=5e-3
        )
        assert one.class_names == NAMES


def test_a_file_takes_other_names_and_other_resizing(run, photos):
    path, model = run / "pets.tflite", run / "model.keras"
    options = {"class_names": ("x", "y", "z"), "preprocessing": "vit_jax"}
    (seen,) = keras_vit.predict(path, photos[-1], **options)
    (expected,) = keras_vit.predict(model, photos[-1], **options)
    assert seen.top(3) == [
        (name, pytest.approx(p, abs=1e-5)) for name, p in expected.top(3)
    ]
    with pytest.raises(ValueError, match="Expected 3 class names"):
        keras_vit.predict(path, photos[-1], class_names=("x", "y"))


def rewritten(path, **notes):
    """A copy of an exported file with other notes, or without them."""
    with zipfile.ZipFile(path) as archive:
        kept = {one: archive.read(one).decode() for one in archive.namelist()}
        start = min(one.header_offset for one in archive.infolist())
    other = pathlib.Path("other.tflite")
    other.write_bytes(path.read_bytes()[:start])
    kept = {one: text for one, text in (kept | notes).items() if text is not None}
    if kept:
        with zipfile.ZipFile(other, "a") as archive:
            for name, text in kept.items():
                archive.writestr(name, text)
    return other


def without(field):
    fields = {
        "aspect": "squash",
        "method": "bilinear",
        "antialias": False,
        "crop_fraction": 1.0,
        "levels": "float",
        "arithmetic": "big_vision",
        "decoding": Decoding().as_json(),
        "activation": "softmax",
    }
    return json.dumps({name: fields[name] for name in fields if name != field})


@pytest.mark.parametrize(
    ("notes", "said"),
    [
        ({PREPROCESSING: None, LABELS: None}, "none of its notes"),
        ({PREPROCESSING: None}, "with no preprocessing.json in it"),
        ({PREPROCESSING: "{"}, "none of its notes"),
        ({PREPROCESSING: "[]"}, "preprocessing.json without aspect"),
        ({PREPROCESSING: without("crop_fraction")}, "without crop_fraction"),
        ({PREPROCESSING: without("activation")}, "without activation"),
        ({PREPROCESSING: without("decoding")}, "without decoding"),
        ({PREPROCESSING: without("").replace("squash", "x")}, "aspect must be one of"),
        ({PREPROCESSING: without("").replace('"0', "x")}, ""),
        ({LABELS: "a\nb\n"}, "labels.txt: Expected 3 class names"),
    ],
)
def test_a_file_that_does_not_say_what_its_images_are_is_refused(
    run, notes, said, capsys
):
    path = rewritten(run / "pets.tflite", **notes)
    status = main(["predict", f"--model={path}", "photos/wide.png"])
    out, err = capsys.readouterr()
    if said:
        assert status == 2 and out == ""
        assert len(err.splitlines()) == 1 and said in err
    else:
        assert status == 0


def test_unnamed_classes_are_numbered(run):
    path = rewritten(run / "pets.tflite", **{LABELS: None})
    (seen,) = keras_vit.predict(path, "photos/wide.png")
    assert {*seen.class_names} == {"class 0", "class 1", "class 2"}


def test_damage_is_refused_in_a_line(run, capsys):
    whole = (run / "pets.tflite").read_bytes()
    notes = whole.rindex(b"PK\x03\x04", 0, whole.index(b"labels.txt"))
    for data in (
        b"",
        b"x" * 2000,
        whole[: len(whole) // 2],
        b"x" * 2000 + whole[notes:],
    ):
        pathlib.Path("damaged.tflite").write_bytes(data)
        assert main(["predict", "--model=damaged.tflite", "photos/wide.png"]) == 2
        out, err = capsys.readouterr()
        assert out == "" and len(err.splitlines()) == 1 and "damaged.tflite" in err


def test_without_litert_the_file_is_refused_and_the_run_is_loaded(
    run, monkeypatch, capsys
):
    def none(name, *args):
        return None

    monkeypatch.setattr("keras_vit.litert_model.find_spec", none)
    monkeypatch.setattr("keras_vit.cli.predict.find_spec", none)
    file = run / "pets.tflite"
    assert main(["predict", f"--model={file}", "photos/wide.png"]) == 2
    assert "ai_edge_litert. Install it: pip install" in capsys.readouterr().err
    assert main(["predict", f"--model={run}", "photos/wide.png"]) == 0
    assert "answered by" not in capsys.readouterr().out


def test_it_is_used_as_a_model_is(run):
    model = LiteRTModel(run / "pets.tflite")
    assert (model.image_size, model.num_classes, model.name) == ((28, 28), 3, "pets")
    images = np.random.default_rng(0).uniform(0, 255, (5, 28, 28, 3))
    logits = model.predict_on_batch(images)
    expected = keras_vit.Classifier.of(run).model.predict_on_batch(images)
    np.testing.assert_allclose(logits, expected, atol=1e-4)
    assert model.predict_on_batch(images[:0]).shape == (0, 3)
    with pytest.raises(FileNotFoundError, match=r"No model at no\.tflite"):
        LiteRTModel("no.tflite")
