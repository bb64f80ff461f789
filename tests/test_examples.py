"""The scripts of `examples/`, run on little input."""

import json
import runpy
import subprocess
import sys

import keras
import numpy as np
import pytest
from PIL import Image

import keras_vit
from keras_vit import recipes, training
from keras_vit.data import Dataset, Split
from keras_vit.model_files import save_model
from support.examples import EXAMPLES, few, load, on_few_images
from support.models import randomize, tiny_vit
from support.programs import environment

pytestmark = pytest.mark.slow  # whole runs


def test_classify_names_each_of_its_samples(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)

    def cut(recipe, **options):
        options |= {"steps": 20, "warmup_steps": 5, "dataset": few()}
        return training.train(recipe, **options)

    monkeypatch.setattr(keras_vit, "train", cut, raising=False)
    load("classify").main(epochs=1)
    lines = capsys.readouterr().out.splitlines()
    share = float(lines[-11].removeprefix("test accuracy ").removesuffix("%"))
    assert share > 20  # of ten classes, after twenty steps
    samples = {line.split()[0] for line in lines[-10:]}
    assert samples == {one.name for one in tmp_path.glob("runs/*/images/*.png")}
    assert all(line.count("%") == 2 for line in lines[-10:])


def test_classify_learns_in_an_epoch(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    load("classify").main(epochs=1)
    lines = capsys.readouterr().out.splitlines()
    share = float(lines[-11].removeprefix("test accuracy ").removesuffix("%"))
    assert share > 50  # of ten classes, after one epoch
    assert any(line.startswith("trouser.png Trouser") for line in lines[-10:])


# The example on few images.
SAME_ON_MANY = """
import keras_vit
from support.examples import load, on_few_images

keras_vit.train = on_few_images
load("same_on_many").main()
"""


def test_one_device_and_two_give_the_same_weights(tmp_path):
    """In a process of its own, whose CPU can still be made two devices."""
    run = subprocess.run(
        [sys.executable, "-c", SAME_ON_MANY],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr[-3000:]
    words = run.stdout.split()
    assert words[-3:-1] == ["relative", "difference"]
    assert 0 < float(words[-1]) < 1e-5


def test_attention_is_drawn_over_pictures(tmp_path, monkeypatch, capsys, rng):
    model = randomize(tiny_vit(), rng)
    save_model(model, tmp_path / "run" / "model.keras", tuple("abcde"))
    (tmp_path / "run" / "images").mkdir()
    pixels = rng.integers(0, 256, (2, 20, 30, 3), np.uint8)
    for number, one in enumerate(pixels):
        Image.fromarray(one).save(tmp_path / "run" / "images" / f"{number}.png")
    monkeypatch.chdir(tmp_path)
    load("attention").main("run")
    assert capsys.readouterr().out.startswith("attention.png: 2 pictures, shares up")
    assert Image.open("attention.png").size[0] == 1500


def test_few_shot_prints_an_accuracy_for_each_number_of_images(
    tmp_path, monkeypatch, capsys, rng
):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "home"))
    names = tuple("abcde")
    model = randomize(tiny_vit(), rng)
    save_model(model, tmp_path / "model.keras", names)
    labels = np.arange(150) % 5
    images = rng.integers(0, 60, (150, 16, 24, 3)) + 40 * labels[:, None, None, None]
    split = Split(images.astype(np.uint8), labels)
    pets = Dataset("pets", split, split, names)
    load("few_shot").main(tmp_path / "model.keras", pets)
    first, _, *lines = capsys.readouterr().out.splitlines()
    assert first == "150 test images, 16 features"
    assert [int(line.split()[0]) for line in lines] == [1, 5, 10, 25]
    assert all(20 < float(line.split()[1]) <= 100 for line in lines)  # 20: by chance


def test_photographs_of_a_folder_are_learnt_and_one_is_named(
    tmp_path, monkeypatch, capsys, rng
):
    monkeypatch.chdir(tmp_path)
    for index in range(40):
        name = ("dark", "light")[index % 2]
        pixels = rng.integers(0, 60, (16, 24, 3)) + 190 * (index % 2)
        path = tmp_path / "photos" / name / f"{index}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels.astype(np.uint8)).save(path)
    save_model(randomize(tiny_vit(), rng), "weights.keras", None)
    monkeypatch.setattr(keras_vit, "train", on_few_images, raising=False)
    settings = ["steps=30", "warmup_steps=0", "base_lr=0.1", "crop=none"]
    load("finetune_folder").main("photos", model="weights.keras", settings=settings)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("2 classes, ")
    assert any(line == "test accuracy 100.0 %" for line in lines)
    assert lines[-1].startswith("photos/dark/")
    assert ": dark " in lines[-1]


def test_hybrids_learn_on_any_feature_map(capsys):
    labels = np.arange(16) % 10
    split = Split(np.zeros((16, 32, 32, 3), np.uint8), labels)
    dataset = Dataset("dark", split, split, tuple("abcdefghij"))
    load("hybrid").main(16, dataset)
    first, *others = capsys.readouterr().out.splitlines()
    assert first.startswith("R_ViT_Ti16: 49 tokens of 64 channels, 6,")
    assert [line.split(": ")[1].split(",")[0] for line in others] == [
        "64 tokens of 128 channels",
        "64 tokens of 32 channels",
    ]


