"""Which answers stay right when the images change."""

import numpy as np

from keras_vit.preprocessing import carried_by, resolve

NOT_FINITE = "The model gives logits that are not finite."


def right_under(
    model,
    split,
    changes,
    *,
    batch_size=200,
    preprocessing=None,
    strategy=None,
    restricted=None,
):
    """Asks a model about each image of a split under each of some changes.

    An image is resized as in evaluation, its pixels are rounded to whole
    numbers, and then it is changed: the model sees what a change gives.

    Args:
        model: as `answers_of` takes it.
        split: a split of a `keras_vit.data.Dataset`.
        changes: functions of uint8 images `(B, H, W, 3)` of the model's size
            and of their places in the split, that give such images.
        batch_size: images at a time. It does not change the result.
        preprocessing: as `answers_of` takes it.
        strategy: as `answers_of` takes it.
        restricted: a function of `Answers` to others, such as those that keep
            some classes; `None`: none.

    Returns:
        Booleans `(changes, N)`: whether the answer is right.

    Raises:
        ValueError: if a label is not one of the model's classes, or for an
            unknown preprocessing or strategy.
        FloatingPointError: if a logit is not finite.
    """
    from keras_vit.data.evaluation import evaluation_batches
    from keras_vit.evaluation.answers import Answers
    from keras_vit.evaluation.outputs import forward_of, progress_bar
    from keras_vit.layers.head import probabilities_of
    from keras_vit.logits import logits_model

    model = logits_model(model)
    preprocessing = resolve(preprocessing) if preprocessing else carried_by(model)
    split.check_classes(model.output_shape[-1])
    forward, batch_size = forward_of(model, min(batch_size, len(split)), strategy)
    loss = "sigmoid" if split.several else probabilities_of(model)
    right = np.zeros((len(changes), len(split)), bool)
    done = 0
    with progress_bar(right.size) as bar:
        for images, labels, weights in evaluation_batches(
            split, batch_size, model.input_shape[1:3], preprocessing
        ):
            places = np.arange(done, done + int(weights.sum()))
            images, count = whole_pixels(images), len(places)
            shown = np.zeros_like(images)  # black where a batch is filled up
            for number, change in enumerate(changes):
                shown[:count] = change(images[:count], places)
                logits = np.asarray(forward(shown), np.float32)[:count]
                if not np.isfinite(logits).all():
                    raise FloatingPointError(NOT_FINITE)
                answers = Answers(logits, labels[:count], loss)
                answers = restricted(answers) if restricted else answers
                right[number, places] = answers.right()
                bar.update(count)
            done += count
    return right


def whole_pixels(images):
    """Pixels in [0, 255] as uint8, rounded."""
    return np.rint(np.clip(images, 0, 255)).astype(np.uint8)


def drawn(split, limit, seed):
    """Some images of a split, in its order; all of them if there are no more.

    Args:
        split: a split of a `keras_vit.data.Dataset`, or `(images, labels)`.
        limit: how many; `None`: all.
        seed: of the draw.

    Raises:
        TypeError: if `split` is neither.
        ValueError: for a limit below 1.
    """
    from keras_vit.data.evaluation import given_split

    split = given_split(split)
    if limit is not None and limit < 1:
        raise ValueError(f"limit must be at least 1. Received: {limit}")
    if limit is None or limit >= len(split):
        return split
    draw = np.random.default_rng(seed)
    return split.subset(np.sort(draw.choice(len(split), limit, replace=False)))
