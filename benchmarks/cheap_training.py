"""What ways to train with less cost, beside full fine-tuning, in one run.

    python benchmarks/cheap_training.py [--model=ViT_S16] [--batch=8] [--rounds=7]

Interleaves, in one process, steps of the engine with AdamW: of all weights, with
LoRA of rank 8, with half of the patches left out, both together, with remat, and of a
head on features that are kept; and the forward pass that gives those features, once
for each image. Prints medians and their ratios. Then takes a few steps of each in a
process of its own, and prints by how much its memory grew: weights, moments and
activations.
"""

import argparse
import contextlib
import pathlib
import re
import statistics
import subprocess
import sys
import time

import keras
import numpy as np
import tensorflow as tf

import keras_vit
from keras_vit import recipes
from keras_vit.training.adapters.adapted import adapted
from keras_vit.training.adapters.lora import num_trained
from keras_vit.training.model import build_model
from keras_vit.training.optimizers import build_optimizer
from keras_vit.training.step import TrainingState, training_step
from keras_vit.training.tasks.classification import supervised
from keras_vit.variants import VARIANTS

CLASSES = 100
WAYS = {  # settings of a recipe
    "full": {},
    "LoRA": {"lora_rank": 8},
    "patch dropout 0.5": {"patch_dropout_rate": 0.5},
    "both": {"lora_rank": 8, "patch_dropout_rate": 0.5},
    "remat": {"remat": True},
}
FEATURES, PROBE = "features, once", "head on features"


def main():
    """Times all in turn, then looks at the memory of each alone."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--model", default="ViT_S16")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--alone", help="a way whose memory is measured")
    options = parser.parse_args()
    if options.alone:
        return alone(options)

    ways = (*WAYS, FEATURES, PROBE)
    steps = {way: step_of(way, options) for way in ways}
    seconds = {way: [] for way in ways}
    for number in range(options.rounds + 2):
        for way, (step, _) in steps.items():
            begun = time.perf_counter()
            step()
            if number >= 2:  # the first ones trace and warm up
                seconds[way].append(time.perf_counter() - begun)
    medians = {way: statistics.median(values) for way, values in seconds.items()}
    for way, (_, trained) in steps.items():
        print(
            f"{way:<20}{trained:>12,} trained{1000 * medians[way]:>10.1f} ms a step"
            f"{medians[way] / medians['full']:>8.3f} of full",
            flush=True,
        )
    of_full = None
    for way in ways:
        grown = memory(way, options)
        of_full = of_full or grown
        print(f"{way:<20}{grown:>8.0f} MB{grown / of_full:>8.2f} of full", flush=True)
    return None


ADAPTED = contextlib.ExitStack()  # while the process runs


def step_of(way, options):
    """A function that takes one step, and how many numbers it trains."""
    if way == FEATURES:
        model = getattr(keras_vit, options.model)(num_classes=None)
        images, _ = batch(options.batch, model.input_shape[1:])
        return lambda: model.predict_on_batch(images), 0
    recipe = recipes.Recipe.of(
        "", options.model, batch_size=options.batch, **WAYS.get(way, {})
    )
    if way == PROBE:
        inputs = keras.Input((VARIANTS[options.model].hidden_dim,))
        model = keras.Model(inputs, keras_vit.layers.Head(CLASSES)(inputs))
    else:
        model = build_model(recipe.model, CLASSES)
    ADAPTED.enter_context(adapted(model, recipe.model))
    images, targets = batch(options.batch, model.input_shape[1:])
    optimizer = build_optimizer(model, recipe.optimizer, recipe.schedule, 1000)
    step = training_step(
        TrainingState(model, optimizer),
        supervised(model),
        tf.distribute.get_strategy(),
        global_batch=options.batch,
        clip_norm=1.0,
    )
    return lambda: float(step(images, targets)["loss"]), num_trained(model)


def batch(count, shape):
    """Random inputs and targets."""
    rng = np.random.default_rng(0)
    inputs = rng.integers(0, 256, (count, *shape)).astype(np.float32)
    labels = rng.integers(0, CLASSES, count)
    return tf.constant(inputs), tf.one_hot(labels, CLASSES)


def memory(way, options):
    """MB by which a process of its own grows with a few steps."""
    command = [sys.executable, __file__, f"--alone={way}"]
    command += [f"--model={options.model}", f"--batch={options.batch}"]
    run = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return float(run.stdout.split()[-1])


def alone(options):
    """Prints that number."""
    before = peak()
    step, _ = step_of(options.alone, options)
    for _ in range(4):
        step()
    print(peak() - before)


def peak():
    """The most memory so far, MB."""
    status = pathlib.Path("/proc/self/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+)", status)[1]) / 1024


if __name__ == "__main__":
    main()
