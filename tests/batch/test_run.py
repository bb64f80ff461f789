"""`keras_vit.batch.run`: rows of Parquet that say what `predict` says."""

import json
import pathlib
import sys
import zlib

import numpy as np
import pytest
from PIL import Image

import keras_vit
from keras_vit import batch
from keras_vit.model_files import save_model
from support.models import randomize, tiny_vit

pytest.importorskip("apache_beam")
pq = pytest.importorskip("pyarrow.parquet")

from support.bucket import FILES  # noqa: E402

NAMES = ("cat", 'a "big", dog', "été", "cup", "pan")
COUNT = 9


@pytest.fixture(scope="module")
def built():
    return randomize(tiny_vit(), np.random.default_rng(0))


@pytest.fixture(scope="module")
def model(built, tmp_path_factory):
    path = tmp_path_factory.mktemp("models") / "pets.keras"
    save_model(built, path, NAMES)
    return path


@pytest.fixture(autouse=True)
def photos(tmp_path, monkeypatch, rng):
    monkeypatch.chdir(tmp_path)
    pathlib.Path("photos/more").mkdir(parents=True)
    for number in range(COUNT):
        add_photo(f"photos/{'more/' if number % 3 else ''}{number}.png", rng)
    pathlib.Path("photos/bad.jpg").write_text("no image")
    pathlib.Path("photos/wide.png").write_bytes(png_header(40_000, 40_000))


def add_photo(path, rng):
    pixels = rng.integers(0, 256, (*rng.integers(20, 60, 2), 3), np.uint8)
    Image.fromarray(pixels).save(path)


def png_header(width, height):
    head = width.to_bytes(4) + height.to_bytes(4) + b"\x08\x02\0\0\0"
    chunks = ((b"IHDR", head), (b"IDAT", b""), (b"IEND", b""))
    file = b"\x89PNG\r\n\x1a\n"
    for name, data in chunks:
        file += len(data).to_bytes(4) + name + data
        file += zlib.crc32(name + data).to_bytes(4)
    return file


def rows(folder):
    return pq.read_table(folder).to_pylist()


def test_rows_say_what_predict_says_of_the_same_files(model):
    expected = keras_vit.predict(model, "photos")
    what = ("classes", "probabilities")
    done = batch.run(
        model, "photos", "out", what=what, top=3, batch_size=4, shard_size=5
    )
    found = rows("out")
    assert len(found) == done.rows == COUNT + 2 == len(expected)
    assert len([*pathlib.Path("out").glob("*.parquet")]) == 3
    for row, one in zip(found, expected, strict=True):
        assert row["path"] == str(one.path) and row["error"] == one.error
        assert row["label"] == one.label
        if one.error is None:
            near = {"rtol": 1e-5, "atol": 1e-6}
            share = one.class_probabilities
            np.testing.assert_allclose(row["probabilities"], share, **near)
            np.testing.assert_allclose(row["probability"], one.probability, **near)
            assert row["top_labels"] == [name for name, _ in one.top(3)]
            values = [value for _, value in one.top(3)]
            np.testing.assert_allclose(row["top_probabilities"], values, **near)
        else:
            assert np.isnan(row["probabilities"]).all()
            assert row["probability"] is None and row["top_labels"] is None
    assert done.errors == {"not readable": 1, "too large": 1}
    assert sum(done.labels.values()) == COUNT


def test_features_and_attention_are_those_of_other_functions(model, built):
    pandas = pytest.importorskip("pandas")
    what = ("features", "attention")
    batch.run(model, "photos/more", "out", what=what, features_dtype="float16")
    table = pandas.read_parquet("out")
    paths = [*table["path"]]
    features = keras_vit.evaluation.features.features_model(built)
    pixels = keras_vit.inspect.read_images(built, paths).pixels
    expected = features.predict_on_batch(pixels)
    found = np.stack(table["features"])
    assert found.dtype == np.float16 and found.shape == expected.shape
    np.testing.assert_allclose(found, expected, rtol=2e-3, atol=2e-3)
    maps = keras_vit.inspect.attention_rollout(built, paths)
    found = np.stack(table["attention"]).reshape(maps.shape)
    np.testing.assert_allclose(found, maps, rtol=1e-5, atol=1e-6)
    kind = pq.read_schema(next(pathlib.Path("out").glob("*.parquet")))
    assert kind.field("features").type.list_size == expected.shape[1]


