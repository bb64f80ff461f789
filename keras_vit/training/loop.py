"""The loop around the step: every epoch, its numbers and its progress."""

import sys
import time

import numpy as np
from tqdm import tqdm

from keras_vit.data.pipeline import training_batches
from keras_vit.evaluation import evaluate
from keras_vit.training.optimizer import adamw
from keras_vit.training.step import training_step


def fit(model, dataset, recipe, seed):
    """Trains a model, an epoch at a time.

    Args:
        model: gives a logit for each class of the data set.
        dataset: a `Dataset`.
        recipe: a `Recipe`.
        seed: of the order of the images and their augmentation.

    Returns:
        An iterator that takes an epoch of steps and then gives two things: a
        dict of its numbers (the epoch, steps so far, learning rate, mean loss
        and accuracy in training, loss and top-1 on the test split, images a
        second, seconds so far) and the `Evaluation` on the test split, which
        is looked at, never chosen by.

    Raises:
        ValueError: at once, if the recipe does not fit the data set.
        FloatingPointError: on the way, if the loss is no longer finite.
    """
    steps_per_epoch = len(dataset.train) // recipe.batch_size
    batches = training_batches(
        dataset.train,
        recipe.batch_size,
        model.input_shape[1:3],
        seed=seed,
        flip=recipe.flip,
        crop_padding=recipe.crop_padding,
    )
    optimizer = adamw(model, recipe, total_steps=recipe.epochs * steps_per_epoch)
    step = training_step(model, optimizer, recipe.label_smoothing)
    return _epochs(model, dataset, recipe, steps_per_epoch, batches, optimizer, step)


def _epochs(model, dataset, recipe, steps_per_epoch, batches, optimizer, step):
    images_per_epoch = steps_per_epoch * recipe.batch_size
    batches = iter(batches)
    begun = time.perf_counter()
    with _progress_bar(total=recipe.epochs * images_per_epoch) as bar:
        for epoch in range(1, recipe.epochs + 1):
            bar.set_description(f"epoch {epoch}/{recipe.epochs}")
            epoch_begun = time.perf_counter()
            sums = np.zeros(2)
            for k in range(1, steps_per_epoch + 1):
                sums += [float(value) for value in step(*next(batches))]
                loss, accuracy = sums / k
                bar.set_postfix_str(
                    f"loss {loss:.3f}, accuracy {accuracy:.3f}", refresh=False
                )
                bar.update(recipe.batch_size)
            if not np.isfinite(loss):
                raise FloatingPointError(
                    f"The loss became {loss} in epoch {epoch}. "
                    "A smaller base_lr or a longer warm-up may help."
                )
            epoch_seconds = time.perf_counter() - epoch_begun
            test = evaluate(model, dataset.test)
            tqdm.write(
                f"epoch {epoch}/{recipe.epochs}: loss {loss:.3f}, "
                f"accuracy {accuracy:.3f}, test accuracy {test.top1:.3f}"
            )
            numbers = {
                "epoch": epoch,
                "steps": epoch * steps_per_epoch,
                "learning_rate": float(optimizer.learning_rate),
                "loss": loss,
                "accuracy": accuracy,
                "test_loss": test.loss,
                "test_accuracy": test.top1,
                "images_per_second": images_per_epoch / epoch_seconds,
                "seconds": time.perf_counter() - begun,
            }
            yield numbers, test


def _progress_bar(total):
    watched = sys.stderr.isatty()  # a log is no place for ten lines a second
    return tqdm(
        mininterval=0.1 if watched else 15,
        total=total,
        unit=" images",
        unit_scale=True,
        smoothing=0.1,
        dynamic_ncols=True,
        bar_format="{desc} {percentage:3.0f}%|{bar}| "
        "{rate_fmt}, {remaining} left{postfix}",
    )
