"""How fast the exported files are, beside Keras and PyTorch, in one process.

    python benchmarks/export.py [--model=ViT_B16] [--rounds=10]

Writes the model as float32 and dynamic-range LiteRT and as a SavedModel with
and without XLA, then interleaves them with Keras's `predict_on_batch` and,
where torch and transformers are installed, with the same network in PyTorch;
prints medians, and the ratios that matter.
"""

import argparse
import os
import pathlib
import statistics
import tempfile
import time

import numpy as np

import keras_vit
from keras_vit.exporting import runtime_check
from keras_vit.variants import VARIANTS

BATCH = 8  # of the SavedModels


def main():
    """Writes, times in turn, and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--model", default="ViT_B16")
    parser.add_argument("--rounds", type=int, default=10)
    options = parser.parse_args()

    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (BATCH, 224, 224, 3)).astype(np.float32)
    model = getattr(keras_vit, options.model)()
    head = model.get_layer("head").kernel  # zero, which no quantisation would notice
    head.assign(rng.normal(scale=0.02, size=head.shape))
    model.compile()
    calls = {"Keras predict_on_batch, 1": lambda: model.predict_on_batch(images[:1])}
    with tempfile.TemporaryDirectory() as folder:
        calls |= exported(model, pathlib.Path(folder), images)
    calls |= torch_eager(options.model, images)
    medians = interleaved(calls, options.rounds)
    for name, seconds in medians.items():
        batch = int(name.rpartition(",")[2])
        print(f"{name:<28}{1000 * seconds:9.1f} ms {batch / seconds:8.2f} images/s")
    print()
    for faster, slower, asked in (
        ("LiteRT dynamic, 1", "PyTorch eager, 1", 3.5),
        ("LiteRT dynamic, 1", "LiteRT, 1", 3.0),
        ("LiteRT, 1", "Keras predict_on_batch, 1", 1.1),
        (f"SavedModel XLA, {BATCH}", f"SavedModel, {BATCH}", 1.0),
    ):
        if slower in medians:
            ratio = medians[slower] / medians[faster]
            print(f"{faster} over {slower}: {ratio:.2f} (asked: {asked})")


def exported(model, folder, images):
    """The calls of all files; LiteRT's at a batch of 1, the SavedModels' at 8."""
    path = keras_vit.export(model, folder / "float32.tflite", "tflite")
    calls = {"LiteRT, 1": call("tflite", path, images[:1])}
    path = keras_vit.export(
        model, folder / "dynamic.tflite", "tflite", quantize="dynamic"
    )
    calls["LiteRT dynamic, 1"] = call("tflite", path, images[:1])
    for name, xla in (("SavedModel", False), ("SavedModel XLA", True)):
        path = keras_vit.export(model, folder / name, xla=xla)
        calls[f"{name}, {BATCH}"] = call("saved_model", path, images)
    return calls


def call(runtime, path, images):
    """One answer of a file that its own runtime has loaded."""
    loaded = runtime_check.RUNTIMES[runtime](str(path))
    return lambda: loaded.logits(images)


def torch_eager(name, images):
    """The same network of transformers, in PyTorch: float32, not compiled."""
    try:
        import torch
        import transformers
    except ImportError as error:
        print(f"PyTorch is left out: {error}")
        return {}
    variant = VARIANTS[name]
    torch.set_num_threads(os.cpu_count())
    config = transformers.ViTConfig(
        patch_size=variant.patch_size,
        hidden_size=variant.hidden_dim,
        num_hidden_layers=variant.num_layers,
        num_attention_heads=variant.num_heads,
        intermediate_size=variant.mlp_dim,
        num_labels=1000,
    )
    network = transformers.ViTForImageClassification(config).eval()
    pixels = torch.tensor(images[:1] / 127.5 - 1).permute(0, 3, 1, 2).contiguous()

    def run():
        with torch.inference_mode():
            return network(pixels)

    return {"PyTorch eager, 1": run}


def interleaved(calls, rounds):
    """The median seconds of each call, all of them in turn in every round."""
    seconds = {name: [] for name in calls}
    for number in range(rounds + 2):
        for name, run in calls.items():
            begun = time.perf_counter()
            run()
            if number >= 2:  # the first ones trace and warm up
                seconds[name].append(time.perf_counter() - begun)
    return {name: statistics.median(values) for name, values in seconds.items()}


if __name__ == "__main__":
    main()
