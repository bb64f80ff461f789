"""What token merging gains in speed and costs in accuracy.

    python benchmarks/token_merging.py [--model=ViT_S16] [--image_size=224]
        [--merging=0,4,8,13,16] [--batch=8] [--rounds=7] [--xla]
    python benchmarks/token_merging.py --model=RUN [--dataset=fashion_mnist_sample] ...

For each r: multiply-adds of an image, and images a second of the model's forward pass,
the medians of rounds that are interleaved in one process, over those of r = 0. RUN is
a run's folder or a .keras file; of one, also the share of right answers on all test
images of a data set.
"""

import argparse
import functools
import statistics
import time

import numpy as np
import tensorflow as tf

import keras_vit
from keras_vit import inspect
from keras_vit.classifier import Classifier
from keras_vit.data import load
from keras_vit.data.evaluation import evaluation_batches
from keras_vit.factories import FACTORIES


def main():
    """Measures each r and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--model", default="ViT_S16")
    parser.add_argument("--image_size", type=int, default=224)
    parser.add_argument("--dataset", default="fashion_mnist_sample")
    parser.add_argument("--merging", default="0,4,8,13,16")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--xla", action="store_true")
    options = parser.parse_args()
    known = options.model in FACTORIES
    model = (
        FACTORIES[options.model](image_size=options.image_size)
        if known
        else Classifier.of(options.model).model
    )
    models = {
        int(r): keras_vit.merge_tokens(model, int(r))
        for r in options.merging.split(",")
    }
    rates = timed(models, options)
    print(f"{'r':>3}{'mult-adds':>16}{'of r=0':>8}{'images/s':>10}{'times':>7}  top-1")
    counts = {r: inspect.summary(one).multiply_adds for r, one in models.items()}
    for r, one in models.items():
        line = f"{r:>3}{counts[r]:>16,}{counts[r] / counts[0]:>8.3f}"
        line += f"{rates[r]:>10.1f}{rates[r] / rates[0]:>7.2f}"
        print(line if known else f"{line}  {accuracy(one, options.dataset):.4f}")


def timed(models, options):
    """Images a second of each model, by its r."""
    shape = options.batch, *next(iter(models.values())).input_shape[1:]
    images = tf.constant(np.random.default_rng(0).uniform(0, 255, shape), tf.float32)
    runs = {
        r: tf.function(
            functools.partial(one, training=False), jit_compile=options.xla or None
        )
        for r, one in models.items()
    }
    seconds = {r: [] for r in models}
    for number in range(options.rounds + 1):
        for r, run in runs.items():
            begun = time.perf_counter()
            run(images).numpy()
            if number:  # the first round traces
                seconds[r].append(time.perf_counter() - begun)
    return {r: options.batch / statistics.median(each) for r, each in seconds.items()}


def accuracy(model, dataset):
    """The share of a data set's test images that a model is right on."""
    split, right = load(dataset).test, 0
    for images, labels, weights in evaluation_batches(
        split, 200, model.input_shape[1:3]
    ):
        answers = model.predict_on_batch(images).argmax(-1)
        right += int((weights * (answers == labels)).sum())
    return right / len(split)


if __name__ == "__main__":
    main()
