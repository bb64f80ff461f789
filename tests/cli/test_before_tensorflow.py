"""What is answered before TensorFlow is loaded, in one fresh process."""

import json
import pathlib
import subprocess
import sys

import pytest

HEAVY = ["tensorflow", "keras", "numpy", "PIL", "matplotlib", "tensorflow_datasets"]
ANSWERED = [  # the words of a call, its status, and a part of what is said
    ("--help", 0, "keras-vit COMMAND --help"),
    ("", 0, "usage: keras-vit COMMAND"),
    ("--version", 0, "keras-vit "),
    ("train --help", 0, "--recipe=..."),
    ("help train", 0, "--recipe=..."),
    ("help", 0, "keras-vit COMMAND --help"),
    ("help trian", 2, "Did you mean 'train'?"),
    ("transfer --help", 0, "--rates=..."),
    ("evaluate --help", 0, "robustness"),
    ("predict --help", 0, "--save_pictures=..."),
    ("inspect --help", 0, "rollout"),
    ("inspect-data --help", 0, "contact_sheet.png"),
    ("export --help", 0, "openvino"),
    ("serve --help", 0, "--port=..."),
    ("convert --help", 0, "huggingface"),
    ("list --help", 0, "--details=..."),
    ("doctor --help", 0, "--seconds=..."),
    ("doctor --seconds=0", 2, "--seconds"),
    ("list", 0, "ViT_B16      augreg_in21k_in1k"),
    ("list --model=ViT_B16", 0, "sam_in1k"),
    ("list --recipes", 0, "paper/finetune_cifar10"),
    ("list --recipe=finetune", 0, "base_lr = "),
    ("trian", 2, "Did you mean 'train'?"),
    ("train --recipie=x", 2, "Did you mean '--recipe'?"),
    ("train cats", 2, "unexpected argument 'cats'"),
    ("train --recipe=fintune", 2, "Did you mean 'finetune'?"),
    ("train --epochs=3", 2, "Use --set epochs=3"),
    ("train --batch_size 9", 2, "Use --set batch_size="),
    ("train --batch-size=9", 2, "Use --set batch_size=9"),
    ("train --lr=0.1", 2, "Use --set base_lr=0.1"),
    ("train --set=epoch=3", 2, "Did you mean 'epochs'?"),
    ("train --set=epochs=0", 2, "epochs must be at least 1"),
    ("train --set=flip=perhaps", 2, "flip must be true or false"),
    ("train --seed=one", 2, "--seed=one: Expected a whole number"),
    ("train --jit=perhaps", 2, "--jit=perhaps: Expected true or false"),
    ("train --model=ViT-b16x", 2, "Did you mean 'ViT_B16'?"),
    ("train --model=keras:ResNet50V3", 2, "Did you mean 'ResNet50V2'?"),
    ("train --model=runs/x", 2, "No such file or folder: runs/x. Expected"),
    ("train --model=file.txt", 2, "No model in file.txt"),
    ("train --model=served", 2, "served, a SavedModel, which can be neither"),
    ("train --model=ViT_B16 --weights=augrg_in21k", 2, "Did you mean 'augreg_in21k'?"),
    ("train --model=ViT_B16 --weights=imagenet", 2, "Use 'augreg_in21k_in1k'"),
    ("train --model=ViT_S16 --weights=vit_base_patch16_224.x", 2, "are of ViT_B16"),
    ("train --model=vit_base_patch16_224.a", 2, "--weights=hf:timm/vit_base_patch16_"),
    ("train --weights=a/b.npz", 2, "--weights: No such file or folder: a/b.npz"),
    ("train --teacher=runs/x", 2, "--teacher: No such file or folder: runs/x"),
    ("train --config=x.json", 2, "--config: No such file or folder: x.json"),
    ("train --config=run.json --seed=1", 2, "--config sets recipe and seed"),
    ("train --config=seed.yaml", 2, "seed must be a whole number"),
    ("train --config=flip.yaml", 2, "flip must be True or False"),
    ("train --dataset=fashon_mnist", 2, "Did you mean 'fashion_mnist'?"),
    ("train --dataset=photos/x", 2, "--dataset: No such file or folder: photos/x"),
    ("train --dataset=vtab/clevr_cuont", 2, "Did you mean 'clevr_count'?"),
    ("train --strategy=mirored", 2, "Did you mean 'mirrored'?"),
    ("train --folder=file.txt", 2, "--folder: file.txt is not a folder"),
    ("train --pixel_range=9:1", 2, "pixel_range must be"),
    ("train --background=whit", 2, "Did you mean 'white'?"),
    ("transfer --rates=a", 2, "--rates=a: Expected numbers"),
    ("transfer --rates=-1", 2, "learning rates above 0. Received: -1"),
    ("evaluate", 2, "--model is missing. Expected: A run's folder"),
    ("evaluate --model=~/runs/x", 2, "{home}/runs/x. Expected a run's folder"),
    ("evaluate --model=a.keras --what=clases", 2, "Did you mean 'classes'?"),
    ("evaluate --model=a.keras --compare=runs/x", 2, "--compare: No such file or"),
    ("evaluate --model=a.keras --labels=x/y", 2, "--labels: No such file or folder"),
    ("evaluate --model=a.keras --preprocessing=tim", 2, "Unknown preprocessing"),
    ("evaluate --model=a.keras --batch_size=0", 2, "a whole number of at least 1"),
    ("predict --model=a.keras", 2, "no images. Expected image files or folders"),
    ("predict --model=a.keras no/x.jpg", 2, "No such file or folder: no/x.jpg"),
    ("predict --model=a.keras --output=x.txt file.txt", 2, "ends in .csv or .json"),
    ("inspect --model=ViT_B17", 2, "Did you mean 'ViT_B16'?"),
    ("inspect --model=a.keras --what=rolout", 2, "Did you mean 'rollout'?"),
    ("inspect --model=a.keras --images=x/y", 2, "--images: No such file or folder"),
    ("inspect --model=a.keras --weights=x", 2, "go with a factory's name"),
    ("inspect --model=a.keras --fusion=mea", 2, "Did you mean 'mean'?"),
    ("inspect --model=a.keras --discard=1", 2, "--discard=1: Expected a number"),
    ("export --model=a.keras --format=onx", 2, "Did you mean 'onnx'?"),
    ("export --model=a.keras --quantize=int9", 2, "Did you mean 'int8'?"),
    ("export --model=a.keras --temperature=0", 2, "above 0. Received: 0"),
    ("export --model=a.keras --format=all --quantize=int8", 2, "Leave it out"),
    ("export --model=a.keras --for=gpu", 2, "Unknown for. Expected one of cpu"),
    ("export --model=a.keras --for=cpu --format=onnx", 2, "Expected no --format"),
    ("predict --model=a.tflite no/x.jpg", 2, "No such file or folder: a.tflite"),
    ("serve --model=savedmodels/x", 2, "No such file or folder: savedmodels/x"),
    ("serve --model=ViT_B16", 2, "No such file or folder"),
    ("serve --model=served --port=99999", 2, "a whole number from 0 to 65535"),
    ("batch --help", 0, "--features_dtype=..."),
    ("prepare --help", 0, "--short_side=..."),
    ("batch --model=a.keras --output=o", 2, "--images is missing"),
    ("batch --model=a.keras --output=o --images=x/y", 2, "--images: No such file"),
    ("batch --model=a.keras --images=file.txt --output=o x", 2, "argument 'x'"),
    ("batch --model=a.keras --what=clases", 2, "Did you mean 'classes'?"),
    ("batch --model=a.keras --runner=DirctRunner", 2, "mean 'DirectRunner'?"),
    ("prepare --output=o --dataset=photos/x", 2, "--dataset: No such file or"),
    ("prepare --dataset=fashon_mnist --output=o", 2, "Did you mean 'fashion_mnist'?"),
    ("convert --from=runs/x --to=a.npz", 2, "--from: No such file or folder: runs/x"),
    ("convert --from=a.keras --to=file.txt", 2, "file.txt exists already"),
    ("convert --from=a.keras --to=b --format=tim", 2, "Did you mean 'timm'?"),
    (
        "list --recipe=paper/finetune_cifar11",
        2,
        "you mean 'paper/finetune_cifar10'",
    ),
    ("list --model=VGG", 2, "Unknown model. Expected one of ViT_Ti16"),
    ("list --image_size=384", 2, "--image_size goes with --details"),
]
PROGRAM = """
import contextlib, io, json, sys
import keras_vit_command
answers = []
for call in json.load(sys.stdin):
    sys.argv = ["keras-vit", *call.split()]
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        status = keras_vit_command.main()
    tops = {name.partition(".")[0] for name in sys.modules}
    answers.append([status, out.getvalue(), err.getvalue(), sorted(tops)])
json.dump(answers, sys.stdout)
"""