def test_converted_weights_give_the_same_logits(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert load("convert_weights").main() < 1e-6
    assert (tmp_path / "converted" / "config.json").is_file()
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "google.npz: ViT_Ti16 for images of 32 x 32, 10 classes"


def test_the_server_and_litert_give_the_same_answer(tmp_path, monkeypatch, rng):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(EXAMPLES.parent))
    model = randomize(tiny_vit(image_size=16, num_layers=1), rng)
    save_model(model, tmp_path / "run" / "model.keras", tuple("abcde"))
    picture = Image.fromarray(rng.integers(0, 256, (20, 30, 3), np.uint8))
    (tmp_path / "run" / "images").mkdir()
    picture.save(tmp_path / "run" / "images" / "a.png")
    answers = load("export_and_serve").main("run")
    assert list(answers) == ["server", "LiteRT"]
    assert list(answers["server"]) == list(answers["LiteRT"])
    for name, share in answers["server"].items():
        assert abs(share - answers["LiteRT"][name]) < 1e-4


def test_what_runs_on_a_tpu_runs_on_a_cpu(tmp_path, monkeypatch, capsys):
    """In the precision of a TPU."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(keras_vit, "train", on_few_images, raising=False)
    settings = ["precision=mixed_bfloat16", "steps=2", "warmup_steps=0"]
    run = load("tpu").main(settings=settings)
    first = capsys.readouterr().out.splitlines()[0]
    assert first == "CPU, strategy one: 1 x 64 images a step in mixed_bfloat16"
    assert run.model.get_layer("block_00").compute_dtype == "bfloat16"


def test_a_task_of_ones_own_trains_resumes_and_is_evaluated(tmp_path):
    """SimMIM from outside the package; one run is stopped by an error and resumed."""
    own = load("own_task")
    settings = {"steps": 6, "warmup_steps": 0, "checkpoint_every": 2, "batch_size": 8}
    settings["model_arguments"] = {
        **recipes.get("fashion_mnist_masked").model.arguments,
        "num_layers": 1,
    }
    dataset = few()

    class Stop(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            if batch == 4:
                raise RuntimeError("a power cut")

    def run(name, task=None, **arguments):
        return keras_vit.train(
            "fashion_mnist_masked",
            task=task or own.HiddenPatches(),
            dataset=dataset,
            folder=tmp_path / name,
            export=False,
            verbose=0,
            **settings,
            **arguments,
        )

    whole = run("whole")
    assert 0 < whole.evaluation.loss < 1
    assert "head" not in {layer.name for layer in whole.model.layers}
    with pytest.raises(RuntimeError, match="a power cut"):
        run("resumed", callbacks=[Stop()])
    resumed = run("resumed")
    assert resumed.evaluation == whole.evaluation
    for one, other in zip(
        whole.model.get_weights(), resumed.model.get_weights(), strict=True
    ):
        np.testing.assert_array_equal(one, other)
    with pytest.raises(ValueError, match="another run|masked_patches"):
        run("whole", task="masked_patches")
    assert len((EXAMPLES / "own_task.py").read_text().splitlines()) <= 60


def test_a_loss_of_ones_own_is_kerass_focal_loss_by_image(rng):
    loss = load("own_loss").smooth_focal_loss
    logits = rng.normal(size=(5, 4)).astype(np.float32)
    targets = np.eye(4, dtype=np.float32)[[0, 1, 2, 3, 0]]
    smooth = 0.95 * targets + 0.05 / 4
    probabilities = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    expected = -(smooth * (1 - probabilities) ** 2 * np.log(probabilities)).sum(1)
    np.testing.assert_allclose(loss(targets, logits), expected, rtol=1e-5)


def test_a_loss_of_ones_own_trains_with_class_weights(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["own_loss.py", "3"])
    monkeypatch.setattr(keras_vit, "train", on_few_images)
    runpy.run_path(str(EXAMPLES / "own_loss.py"), run_name="__main__")
    assert " % of the test images" in capsys.readouterr().out
    [config] = tmp_path.glob("runs/*/config.json")
    config = json.loads(config.read_text())
    assert config["recipe"]["task"]["class_weights"] == {"Shirt": 2.0, "Coat": 1.5}
    assert config["objects"]["loss"]["function"].endswith("smooth_focal_loss")


def test_a_picture_is_the_nearest_to_itself(tmp_path, monkeypatch, capsys, rng):
    pytest.importorskip("apache_beam")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos").mkdir()
    for number in range(5):
        pixels = rng.integers(0, 256, (40, 50, 3), np.uint8)
        Image.fromarray(pixels).save(f"photos/{number}.png")
    save_model(randomize(tiny_vit(), rng), "pets.keras", [*"abcde"])
    words = ["--model=pets.keras", "--images=photos", "--index=index", "--count=3"]
    load("search_by_picture").main([*words, "--query=photos/2.png"])
    lines = capsys.readouterr().out.splitlines()[-3:]
    assert lines[0] == "0.000 photos/2.png" and "photos/" in lines[2]
    assert Image.open("hits.png").width > 300
