"""What is left of an accuracy when images get worse."""

import functools
from dataclasses import dataclass

import numpy as np

from keras_vit import figures
from keras_vit.evaluation.changes import drawn, right_under
from keras_vit.evaluation.corruptions import (
    COMMON,
    CORRUPTIONS,
    SEVERITIES,
    TABLES,
    check_choices,
    corrupt,
    table_for,
)
from keras_vit.evaluation.intervals import interval
from keras_vit.evaluation.parts import Part

MOST_IMAGES = 2000  # of a split, that a report looks at
SHOWN = (1, 3, 5)  # severities on the sheet of examples
CELL = 112  # pixels a side that a small image is magnified to there


@dataclass(frozen=True)
class Robustness:
    """A model's answers to images that get worse.

    Attributes:
        corruptions: C names.
        severities: S of them.
        table: `"imagenet"` or `"cifar"`, whose parameters were taken.
        clean: `(N,)` booleans: whether each image was answered rightly.
        right: `(C, S, N)`, the same of the corrupted images.
        example: an image, uint8 `(H, W, 3)`.
        seed: of what was drawn.
    """

    corruptions: tuple[str, ...]
    severities: tuple[int, ...]
    table: str
    clean: np.ndarray
    right: np.ndarray
    example: np.ndarray
    seed: int = 0

    @property
    def accuracy(self):
        """The accuracy under each corruption at each severity, `(C, S)`."""
        return self.right.mean(-1)

    @property
    def mean(self):
        """The mean of those."""
        return float(self.right.mean())

    @property
    def relative_drop(self):
        """The share of the clean accuracy that is lost on average; NaN of none."""
        clean = self.clean.mean()
        return float((clean - self.mean) / clean) if clean else float("nan")

    def part(self):
        """A `Part`: a row for each accuracy, with its interval, and their means."""
        cells = {("none", 0): self.clean, ("mean", "mean"): self.right.mean((0, 1))}
        for name, right in zip(self.corruptions, self.right, strict=True):
            cells[name, "mean"] = right.mean(0)
        for severity, right in zip(self.severities, self.right.mean(0), strict=True):
            cells["mean", severity] = right
        for name, of_one in zip(self.corruptions, self.right, strict=True):
            for severity, right in zip(self.severities, of_one, strict=True):
                cells[name, severity] = right
        table = {place: self._row(*place, right) for place, right in cells.items()}
        title = (
            f"{100 * self.mean:.2f} % right on average under {len(self.corruptions)} "
            f"corruptions with the numbers of {TABLES[self.table].name}, "
            f"{100 * self.clean.mean():.2f} % without, of "
            f"{len(self.clean):,} images: a relative drop of "
            f"{100 * self.relative_drop:.1f} %"
        )
        groups = {}
        for name in self.corruptions:
            groups.setdefault(CORRUPTIONS[name].group, []).append(name)
        drawings = {
            "robustness": lambda: figures.robustness_table(
                table, self.corruptions, self.severities
            ),
            "robustness_lines": lambda: figures.robustness_lines(
                table, groups, self.severities
            ),
            "corruptions": lambda: corruption_sheet(
                self.example, self.corruptions, self.seed, self.table
            ),
        }
        return Part("robustness", title, tuple(table.values()), drawings)

    def _row(self, corruption, severity, values):
        low, high = interval(values, self.seed)
        return {
            "corruption": corruption,
            "severity": severity,
            "top1": float(values.mean()),
            "low": low,
            "high": high,
        }


def robustness(
    model,
    split,
    corruptions=COMMON,
    severities=SEVERITIES,
    *,
    batch_size=200,
    preprocessing=None,
    strategy=None,
    seed=0,
    limit=None,
    restricted=None,
):
    """Measures a classifier on corrupted images (arXiv:1903.12261).

    An image is resized to the model's input and rounded to whole pixels
    before it is corrupted, as ImageNet-C's are at 224 x 224; the clean
    accuracy is that of the same pixels. See `corruptions.corrupt` for the
    parameters, and for what differs from the published images.

    Args:
        model: a Keras model that gives logits of K classes, or a
            `keras_vit.model_files.ServedModel`.
        split: a split of a `keras_vit.data.Dataset`, or `(images, labels)`.
        corruptions: keys of `corruptions.CORRUPTIONS`; by default those of the
            benchmark, without frost.
        severities: some of 1 to 5.
        batch_size: images at a time. It does not change the result.
        preprocessing: as `evaluate` takes it.
        strategy: as `evaluate` takes it.
        seed: of the corruptions, of the draw and of the intervals.
        limit: the most images, drawn at random; `None`: all.
        restricted: see `changes.right_under`.

    Returns:
        A `Robustness`.

    Raises:
        ValueError: for an unknown corruption or severity, none of them, or
            what `evaluate` refuses.

    Example:

    >>> model = keras_vit.ViT_Ti16(num_classes=10, image_size=32)
    >>> test = data.load("fashion_mnist_sample").test
    >>> found = robustness(model, test, ["contrast"], limit=20)
    >>> found.accuracy.shape
    (1, 5)
    """
    corruptions, severities = tuple(corruptions), tuple(severities)
    check_choices(corruptions, severities)
    if not corruptions or not severities:
        raise ValueError("Expected at least one corruption and one severity.")
    split = drawn(split, limit, seed)
    table = table_for(*model.input_shape[1:3])
    seen = []

    def unchanged(images, places):
        seen.append(images[0].copy()) if not seen else None
        return images

    changes = [
        functools.partial(_corrupted, name, severity, seed, table)
        for name in corruptions
        for severity in severities
    ]
    clean, *right = right_under(
        model,
        split,
        [unchanged, *changes],
        batch_size=batch_size,
        preprocessing=preprocessing,
        strategy=strategy,
        restricted=restricted,
    )
    shape = len(corruptions), len(severities), -1
    right = np.reshape(right, shape)
    return Robustness(corruptions, severities, table, clean, right, seen[0], seed)


def _corrupted(name, severity, seed, table, images, places):
    return corrupt(images, name, severity, seed=seed, indices=places, table=table)


def corruption_sheet(image, names=tuple(CORRUPTIONS), seed=0, table=None):
    """A contact sheet of an image under each corruption, at severities 1, 3 and 5.

    Args:
        image: uint8 `(H, W, 3)`.
        names: of corruptions.
        seed: as `corrupt` takes it.
        table: as `corrupt` takes it.
    """
    times = max(1, CELL // max(image.shape[:2]))  # so that its pixels can be seen
    lines = [("none", [image])]
    for name in names:
        worse = [
            corrupt(image[None], name, severity, seed=seed, table=table)[0]
            for severity in SHOWN
        ]
        lines.append((name.replace("_", " "), worse))
    lines = [
        (name, [one.repeat(times, 0).repeat(times, 1) for one in images])
        for name, images in lines
    ]
    title = f"An image and its corruptions, at severities {', '.join(map(str, SHOWN))}"
    return figures.contact_sheet(lines, 2, times * max(image.shape[:2]), title)


def measured(context):
    """A `Part` of a `Context`: the benchmark on up to `MOST_IMAGES` test images."""
    return robustness(
        context.model,
        context.dataset.test,
        batch_size=context.batch_size,
        preprocessing=context.preprocessing,
        strategy=context.strategy,
        seed=context.seed,
        limit=MOST_IMAGES,
        restricted=context.subset and context.subset.restricted,
    ).part()