@pytest.fixture(scope="module")
def answers(tmp_path_factory):
    """What one process answers to all calls, one after the other."""
    folder = tmp_path_factory.mktemp("work")
    for name in ("file.txt", "a.keras"):
        (folder / name).touch()
    (folder / "run.json").write_text('{"given_in_python": []}')
    (folder / "seed.yaml").write_text("seed: abc")
    (folder / "flip.yaml").write_text("flip: 3")
    (folder / "served" / "1").mkdir(parents=True)
    (folder / "served" / "1" / "saved_model.pb").touch()
    root = pathlib.Path(__file__).parent.parent.parent
    run = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        input=json.dumps([call for call, _, _ in ANSWERED]),
        capture_output=True,
        text=True,
        check=True,
        cwd=folder,
        env={"PYTHONPATH": str(root), "HOME": "/no/home", "PATH": ""},
    )
    assert {one.name for one in folder.iterdir()} == {
        "file.txt",
        "a.keras",
        "run.json",
        "seed.yaml",
        "flip.yaml",
        "served",
    }
    return {
        call: answer
        for (call, _, _), answer in zip(ANSWERED, json.loads(run.stdout), strict=True)
    }


@pytest.mark.parametrize(("call", "status", "said"), ANSWERED)
def test_a_call_is_answered_without_keras(call, status, said, answers):
    found, out, err, loaded = answers[call]
    assert found == status, err
    assert said.replace("{home}", "/no/home") in (err if status else out)
    assert (out == "") == bool(status)
    assert len(err.splitlines()) == bool(status)
    assert not {*HEAVY} & {*loaded}


def test_importtime_lists_neither_keras_nor_tensorflow(tmp_path):
    code = "import sys, keras_vit_command; sys.exit(keras_vit_command.main())"
    root = pathlib.Path(__file__).parent.parent.parent
    run = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", code, "train", "--recipe=x"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={"PYTHONPATH": str(root)},
    )
    rows = [line.split("|") for line in run.stderr.splitlines() if "|" in line]
    names = {row[-1].strip().partition(".")[0] for row in rows}
    assert run.returncode == 2
    assert {"keras_vit", "absl"} <= names
    assert not {*HEAVY} & names


@pytest.mark.slow
def test_the_package_is_whole_once_there_is_work():
    code = """
import sys, keras_vit_command
keras_vit_command._place("keras_vit")
placed = sys.modules["keras_vit"]
from keras_vit.recipes import RECIPES
keras_vit_command._load_in_silence()
import keras_vit
assert keras_vit is placed and type(placed).__name__ == "module"
assert keras_vit.recipes.RECIPES is RECIPES
assert keras_vit.ViT_Ti16(num_classes=2, image_size=32).output_shape == (None, 2)
print(keras_vit.__version__)
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert run.stdout.strip().count(".") == 2
    assert run.stderr == ""
