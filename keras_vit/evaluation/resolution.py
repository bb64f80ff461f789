"""What is left of an accuracy at other resolutions."""

import functools
from dataclasses import dataclass

import numpy as np

from keras_vit import figures
from keras_vit.evaluation.answers import answers_of
from keras_vit.evaluation.changes import drawn, right_under, whole_pixels
from keras_vit.evaluation.intervals import interval
from keras_vit.evaluation.parts import Part

MOST_IMAGES = 2000  # of a split, that a report looks at
FACTORS = (0.25, 0.375, 0.5, 0.75, 1.0, 1.25, 1.5)  # of a model's own size
LOST, REBUILT = "images lose resolution", "the model's input changes"


@dataclass(frozen=True)
class Resolutions:
    """A model's answers at other resolutions.

    Attributes:
        own: (height, width) of the model's input in pixels.
        sizes: R such pairs.
        lost: for each size `(N,)` booleans: whether each image is answered
            rightly that was brought to that size and back to the model's own;
            `None` where the size is larger.
        rebuilt: the same of the model with that size as its input; `None`
            where it cannot be rebuilt, as for sizes below a patch.
        seed: of the intervals.
    """

    own: tuple[int, int]
    sizes: tuple[tuple[int, int], ...]
    lost: tuple[np.ndarray | None, ...]
    rebuilt: tuple[np.ndarray | None, ...]
    seed: int = 0

    def part(self):
        """A `Part`: a row for each accuracy, with its interval."""
        rows = [
            self._row(what, size, right)
            for what, answers in ((LOST, self.lost), (REBUILT, self.rebuilt))
            for size, right in zip(self.sizes, answers, strict=True)
            if right is not None
        ]
        title = "no accuracy at other resolutions"
        if rows:
            ends = (choose(rows, key=lambda row: row["top1"]) for choose in (min, max))
            title = "accuracy from " + " to ".join(map(_words, ends))
        draw = functools.partial(figures.resolution_curves, rows, (LOST, REBUILT))
        drawings = {"resolution": lambda: draw(min(self.own))} if rows else {}
        return Part("resolution", title, tuple(rows), drawings)

    def _row(self, what, size, right):
        low, high = interval(right, self.seed)
        return {
            "what": what,
            "height": size[0],
            "width": size[1],
            "top1": float(right.mean()),
            "low": low,
            "high": high,
        }


def _words(row):
    return (
        f"{100 * row['top1']:.2f} % at {row['height']} x {row['width']} pixels "
        f"({row['what']})"
    )


def resolutions(
    model,
    split,
    sizes=None,
    *,
    batch_size=200,
    preprocessing=None,
    strategy=None,
    seed=0,
    limit=None,
    restricted=None,
):
    """Measures a classifier at other resolutions, in two senses.

    In the one, images of the model's input size lose resolution: they are
    made smaller, antialiased, and large again, both bilinearly. In the other,
    the model is given another input size by `keras_vit.resize`, and images
    are resized to that from what they were.

    Args:
        model: a Keras model that gives logits of K classes; a
            `keras_vit.model_files.ServedModel` is measured in the first sense
            alone.
        split: a split of a `keras_vit.data.Dataset`, or `(images, labels)`.
        sizes: shorter sides in pixels, the other in proportion; by default
            `FACTORS` times the model's.
        batch_size: images at a time. It does not change the result.
        preprocessing: as `evaluate` takes it.
        strategy: as `evaluate` takes it.
        seed: of the draw and of the intervals.
        limit: the most images, drawn at random; `None`: all.
        restricted: see `changes.right_under`.

    Returns:
        `Resolutions`.

    Raises:
        ValueError: for a size below 1, or what `evaluate` refuses.

    Example:

    >>> model = keras_vit.ViT_Ti16(num_classes=10, image_size=(32, 48))
    >>> test = data.load("fashion_mnist_sample").test
    >>> found = resolutions(model, test, [8, 32, 48], limit=20)
    >>> found.sizes
    ((8, 12), (32, 48), (48, 72))
    >>> [one is None for one in found.rebuilt]
    [True, False, False]
    """
    own = tuple(model.input_shape[1:3])
    if sizes is None:
        sizes = sorted({max(1, round(factor * min(own))) for factor in FACTORS})
    if min(sizes, default=0) < 1:
        raise ValueError(f"Expected sizes of at least one pixel. Received: {sizes}")
    sizes = [tuple(round(one * side / min(own)) for side in own) for one in sizes]
    split = drawn(split, limit, seed)
    how = {
        "batch_size": batch_size,
        "preprocessing": preprocessing,
        "strategy": strategy,
    }
    smaller = [size for size in sizes if min(size) <= min(own)]
    changes = [functools.partial(lowered, size) for size in smaller]
    right = right_under(model, split, changes, restricted=restricted, **how)
    lost = dict(zip(smaller, right, strict=True))
    rebuilt = [_right_at(model, size, split, restricted, how) for size in sizes]
    lost = [lost.get(size) for size in sizes]
    return Resolutions(own, tuple(sizes), tuple(lost), tuple(rebuilt), seed)


def lowered(size, images, places=None):
    """Makes images small and large again: uint8 `(B, H, W, 3)`, `places` unused."""
    import tensorflow as tf

    if tuple(size) == images.shape[1:3]:
        return images
    small = tf.image.resize(images, size, method="bilinear", antialias=True)
    large = tf.image.resize(small, images.shape[1:3], method="bilinear")
    return whole_pixels(large.numpy())


def _right_at(model, size, split, restricted, how):
    """Whether the model rebuilt for a size answers rightly; `None` if it cannot be."""
    from keras_vit.weights import resize

    if not hasattr(model, "get_config"):
        return None
    try:
        model = resize(model, size)
    except ValueError:
        return None
    answers = answers_of(model, split, **how)
    return (restricted(answers) if restricted else answers).right()


def measured(context):
    """A `Part` of a `Context`, on up to `MOST_IMAGES` test images."""
    return resolutions(
        context.model,
        context.dataset.test,
        batch_size=context.batch_size,
        preprocessing=context.preprocessing,
        strategy=context.strategy,
        seed=context.seed,
        limit=MOST_IMAGES,
        restricted=context.subset and context.subset.restricted,
    ).part()
