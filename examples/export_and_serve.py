"""Export a trained model twice and compare both: a server over HTTP, and LiteRT.

    python examples/export_and_serve.py [RUN [PICTURE]]

RUN is the folder of a run, `runs/fashion_mnist` by default, which `keras-vit train`
writes; PICTURE an image file, by default one of the run. Writes a SavedModel and a
`.tflite` file into `savedmodels/`, starts `keras-vit serve` at a free port, sends it a
request, and runs LiteRT in this process:

    server: Ankle boot 91.6 %, Sneaker 4.2 %, Coat 1.0 %
    LiteRT: Ankle boot 91.6 %, Sneaker 4.2 %, Coat 1.0 %

Needs the extras `export` and `serve`.
"""

import base64
import contextlib
import json
import pathlib
import subprocess
import sys
import urllib.request
from collections.abc import Generator, Sequence
from typing import Any

import numpy as np
from ai_edge_litert.interpreter import Interpreter

import keras_vit
from keras_vit.classifier import Classifier
from keras_vit.data.images import read_image
from keras_vit.data.preprocessing import preprocess
from keras_vit.model_files import name_of


@contextlib.contextmanager
def served(folder: pathlib.Path) -> Generator[str, None, None]:
    """Start the server and return its address, which is in its first line."""
    command = [sys.executable, "-m", "keras_vit_command", "serve"]
    command += [f"--model={folder}", "--port=0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            line = process.stdout.readline() if process.stdout else ""
            if "http://" not in line:
                raise RuntimeError("The server did not start; see what it says above.")
            yield next(word for word in line.split() if word.startswith("http://"))
        finally:
            process.terminate()


def ask(url: str, name: str, picture: str | pathlib.Path) -> dict[str, float]:
    """What the server says of an image file: classes and probabilities."""
    file = base64.b64encode(pathlib.Path(picture).read_bytes()).decode()
    body = json.dumps({"instances": [{"image_bytes": {"b64": file}}]}).encode()
    request = urllib.request.Request(f"{url}v1/models/{name}:predict", body)
    with urllib.request.urlopen(request, timeout=60) as response:
        [told] = json.load(response)["predictions"]
    return dict(zip(told["classes"], told["probabilities"], strict=True))


def run_litert(
    path: pathlib.Path, pixels: Any, class_names: Sequence[str]
) -> dict[str, float]:
    """What LiteRT says of an image of the model's size, `(H, W, 3)`."""
    signature = Interpreter(str(path)).get_signature_runner("serving_default")
    images = np.asarray(pixels, np.float32)[np.newaxis]
    shares: np.ndarray = signature(images=images)["probabilities"][0]
    order: list[int] = np.argsort(-shares).tolist()
    return {class_names[k]: float(shares[k]) for k in order}


def main(
    run: str = "runs/fashion_mnist", picture: str | pathlib.Path | None = None
) -> dict[str, dict[str, float]]:
    """Exports, asks both, and prints and gives their answers."""
    classifier = Classifier.of(run)
    names = classifier.class_names or ()
    folder = pathlib.Path("savedmodels") / name_of(run)
    lite = folder / f"{folder.name}.tflite"
    for written in (
        keras_vit.export(classifier, folder, "saved_model"),
        keras_vit.export(classifier, lite, "tflite"),
    ):
        print(f"written and checked: {written}", flush=True)
    picture = picture or min((pathlib.Path(run) / "images").iterdir())
    pixels = preprocess(
        read_image(picture), classifier.image_size, classifier.preprocessing
    )
    with served(folder) as url:
        answers = {"server": ask(url, folder.name, picture)}
    answers["LiteRT"] = run_litert(lite, pixels, names)
    for who, shares in answers.items():
        likeliest = [f"{name} {100 * p:.1f} %" for name, p in [*shares.items()][:3]]
        print(f"{who}:", ", ".join(likeliest))
    return answers


if __name__ == "__main__":
    main(*sys.argv[1:])
