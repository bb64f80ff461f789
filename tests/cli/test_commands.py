"""The command, called as its entry point is, and twice as a process."""

import json
import os
import pathlib
import shlex
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

import keras_vit
from keras_vit.classifier import Classifier
from keras_vit.cli.flag import define
from keras_vit.cli.main import COMMANDS, main
from keras_vit.evaluation import measurements
from keras_vit.exporting import saved_model
from keras_vit.model_files import save_model
from keras_vit.variants import VARIANTS
from keras_vit.weights import merge_tokens
from support.models import randomize, tiny_vit, with_few_layers

NAMES = tuple("abcdefghij")


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A model file and a SavedModel of it."""
    folder = tmp_path_factory.mktemp("models")
    model = tiny_vit(image_size=28, num_classes=10, num_layers=1)
    randomize(model, np.random.default_rng(0))
    save_model(model, folder / "run" / "model.keras", NAMES)
    named = Classifier.of(model, class_names=NAMES)
    saved_model.write(named, folder / "served" / "1")
    other = tiny_vit(image_size=28, num_classes=3)
    save_model(other, folder / "three" / "model.keras", NAMES[:3])
    return folder


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def picture(path, mode="RGB"):
    Image.new(mode, (28, 28)).save(path)
    return str(path)


def test_the_overview_names_every_command(capsys):
    assert main(["--help"]) == 0
    assert main([]) == 0
    text = capsys.readouterr().out
    assert all(f"  {name} " in text for name in COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_help_is_short_and_names_every_flag(name, capsys):
    assert main([name, "--help"]) == 0
    text = capsys.readouterr().out
    assert len(text.splitlines()) < 75
    assert all(len(line) <= 88 for line in text.splitlines())
    values = __import__("absl.flags").flags.FlagValues()
    define(values, COMMANDS[name])
    assert all(f"  --{flag}=..." in text for flag in values)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["teach"], "Unknown command. Expected one of inspect-data, prepare"),
        (["train", "--bogus=1"], "Received: --bogus"),
        (["train", "--seed=one"], "seed"),
        (["train", "cats"], "unexpected argument 'cats'"),
        (["train", "--recipe=x"], "Unknown recipe. Expected one of fashion_mnist"),
        (
            ["train", "--dataset=x"],
            "Unknown data set. Expected one of fashion_mnist_sample",
        ),
        (["train", "--set", "epoch=1"], "Did you mean 'epochs'?"),
        (["train", "--set", "epochs=0"], "epochs must be at least 1"),
        (["train", "--set", "warmup_steps=99999"], "fewer than the steps of the run"),
        (["train", "--set", "batch_size=99999"], "between 1 and the 12000"),
        (["train", "--set", "model=ViT_B16"], "Unknown setting"),
        (
            ["train", "--model=ViT_S16", "--set", "stem_width_factor=2"],
            "must go with a model that the recipe builds",
        ),
        (["evaluate", "--model={models}/three"], "The model has 3 classes"),
        (
            ["train", "--model=ViT_X"],
            "Unknown model. Expected a model",
        ),
        (["train", "--model={models}/served"], "can be neither trained, inspected"),
        (
            ["train", "--model={models}/run", "--set", "head_bias=1"],
            "must go with a model that the recipe builds",
        ),
        (["train", "--folder={models}"], "which holds other files"),
        (["transfer", "--rates=a"], "--rates=a: Expected numbers separated"),
        (["transfer", "--rates="], "learning rates above 0. Received: none"),
        (["transfer", "--set", "base_lr=1"], "base_lr must be left to rates"),
        (["transfer", "--dev=x"], "dev must be a share of a whole training split"),
        (["transfer", "--recipe=finetune"], "recipe names no data set"),
        (
            ["transfer", "--recipe=fashion_mnist_masked"],
            "needs a recipe that trains on labels",
        ),
        (["transfer", "--dataset=vtab"], "Not prepared: caltech101, cifar100, dtd"),
        (["evaluate"], "--model is missing. Expected: A run's folder"),
        (["evaluate", "--model=no/where"], "No such file or folder: no/where"),
        (["evaluate", "--model={models}"], "Expected a run's folder"),
        (["evaluate", "--model={models}/run", "--batch_size=0"], "batch_size"),
        (["evaluate", "--model={models}/run", "--preprocessing=x"], "one of vit_jax"),
        (["evaluate", "--model={models}/run", "--what=x"], "some of metrics, classes"),
        (["evaluate", "--model={models}/run", "--what=real"], "cannot be measured"),
        (["evaluate", "--model={models}/run", "--compare={models}/three"], "3 classes"),
        (["evaluate", "--model={models}/run", "--labels=no.json"], "No such file"),
        (
            ["evaluate", "--model={models}/run", "--strategy=x"],
            "one of one, mirror",
        ),
        (
            ["evaluate", "--model={models}/run", "--folder={models}/run/model.keras"],
            "is not a folder",
        ),
        (
            ["predict", "--model={models}/run", "--preprocessing=x", "x.png"],
            "one of vit_jax",
        ),
        (["predict", "x.png"], "--model is missing"),
        (["predict", "--model={models}/run"], "no images"),
        (["predict", "--model={models}/run", "x.png"], "No such file or folder: x.png"),
        (["inspect"], "--model is missing. Expected: A run's folder"),
        (["inspect", "--model=ViT_B17"], "Did you mean 'ViT_B16'?"),
        (["inspect", "--model={models}/served"], "can be neither trained, inspected"),
        (["inspect", "--model={models}/run", "--weights=x"], "go with a factory's"),
        (
            ["inspect", "--model={models}/run", "--what=x"],
            "Unknown figure. Exp",
        ),
        (
            ["inspect", "--model={models}/run", "--what=all,x"],
            "all. Received: 'x'",
        ),
        (
            ["inspect", "--model={models}/run", "--compare=ViT_S16", "--what=norms"],
            "--compare goes with --what=cka",
        ),
        (["inspect", "--model={models}/run", "--limit=0"], "limit"),
        (["inspect", "--model={models}/run", "--discard=1"], "discard"),
        (["inspect", "--model={models}/run", "--images=x.png"], "No such file or"),
        (["inspect", "--model={models}/run", "--dataset=x"], "Unknown data set"),
        (["inspect", "--model=ViT_B16", "--weights=x"], "Unknown weights of ViT_B16"),
        (["list", "--model=VGG"], "Unknown model. Expected one of ViT_Ti16"),
        (["list", "--image_size=384"], "--image_size goes with --details"),
        (
            ["list", "--details", "--image_size=a"],
            "Expected pixels, or",
        ),
        (["convert", "--to=a.npz"], "--from is missing. Expected: A .npz or"),
        (["convert", "--from=x", "--to=a.npz"], "No such file or folder: x"),
        (
            ["convert", "--from=x", "--to=a.npz", "--model=ViT_B16"],
            "Unknown weights of",
        ),
        (
            ["convert", "--from={models}/run", "--to=a.npz", "--source_grid=3,5"],
            "--source_grid goes with --model",
        ),
        (
            ["convert", "--from=x", "--to=a.npz", "--source_grid=15"],
            "--source_grid=15: Expected rows,columns",
        ),
        (
            ["convert", "--from={models}/run", "--to=a.npz", "--architecture=deit3"],
            "--architecture names one of timm's",
        ),
        (["convert", "--from={models}/run", "--to=a.txt"], "writes a .npz file"),
        (
            ["convert", "--from={models}/run", "--to=a.npz", "--patch_size=1,2,3"],
            "--patch_size=1,2,3: Expected pixels, or height,width",
        ),
        (["convert", "--from=x", "--to={models}/run"], "exists already"),
        (["export", "--model={models}/served"], "can be neither trained, inspected"),
        (["export", "--model={models}/run", "--temperature=0"], "above 0"),
        (
            ["export", "--model={models}/run", "--format=x"],
            "Unknown format. Expected one of saved_model, tflite",
        ),
    ],
)
def test_a_call_that_cannot_be_carried_out_ends_in_one_line(
    arguments, message, trained, capsys
):
    assert main([one.replace("{models}", str(trained)) for one in arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert len(err.splitlines()) == 1
    assert err.startswith("keras-vit")
    assert message in err
    assert os.listdir() == []


@pytest.mark.parametrize("model", ["run", "run/model.keras", "served", "served/1"])
def test_predict_names_classes_with_probabilities(model, trained, capsys):
    path = picture("a.png")
    assert main(["predict", f"--model={trained / model}", "--top=10", path]) == 0
    line = capsys.readouterr().out.strip()
    assert line.startswith("a.png: ")
    answers = [one.rsplit(" ", 2) for one in line.removeprefix("a.png: ").split(", ")]
    assert sorted(name for name, _, _ in answers) == list(NAMES)
    shares = [float(share) for _, share, _ in answers]
    assert shares == sorted(shares, reverse=True)
    assert sum(shares) == pytest.approx(100, abs=0.5)


def test_predict_reports_what_is_no_image_and_answers_the_others(trained, capsys):
    os.mkdir("folder")
    picture("folder/a.png", "L")
    pathlib.Path("folder/b.jpg").write_text("no image")
    picture("folder/c.png", "RGBA")
    assert main(["predict", f"--model={trained / 'run'}", "folder"]) == 1
    out, err = capsys.readouterr()
    assert [line.split(":")[0] for line in out.splitlines()] == [
        "folder/a.png",
        "folder/c.png",
    ]
    assert err.startswith("keras-vit predict: folder/b.jpg: not a readable image")


def test_evaluate_prints_and_writes_the_same_numbers(trained, capsys):
    assert main(["evaluate", f"--model={trained / 'run'}"]) == 0
    first = capsys.readouterr().out
    assert main(["evaluate", f"--model={trained / 'served'}", "--batch_size=64"]) == 0
    numbers = json.loads(pathlib.Path("evaluations/run/evaluation.json").read_text())
    assert numbers["count"] == 2000
    assert f"top-1  {100 * numbers['top1']:.2f} %" in first
    served = json.loads(pathlib.Path("evaluations/served/evaluation.json").read_text())
    assert served["confusion"] == numbers["confusion"]


@pytest.mark.slow
def test_evaluate_measures_what_is_named_and_keeps_all_numbers(
    trained, capsys, monkeypatch
):
    monkeypatch.setattr(measurements, "MOST_IMAGES", 10)
    test = keras_vit.data.load("fashion_mnist_sample").test
    real = [[int(label), 0] for label in test.labels]
    pathlib.Path("real.json").write_text(json.dumps([[], *real[1:]]))
    run = [f"--model={trained / 'run'}", "--labels=real.json", "--folder=out"]
    other = f"--compare={trained / 'served'}"
    names = ["metrics", "classes", "confusion", "real", "comparison", "calibration"]
    assert main(["evaluate", *run, other, f"--what={','.join(names)}"]) == 0
    out = capsys.readouterr().out
    assert "The first model is as good on 2,000 images" in out
    assert "on the 1,999 images that have any" in out
    content = json.loads(pathlib.Path("out/evaluation.json").read_text())
    assert list(content["parts"]) == names
    found = {row["metric"]: row for row in content["parts"]["metrics"]["rows"]}["top1"]
    low, high = 100 * found["low"], 100 * found["high"]
    assert f"top-1  {100 * content['top1']:.2f} % ({low:.2f} to {high:.2f})" in out
    listed = out.splitlines()[-1].partition("(")[2].rstrip(")").split(", ")
    assert {*listed} == {*os.listdir("out")}
    assert main(["evaluate", *run, "--what=real"]) == 0
    content = json.loads(pathlib.Path("out/evaluation.json").read_text())
    assert list(content["parts"]) == ["real"]


def test_a_model_of_more_classes_is_evaluated_on_some_of_them(trained, capsys):
    os.mkdir("pets")
    for split in ("train", "test"):
        for name in ("cat", "dog"):
            os.makedirs(f"pets/{split}/{name}")
            picture(f"pets/{split}/{name}/a.png")
    pathlib.Path("map.json").write_text(json.dumps({"cat": "c", "dog": [3, 4]}))
    run = [f"--model={trained / 'run'}", "--dataset=pets", "--folder=out"]
    assert main(["evaluate", *run]) == 2
    assert main(["evaluate", *run, "--labels=map.json"]) == 0
    content = json.loads(pathlib.Path("out/evaluation.json").read_text())
    assert (content["count"], content["top1"]) == (2, 0.5)  # black, both of them
    assert content["class_names"] == ["cat", "dog"]


@pytest.mark.slow
def test_of_images_with_several_classes_the_mean_average_precision_is_told(capsys):
    for name in "ab":
        picture(f"{name}.png")
    pathlib.Path("pets.csv").write_text(
        "image,label,split\na.png,cat;dog,train\nb.png,dog,test\n"
    )
    save_model(tiny_vit(image_size=28, num_classes=2), "m/model.keras", ("dog", "cat"))
    run = ["evaluate", "--model=m", "--dataset=pets.csv", "--folder=out"]
    assert main(run) == 0  # classes of other order are matched by name
    capsys.readouterr()
    save_model(tiny_vit(image_size=28, num_classes=2), "m/model.keras", ("cat", "bird"))
    assert main(run) == 2
    assert "bird" in capsys.readouterr().err
    save_model(tiny_vit(image_size=28, num_classes=2), "m/model.keras", ("cat", "dog"))
    assert main(run) == 0
    value = json.loads(pathlib.Path("out/evaluation.json").read_text())
    expected = f"mAP    {100 * value['mean_average_precision']:.2f} %"
    said = capsys.readouterr().out
    assert expected in said and said.index("mAP") < said.index("top-1")
    assert value["auroc"] is None and "AUROC over 0 of 2 classes" in said


@pytest.mark.slow
def test_a_preprocessing_of_its_own_changes_the_answers(trained, capsys):
    answers = {}
    for preprocessing in ("vit_jax", "timm:0.5"):
        command = [f"--model={trained / 'run'}", f"--preprocessing={preprocessing}"]
        assert main(["evaluate", *command, f"--folder={preprocessing[:4]}"]) == 0
        path = pathlib.Path(preprocessing[:4]) / "evaluation.json"
        answers[preprocessing] = json.loads(path.read_text())["loss"]
    assert answers["vit_jax"] != answers["timm:0.5"]
    assert main(["predict", *command, picture("a.png")]) == 0


@pytest.mark.slow
def test_export_writes_the_next_version_and_bakes_a_temperature_in(trained, capsys):
    images, logits = np.full((1, 28, 28, 3), 99, np.float32), []
    for version, more in (("1", []), ("2", ["--temperature=4"])):
        assert main(["export", f"--model={trained / 'run'}", *more]) == 0
        folder = f"savedmodels/run/{version}/"
        assert folder in capsys.readouterr().out
        assert os.path.isfile(f"{folder}assets/labels.txt")
        logits.append(Classifier.of(folder).model.predict_on_batch(images))
    np.testing.assert_allclose(4 * logits[1], logits[0], rtol=1e-5)


def test_what_export_refuses_is_told_alone(trained, capsys):
    command = ["export", f"--model={trained / 'run'}", "--format=tflite"]
    assert main([*command, "--quantize=int8"]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert "calibration" in told.err


@pytest.mark.slow
def test_export_merges_tokens(trained, rng):
    command = ["export", f"--model={trained / 'run'}", "--token_merging=4"]
    assert main([*command, "--folder=merging"]) == 0
    images = rng.integers(0, 256, (4, 28, 28, 3)).astype(np.float32)
    merging = merge_tokens(Classifier.of(trained / "run").model, 4)
    served = Classifier.of("merging").model.predict_on_batch(images)
    np.testing.assert_allclose(served, merging(images), atol=1e-4)


@pytest.mark.slow
def test_train_goes_on_from_a_model_and_says_what_to_do_next(trained, capsys):
    arguments = [f"--model={trained / 'run'}", "--folder=my run"]
    for setting in ("epochs=1", "batch_size=2000", "warmup_steps=1"):
        arguments += ["--set", setting]
    assert main(["train", *arguments]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[-7].startswith("Test accuracy ")
    assert lines[-7].endswith("on 2,000 images; the largest class has 10.00 %")
    following = shlex.split(lines[-1].removeprefix("Next: "))
    assert following[0] == "keras-vit"
    assert main(following[1:]) == 0


def test_list_shows_every_release_with_who_measured_it(capsys):
    assert main(["list"]) == 0
    text = capsys.readouterr().out
    assert all(f"{name} " in text for name in VARIANTS)
    row = "augreg_in21k_in1k     1000    384  86,859,496   55.48  85.49  (README of"
    assert f"ViT_B16      {row}" in text
    assert main(["list", "--model=ViT_G14"]) == 0
    assert "ViT_G14      -" in capsys.readouterr().out


def test_list_tells_what_a_model_costs_by_layer(capsys):
    assert main(["list", "--details", "--model=ViT_Ti16", "--image_size=32,64"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[4].split()[:5] == ["block_00", "TransformerBlock", "9", "x", "192"]
    [total] = [line.split() for line in lines if line.startswith("total")]
    assert total[1] == "5,681,320"  # parameters of all layers


@pytest.mark.slow
def test_list_tells_what_each_model_costs(capsys, monkeypatch):
    monkeypatch.setattr("keras_vit.cli.list.VARIANTS", {"ViT_Ti16": 0, "ViT_S32": 0})
    assert main(["list", "--details"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[:3] for line in lines[1:3]] == [
        ["ViT_Ti16", "5,717,416", "1.25"],
        ["ViT_S32", "22,878,952", "1.14"],
    ]


def test_convert_takes_weights_there_and_back(trained, monkeypatch):
    with_few_layers(monkeypatch)
    assert main(["convert", f"--from={trained / 'run'}", "--to=a.npz"]) == 0
    model = keras_vit.ViT_Ti16(num_classes=3, image_size=32)
    keras_vit.save_weights(randomize(model, np.random.default_rng(0)), "b.npz")
    vit = ["convert", "--model=ViT_Ti16"]
    assert main([*vit, "--from=b.npz", "--to=hf", "--format=huggingface"]) == 0
    assert json.loads(pathlib.Path("hf/config.json").read_text())["image_size"] == 32
    assert main([*vit, "--from=hf", "--to=c.npz"]) == 0
    assert main(["convert", "--from=hf", "--to=d.npz"]) == 0  # whose sizes are known
    for written in ("c.npz", "d.npz"):
        with np.load("b.npz") as first, np.load(written) as last:
            assert set(first) == set(last)
            for name in first:
                np.testing.assert_array_equal(first[name], last[name])


def test_convert_resizes_images_and_patches(tmp_path, monkeypatch):
    with_few_layers(monkeypatch)
    model = keras_vit.ViT_Ti16(num_classes=3, image_size=32)
    keras_vit.save_weights(randomize(model, np.random.default_rng(0)), "old.npz")
    sizes = ["--image_size=24,32", "--patch_size=8"]
    vit = ["convert", "--model=ViT_Ti16"]
    assert main([*vit, "--from=old.npz", "--to=new.npz", *sizes]) == 0
    expected = keras_vit.resize(model, (24, 32), 8)
    with np.load("new.npz") as new:
        kernel = new["embedding/kernel"]
        positions = new["Transformer/posembed_input/pos_embedding"]
    assert kernel.shape == (8, 8, 3, 192)
    found = {weight.path: weight.numpy() for weight in expected.weights}
    kernel = kernel.reshape(-1, 192)
    np.testing.assert_array_equal(kernel, found["patch_encoder/projection/kernel"])
    np.testing.assert_array_equal(positions, found["patch_encoder/position_embedding"])


def run_process(*arguments):
    code = "import sys, keras_vit_command; sys.exit(keras_vit_command.main())"
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        capture_output=True,
        text=True,
        env={k: v for k, v in os.environ.items() if k != "TF_CPP_MIN_LOG_LEVEL"},
    )


def test_nothing_but_the_line_of_the_error_reaches_the_terminal():
    done = run_process("predict", "--model=no/where", picture("a.png"))
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("keras-vit predict: --model: No such file or")
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.slow
def test_an_answer_comes_without_notices_of_tensorflow(trained):
    done = run_process("predict", f"--model={trained / 'run'}", picture("a.png"))
    assert done.returncode == 0
    assert done.stderr == ""
    assert len(done.stdout.splitlines()) == 1


@pytest.mark.slow
def test_the_first_command_of_the_readme_ends_without_warnings(monkeypatch):
    os.mkdir("base")  # where the packages of extras are missing
    for name in ("tensorflow_serving", "ai_edge_litert", "onnx", "openvino"):
        text = f"raise ModuleNotFoundError({name!r}, name={name!r})\n"
        pathlib.Path("base", f"{name}.py").write_text(text)
    root = str(pathlib.Path(keras_vit.__file__).parent.parent)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([os.path.abspath("base"), root]))
    settings = ("epochs=1", "batch_size=2000", "warmup_steps=1")
    done = run_process("train", *(f"--set={one}" for one in settings))
    assert done.returncode == 0, done.stderr
    assert "SavedModel  savedmodels/fashion_mnist/1/" in done.stdout
    for text in (done.stdout, done.stderr):
        assert "Warning" not in text and ".py:" not in text and "warn" not in text
        assert "pip install" not in text
    card = pathlib.Path("savedmodels/fashion_mnist/1/README.md").read_text()
    assert card.startswith("# fashion_mnist\n")