def test_the_same_call_goes_on_with_what_has_no_row(model, rng):
    batch.run(model, "photos", "out", shard_size=4)
    first = rows("out")
    files = sorted(pathlib.Path("out").glob("*.parquet"))
    times = {one.name: one.stat().st_mtime_ns for one in files}
    files[1].unlink()
    for name in ("0a", "zz"):
        add_photo(f"photos/{name}.png", rng)
    done = batch.run(model, "photos", "out", shard_size=4)
    assert done.rows == COUNT + 4
    found = rows("out")
    assert found[: len(first)] == first
    added = [row["path"] for row in found[len(first) :]]
    assert added == ["photos/0a.png", "photos/zz.png"]
    kept = [one for one in files if one != files[1]]
    assert all(one.stat().st_mtime_ns == times[one.name] for one in kept)
    manifest = json.loads(pathlib.Path("out/_manifest.json").read_text())
    assert manifest["rows"] == COUNT + 4 and manifest["versions"]["tensorflow"]


def test_another_job_in_the_same_folder_is_refused(model, built, tmp_path):
    batch.run(model, "photos/0.png", "out")
    with pytest.raises(ValueError, match=r"top=2 \(there: 5\)"):
        batch.run(model, "photos/0.png", "out", top=2)
    built.weights[0].assign(built.weights[0] + 1)
    save_model(built, "other.keras", NAMES)
    built.weights[0].assign(built.weights[0] - 1)
    with pytest.raises(ValueError, match="model="):
        batch.run("other.keras", "photos/0.png", "out")
    assert batch.run(model, "photos/0.png", "out", batch_size=1).rows == 1


@pytest.mark.slow
def test_a_list_without_its_job_is_made_anew(model):
    batch.run(model, "photos/0.png", "out")
    for one in ("out/_plan/job.json", "out/part-000-000000.parquet"):
        pathlib.Path(one).unlink()
    batch.run(model, "photos/more", "out")
    assert len(rows("out")) == 6


@pytest.mark.slow
@pytest.mark.parametrize("format", ["saved_model", "tflite"])
def test_an_exported_model_gives_the_rows_of_its_own(format, model, monkeypatch):
    pytest.importorskip("ai_edge_litert")
    suffix = ".tflite" if format == "tflite" else ""
    path = keras_vit.export(model, f"exported{suffix}", format=format)
    served = format == "saved_model"
    what = ("classes", "features") if served else ("classes",)
    batch.run(path, "photos/more", "out", what=what)
    expected = keras_vit.predict(model, "photos/more")
    for row, one in zip(rows("out"), expected, strict=True):
        assert row["label"] == one.label
        assert row["probability"] == pytest.approx(one.probability, abs=1e-5)
    wanted = "attention" if served else "features"
    with pytest.raises(ValueError, match=f"--what={wanted} needs a model that has it"):
        batch.run(path, "photos/more", "other", what=(wanted,))
    assert not [*pathlib.Path("other").glob("*.parquet")]


@pytest.mark.slow
def test_images_and_results_may_lie_in_a_bucket(model):
    for path in pathlib.Path("photos").rglob("*.png"):
        FILES[f"bucket://in/{path}"] = path.read_bytes()
    done = batch.run(model, "bucket://in/photos", "bucket://out/a", shard_size=4)
    again = batch.run(model, "bucket://in/photos", "bucket://out/a", shard_size=4)
    assert again == done and done.rows == COUNT + 1
    for name, data in FILES.items():
        if name.startswith("bucket://out/a/part"):
            pathlib.Path("out").mkdir(exist_ok=True)
            pathlib.Path("out", name.rpartition("/")[2]).write_bytes(data)
    labels = {row["path"]: row["label"] for row in rows("out")}
    for one in keras_vit.predict(model, "photos"):
        if str(one.path).endswith(".png"):
            assert labels[f"bucket://in/{one.path}"] == one.label
    assert not [name for name in FILES if "/." in name]


