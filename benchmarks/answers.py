"""How fast a ViT answers on this processor, by every road, beside PyTorch.

    python benchmarks/answers.py [--models=ViT_B16,ViT_S16] [--batches=1,8]
        [--photos=FOLDER] [--only=TEXT] [--rounds=5] [--merge=13] [--folder=FOLDER]

Writes each model as LiteRT, ONNX and OpenVINO, in float32 and in 8 bits, and with
tokens merged; times all files and the same network in PyTorch, eager, in turn; and
prints medians, their ratio to PyTorch, and how many photographs get the class that the
Keras model says. Files are kept in --folder, so that a run that was stopped resumes;
--only=onnx times the rows whose name has that in it, beside PyTorch.

A model is a size, whose weights are random but for the head, which is fitted to half of
the photographs by least squares, or those of --weights; or the path of a trained run.
Without --photos there is no agreement, and no int8, which needs images.
"""

import argparse
import dataclasses
import functools
import os
import pathlib
import statistics
import tempfile
import time
from importlib.util import find_spec

import keras
import numpy as np

import keras_vit
from keras_vit.classifier import Classifier
from keras_vit.data import Split
from keras_vit.data.array_preprocessing import preprocess_array
from keras_vit.data.images import find_images, read_image
from keras_vit.export_formats import FORMATS
from keras_vit.exporting import runtime_check
from keras_vit.exporting.export_model import WRITERS
from keras_vit.exporting.graph import exportable
from keras_vit.exporting.images import Images
from keras_vit.files import written_whole
from keras_vit.preprocessing import PRESETS
from keras_vit.variants import VARIANTS

KERAS, TORCH = "Keras predict_on_batch", "PyTorch eager"
# (format, quantize, whether tokens are merged)
FILES = [
    ("tflite", "none", False),
    ("tflite", "dynamic", False),
    ("tflite", "dynamic", True),
    ("onnx", "none", False),
    ("onnx", "dynamic", False),
    ("onnx", "dynamic", True),
    ("openvino", "none", False),
    ("openvino", "int8", False),
]


def main():
    """Writes what is missing, times in turn, and prints a table a model."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--models", default="ViT_B16,ViT_S16")
    parser.add_argument("--batches", default="1,8")
    parser.add_argument("--photos", type=pathlib.Path)
    parser.add_argument("--weights")
    parser.add_argument("--merge", type=int, default=13, help="tokens, each block")
    parser.add_argument("--only", default="")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--folder", type=pathlib.Path)
    options = parser.parse_args()
    batches = [int(one) for one in options.batches.split(",")]
    with tempfile.TemporaryDirectory() as scratch:
        folder = options.folder or pathlib.Path(scratch)
        for name in options.models.split(","):
            photos = photographs(options.photos)
            classifier = built(name, options.weights, photos)
            place = folder / classifier.name
            table(name, classifier, photos, batches, place, options)


def photographs(folder):
    """The photographs of a folder, `(N, 224, 224, 3)` float32, or None."""
    if folder is None:
        return None
    files = find_images([folder])[:400]
    size, way = (224, 224), PRESETS["timm"]
    images = [preprocess_array(read_image(one), size, way) for one in files]
    return np.stack(images).astype(np.float32)


def built(name, weights, photos):
    """The classifier; of a size without weights, with a head of ten colours."""
    if name not in VARIANTS:
        return Classifier.of(name)
    keras.utils.set_random_seed(0)  # as the files that an earlier run wrote
    if weights:
        return Classifier.of(getattr(keras_vit, name)(weights=weights))
    model = getattr(keras_vit, name)(num_classes=10)
    rng = np.random.default_rng(0)
    head = model.get_layer("head")
    if photos is None:
        head.kernel.assign(rng.normal(scale=0.02, size=head.kernel.shape))
        return Classifier.of(model)
    body = keras.Model(model.inputs, head.input)
    features = body.predict(photos, batch_size=8, verbose=0)
    colours = photos.mean((1, 2)) @ rng.normal(size=3)
    classes = np.argsort(np.argsort(colours)) * 10 // len(photos)
    seen = slice(0, None, 2)
    mean = features[seen].mean(0)
    centred = (features[seen] - mean) / (scale := (features[seen] - mean).std())
    gram = centred @ centred.T + np.eye(len(centred))
    kernel = centred.T @ np.linalg.solve(gram, 8.0 * np.eye(10)[classes[seen]]) / scale
    head.kernel.assign(kernel)
    head.bias.assign(-mean @ kernel)
    return Classifier.of(model)


def table(name, classifier, photos, batches, folder, options):
    """Times one model's rows in turn and prints them."""
    folder.mkdir(parents=True, exist_ok=True)
    model, size = classifier.model, classifier.image_size
    images = np.random.default_rng(0).uniform(0, 255, (max(batches), *size, 3))
    images = np.float32(images if photos is None else np.resize(photos, images.shape))
    calls = {KERAS: model.predict_on_batch} | torch_eager(name)
    for row, kind, path in written(classifier, photos, folder, options):
        loaded = runtime_check.RUNTIMES[kind](str(path))
        calls[row] = functools.partial(runtime_check.logits_of, loaded)
    medians = interleaved(calls, images, batches, options.rounds)
    agreed = agreement(calls, photos)
    print(f"\n{name}, {os.cpu_count()} processors, times as fast as {TORCH}")
    print(f"{'':<30}" + "".join(f"{f'ms, batch {n}':>14}{'times':>8}" for n in batches))
    for row in calls:
        cells = ""
        for count in batches:
            beside = medians.get((TORCH, count))
            ratio = f"{beside / medians[row, count]:.2f}" if beside else ""
            cells += f"{1000 * medians[row, count]:>14.1f}{ratio:>8}"
        kept = f"{100 * agreed[row]:8.2f} % agree" if row in agreed else ""
        print(f"{row:<30}{cells}{kept}", flush=True)


