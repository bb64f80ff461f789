"""A recipe by `keras_vit.train` and by Keras's `fit`, one after the other.

    python benchmarks/against_fit.py [--recipe=cifar10] [--dataset=./cifar10]

Both get the same model with the same weights, the same stream of augmented
batches, schedule, decay, clipping and smoothing. Prints the accuracy on the
test split and the images a second of both, those of the steps alone.
"""

import argparse
import tempfile
import time

import keras
import tensorflow as tf

import keras_vit
from keras_vit import data, recipes
from keras_vit.data.augmentation import Augmentation
from keras_vit.data.pipeline import training_batches
from keras_vit.training.model import build_model
from keras_vit.training.optimizers import NOT_DECAYED
from keras_vit.training.schedules import LearningRate


def main():
    """Trains twice and prints both lines."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--recipe", default="cifar10")
    parser.add_argument("--dataset")
    parser.add_argument("--set", action="append", default=[])
    options = parser.parse_args()
    recipe = recipes.override(recipes.get(options.recipe), options.set)
    recipe = recipes.changed(recipe, {"progressive_sizes": ()})  # which fit has not
    dataset = data.load(options.dataset or recipe.data.name)
    for name, run in {"keras_vit.train": by_train, "Keras fit": by_fit}.items():
        begun = time.perf_counter()
        accuracy, rate = run(recipe, dataset)
        minutes = (time.perf_counter() - begun) / 60
        print(
            f"{name:<16} {100 * accuracy:6.2f} % {rate:8.0f} images/s",
            f"{minutes:5.1f} min",
            flush=True,
        )


def by_train(recipe, dataset):
    """The engine; its own run, with everything it writes."""
    with tempfile.TemporaryDirectory() as folder:
        run = keras_vit.train(recipe, dataset=dataset, folder=f"{folder}/run")
    rates = sorted(row["images_per_second"] for row in run.history)
    return run.evaluation.top1, rates[len(rates) // 2]


class Rate(keras.callbacks.Callback):
    """Images a second of each epoch's steps, without its evaluation."""

    def __init__(self, images):
        super().__init__()
        self.images, self.rates = images, []

    def on_epoch_begin(self, epoch, logs=None):
        self.begun = time.perf_counter()

    def on_test_begin(self, logs=None):
        self.rates.append(self.images / (time.perf_counter() - self.begun))


def by_fit(recipe, dataset):
    """The same by what Keras offers."""
    keras.utils.set_random_seed(0)
    model = build_model(recipe.model, dataset.num_classes)
    stream = training_batches(
        dataset.train,
        recipe.run.batch_size,
        model.input_shape[1:3],
        dataset.num_classes,
        seed=0,
        augmentation=Augmentation.of(recipe.augmentation),
    )
    steps = len(dataset.train) // recipe.run.batch_size
    optimizer = keras.optimizers.AdamW(
        LearningRate(
            recipe.schedule.base_lr,
            recipe.run.epochs * steps,
            recipe.schedule.warmup_steps,
        ),
        weight_decay=recipe.optimizer.weight_decay,
        global_clipnorm=recipe.optimizer.clip_norm,
    )
    kept = [w for w in model.trainable_variables if w.path.endswith(NOT_DECAYED)]
    optimizer.exclude_from_weight_decay(var_list=kept)
    loss = keras.losses.CategoricalCrossentropy(
        from_logits=True, label_smoothing=recipe.task.label_smoothing
    )
    model.compile(optimizer, loss, metrics=["accuracy"])
    read = dataset.test.reader()
    test = tf.data.Dataset.range(len(dataset.test)).map(
        lambda i: (
            tf.ensure_shape(read(i), (*model.input_shape[1:3], 3)),
            tf.one_hot(tf.gather(dataset.test.labels, i), dataset.num_classes),
        )
    )
    rate = Rate(steps * recipe.run.batch_size)
    history = model.fit(
        stream,
        epochs=recipe.run.epochs,
        steps_per_epoch=steps,
        validation_data=test.batch(200),
        callbacks=[rate],
        verbose=0,
    ).history
    rates = sorted(rate.rates)
    return history["val_accuracy"][-1], rates[len(rates) // 2]


if __name__ == "__main__":
    main()