@pytest.mark.slow
def test_a_model_in_memory_is_saved_with_the_plan(built):
    done = batch.run(built, "photos/more", "out")
    expected = [one.label for one in keras_vit.predict(built, "photos/more")]
    assert [row["label"] for row in rows("out")] == expected
    assert batch.run(built, "photos/more", "out") == done
    with pytest.raises(TypeError, match="Received: int"):
        batch.run(3, "photos", "out2")


@pytest.mark.slow
def test_threads_of_a_process_share_one_model(model, monkeypatch):
    from keras_vit.batch import scoring

    opened, threads = [], ["--direct_num_workers=3"]
    threads.append("--direct_running_mode=multi_threading")
    real = scoring.Scorer.shapes
    monkeypatch.setattr(
        scoring.Scorer, "shapes", lambda self: opened.append(self) or real(self)
    )
    done = batch.run(model, "photos", "out", shard_size=2, options=threads)
    assert done.rows == COUNT + 2 and len(opened) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"what": ("clases",)}, "Did you mean 'classes'"),
        ({"what": ()}, "Received: none"),
        ({"top": 0}, "top"),
        ({"batch_size": 0}, "batch_size"),
        ({"shard_size": 0}, "shard_size"),
        ({"features_dtype": "float8"}, "Unknown dtype"),
        ({"preprocessing": "tim"}, "Unknown preprocessing"),
        ({"pixel_range": "auto"}, "pixel_range=auto"),
        ({"background": "red"}, "background"),
        ({"options": ["--direct_num_wrkers=2"]}, "--direct_num_wrkers=2"),
    ],
)
def test_wrong_arguments_are_refused_before_anything_is_written(
    arguments, message, model
):
    with pytest.raises(ValueError, match=message):
        batch.run(model, "photos", "out", **arguments)
    assert not pathlib.Path("out").exists()


def test_a_folder_that_another_job_holds_is_refused(model):
    from keras_vit.batch.running import held

    with (
        held("out"),
        pytest.raises(OSError, match="no other job writes to"),
    ):
        batch.run(model, "photos", "out")
    pathlib.Path("file").touch()
    with pytest.raises(NotADirectoryError):
        batch.run(model, "photos", "file")


def test_what_stops_a_pipeline_is_said_in_a_line(model, monkeypatch):
    from keras_vit.batch import classifying

    def full(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(classifying, "write_columns", full)
    with pytest.raises(RuntimeError, match="No space left on device.*resumes") as info:
        batch.run(model, "photos/0.png", "out")
    assert "\n" not in str(info.value) and "while running" not in str(info.value)
    assert not [*pathlib.Path("out").glob("*.parquet")]


def test_without_beam_one_line_says_what_to_install(model, monkeypatch):
    monkeypatch.setitem(sys.modules, "apache_beam", None)
    with pytest.raises(ImportError, match=r"pip install .*\[beam\]"):
        batch.run(model, "photos", "out")


def test_the_command_prints_how_many_images_of_each_kind_there_are(model, capsys):
    from keras_vit.cli.main import main

    words = ["batch", f"--model={model}", "--images=photos", "--output=out"]
    assert main([*words, "--", "--direct_num_workers=1"]) == 1
    out = capsys.readouterr().out
    assert f"rows        {COUNT + 2} in " in out and f"readable    {COUNT}\n" in out
    assert "too large   1\n" in out and "not readable 1\n" in out
    assert main([*words, "--top=2"]) == 2
    assert "top=2 (there: 5)" in capsys.readouterr().err
