"""What the training engine costs over the bare forward and backward pass.

    python benchmarks/engine.py [--model=ViT_S16] [--batch=16] [--rounds=10]

Interleaves, in one process and on the same batch, the bare gradient of the
loss, the engine's whole step, and one step of Keras's `fit`; prints medians and
their ratios.
"""

import argparse
import statistics
import time

import keras
import numpy as np
import tensorflow as tf

import keras_vit
from keras_vit.training.optimizers import Adam, Optimizer
from keras_vit.training.schedules import LearningRate
from keras_vit.training.step import TrainingState, training_step
from keras_vit.training.tasks.classification import supervised


def main():
    """Times the three in turn and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--model", default="ViT_S16")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--jit", action="store_true", help="compile by XLA")
    options = parser.parse_args()

    build = getattr(keras_vit, options.model)
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (options.batch, 224, 224, 3), dtype=np.uint8)
    labels = rng.integers(0, 1000, options.batch)
    arguments = tf.constant(images), tf.one_hot(labels, 1000)
    rounds = {
        "forward and backward": bare(build(), options.jit),
        "engine": engine(build(), options.batch, options.jit),
        "Keras fit": fit(build(), options.jit),
    }
    seconds = {name: [] for name in rounds}
    for number in range(options.rounds + 2):
        for name, step in rounds.items():
            begun = time.perf_counter()
            step(*arguments)
            if number >= 2:  # the first ones trace and warm up
                seconds[name].append(time.perf_counter() - begun)
    base = statistics.median(seconds["forward and backward"])
    for name, values in seconds.items():
        median = statistics.median(values)
        print(
            f"{name:<22}{1000 * median:8.0f} ms {options.batch / median:8.1f} images/s"
            f"{median / base:8.3f} of bare   (lowest {1000 * min(values):.0f} ms)"
        )


def bare(model, jit):
    """The gradient and nothing else."""
    weights = [weight.value for weight in model.trainable_variables]
    loss_of = keras.losses.CategoricalCrossentropy(from_logits=True)

    @tf.function(jit_compile=jit)
    def step(images, targets):
        with tf.GradientTape() as tape:
            loss = loss_of(targets, model(images, training=True))
        return loss, tape.gradient(loss, weights)

    return lambda images, targets: step(images, targets)[0].numpy()


def engine(model, batch, jit):
    """The step of `keras_vit.train` with AdamW, clipping and an average."""
    optimizer = Optimizer(
        model.trainable_variables, Adam(), LearningRate(1e-3, 1000), weight_decay=0.1
    )
    step = training_step(
        TrainingState(model, optimizer),
        supervised(model),
        tf.distribute.get_strategy(),
        global_batch=batch,
        clip_norm=1.0,
        jit_compile=jit,
    )
    return lambda images, targets: float(step(images, targets)["loss"])


def fit(model, jit):
    """One step of Keras's own, with the same optimizer by Keras."""
    model.compile(
        keras.optimizers.AdamW(1e-3, weight_decay=0.1, global_clipnorm=1.0),
        keras.losses.CategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
        jit_compile=jit,
    )
    return model.train_on_batch


if __name__ == "__main__":
    main()