def written(classifier, photos, folder, options):
    """Each row's name, its runtime and its file, which is written if it is missing."""
    merged = keras_vit.merge_tokens(classifier.model, options.merge)
    merged = dataclasses.replace(classifier, model=merged)
    for kind, scheme, merging in FILES:
        more = f", {options.merge} merged" if merging else ""
        row = f"{kind} {scheme if scheme != 'none' else 'float32'}{more}"
        if options.only not in row or (scheme == "int8" and photos is None):
            continue
        if scheme == "int8" and not find_spec("nncf"):
            print(f"{row} is left out: nncf is not installed")
            continue
        path = folder / f"{scheme}{'-merged' * merging}{FORMATS[kind].suffix}"
        origin = exportable(merged if merging else classifier, FORMATS[kind])
        try:
            if not path.is_file():
                write(origin, kind, scheme, path, photos)
        except RuntimeError as error:
            print(f"{row} is refused: {error}")
            continue
        yield row, kind, path
        if kind == "openvino" and scheme == "none" and bfloat16():
            yield f"{kind} bfloat16{more}", f"{kind}, by default", path


def write(classifier, kind, scheme, path, photos):
    """Writes a file as export does, whose checks this table is itself."""
    settings = {}
    if scheme == "int8":
        labels = batched(classifier.model.predict_on_batch, photos).argmax(1)
        pixels = photos.round().astype(np.uint8)
        parts = [Split(pixels[start::2], labels[start::2]) for start in (0, 1)]
        settings["calibration"] = Images(None, "photographs", *parts)
    with written_whole(path) as scratch:
        WRITERS[kind].write(classifier, scratch, quantize=scheme, **settings)


def bfloat16():
    """Whether OpenVINO computes in it by default on this processor."""
    import openvino

    return "BF16" in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


def torch_eager(name):
    """The same network in PyTorch, not compiled: timm's, or torch's own layers."""
    try:
        import torch
    except ImportError as error:
        print(f"PyTorch is left out: {error}")
        return {}
    if name not in VARIANTS:
        return {}
    torch.set_num_threads(os.cpu_count())
    variant = VARIANTS[name]
    if find_spec("timm"):
        import timm

        size = {"ViT_B16": "base", "ViT_S16": "small", "ViT_Ti16": "tiny"}[name]
        network = timm.create_model(f"vit_{size}_patch16_224", num_classes=10).eval()
    else:
        network = own_network(torch, variant)

    def run(images):
        pixels = torch.tensor(images / 127.5 - 1).permute(0, 3, 1, 2).contiguous()
        with torch.inference_mode():
            return network(pixels).numpy()

    return {TORCH: run}


def own_network(torch, variant):
    """A ViT of torch.nn's own encoder, pre-norm."""

    class Network(torch.nn.Module):
        def __init__(self):
            super().__init__()
            width, patch = variant.hidden_dim, variant.patch_size
            self.patches = torch.nn.Conv2d(3, width, patch, patch)
            self.token = torch.nn.Parameter(torch.zeros(1, 1, width))
            count = (224 // patch) ** 2 + 1
            self.positions = torch.nn.Parameter(torch.zeros(1, count, width))
            layer = torch.nn.TransformerEncoderLayer(
                width,
                variant.num_heads,
                variant.mlp_dim,
                activation="gelu",
                batch_first=True,
                norm_first=True,
            )
            self.encoder = torch.nn.TransformerEncoder(layer, variant.num_layers)
            self.norm, self.head = torch.nn.LayerNorm(width), torch.nn.Linear(width, 10)

        def forward(self, pixels):
            tokens = self.patches(pixels).flatten(2).transpose(1, 2)
            token = self.token.expand(len(tokens), -1, -1)
            tokens = self.encoder(torch.cat([token, tokens], 1) + self.positions)
            return self.head(self.norm(tokens[:, 0]))

    return Network().eval()


def interleaved(calls, images, batches, rounds):
    """The median seconds of each call and batch size, in turn in every round."""
    seconds = {(row, size): [] for row in calls for size in batches}
    for number in range(rounds + 1):
        for row, size in seconds:
            begun = time.perf_counter()
            calls[row](images[:size])
            if number:  # the first one traces and warms up
                seconds[row, size].append(time.perf_counter() - begun)
    return {key: statistics.median(values) for key, values in seconds.items()}


def agreement(calls, photos):
    """The share of photographs of which each call says the Keras model's class.

    Those of the second half, which the head was not fitted to.
    """
    if photos is None:
        return {}
    unseen = photos[1::2]
    expected = batched(calls[KERAS], unseen).argmax(1)
    return {
        row: float((batched(call, unseen).argmax(1) == expected).mean())
        for row, call in calls.items()
        if row not in (KERAS, TORCH)
    }


def batched(call, images):
    """The logits of many images, a few at a time."""
    return np.concatenate(
        [call(images[at : at + 8]) for at in range(0, len(images), 8)]
    )


if __name__ == "__main__":
    main()
