"""The accuracy under image corruptions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from typing import TYPE_CHECKING

import numpy as np

from keras_vit import figures
from keras_vit.classifier import Source
from keras_vit.evaluation.changes import Change, Restriction, correct_under, drawn
from keras_vit.evaluation.corruptions import (
    COMMON,
    CORRUPTIONS,
    SEVERITIES,
    TABLES,
    check_choices,
    corrupt,
    table_for,
)
from keras_vit.evaluation.inputs import DataInput, opened
from keras_vit.evaluation.intervals import columns
from keras_vit.evaluation.parts import Part
from keras_vit.preprocessing import Preprocessing
from keras_vit.renamed import OldName, renamed_arguments

if TYPE_CHECKING:
    from keras_vit.compat import Strategy
    from keras_vit.figures.drawing import Figure

SHOWN = (1, 3, 5)  # severities on the sheet of examples
CELL = 112  # pixels a side that a small image is magnified to there


@dataclass(frozen=True)
class Robustness:
    """A model's predictions of corrupted images.

    Attributes:
        corruptions: C names.
        severities: S of them.
        table: `"imagenet"` or `"cifar"`, whose parameters were taken.
        clean: `(N,)` booleans: whether each image's prediction is correct.
        correct: `(C, S, N)`, the same of the corrupted images.
        example: an image, uint8 `(H, W, 3)`.
        seed: of what was drawn.
    """

    corruptions: tuple[str, ...]
    severities: tuple[int, ...]
    _: KW_ONLY
    table: str
    clean: np.ndarray
    correct: np.ndarray
    example: np.ndarray
    seed: int = 0

    right = OldName("correct")

    @property
    def accuracy(self) -> np.ndarray:
        """The accuracy under each corruption at each severity, `(C, S)`."""
        return self.correct.mean(-1)

    @property
    def mean(self) -> float:
        """The mean of `accuracy`."""
        return float(self.correct.mean())

    @property
    def relative_drop(self) -> float:
        """The share of the clean accuracy that is lost on average; NaN if it is 0."""
        clean = self.clean.mean()
        return float((clean - self.mean) / clean) if clean else float("nan")

    def part(self) -> Part:
        """Return a `Part`: a row for each accuracy and mean, with its interval."""
        # A mean over corruptions is no share of images: the bootstrap has its interval.
        of_name = dict(zip(self.corruptions, self.correct, strict=True))
        of_severity = dict(zip(self.severities, self.correct.mean(0), strict=True))
        cells = {
            ("none", 0): self.clean,
            ("mean", "mean"): self.correct.mean((0, 1)),
            **{(name, "mean"): one.mean(0) for name, one in of_name.items()},
            **{("mean", severity): one for severity, one in of_severity.items()},
            **{
                (name, severity): one
                for name, of_one in of_name.items()
                for severity, one in zip(self.severities, of_one, strict=True)
            },
        }
        table = {
            (name, severity): {"corruption": name, "severity": severity}
            | columns("top1", correct, self.seed)
            for (name, severity), correct in cells.items()
        }
        title = (
            f"mean top-1 {100 * self.mean:.2f} % under {len(self.corruptions)} "
            f"corruptions with the parameters of {TABLES[self.table].name}, "
            f"{100 * self.clean.mean():.2f} % without, of "
            f"{len(self.clean):,} images: a relative drop of "
            f"{100 * self.relative_drop:.1f} %"
        )
        groups: dict[str, list[str]] = {}
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


@renamed_arguments(split="data")
def robustness(
    model: Source,
    data: DataInput,
    corruptions: Sequence[str] = COMMON,
    severities: Sequence[int] = SEVERITIES,
    *,
    batch_size: int = 200,
    preprocessing: Preprocessing | str | None = None,
    strategy: Strategy | str | None = None,
    seed: int = 0,
    limit: int | None = None,
    restricted: Restriction | None = None,
) -> Robustness:
    """Measure a classifier on corrupted images (arXiv:1903.12261).

    An image is resized to the model's input and rounded to whole pixels
    before it is corrupted, as ImageNet-C's are at 224 x 224; the clean
    accuracy is that of the same pixels. See `corruptions.corrupt` for the
    parameters, and for what differs from the published images.

    Args:
        model: as `evaluate` takes it.
        data: as `evaluate` takes it.
        corruptions: keys of `corruptions.CORRUPTIONS`; by default those of the
            benchmark, without frost.
        severities: some of 1 to 5.
        batch_size: images at a time. It does not change the result.
        preprocessing: as `evaluate` takes it.
        strategy: as `evaluate` takes it.
        seed: of the corruptions, of the draw and of the intervals.
        limit: the maximum number of images, drawn at random; `None`: all.
        restricted: see `changes.correct_under`.

    Returns:
        A `Robustness`.

    Raises:
        ValueError: for an unknown corruption or severity, none of them, or as
            `evaluate`.

    Example:

    >>> model = keras_vit.ViT_Ti16(num_classes=10, image_size=32)
    >>> found = robustness(model, "fashion_mnist_sample", ["contrast"], limit=20)
    >>> found.accuracy.shape
    (1, 5)
    """
    names, levels = tuple(corruptions), tuple(severities)
    check_choices(names, levels)
    if not names or not levels:
        raise ValueError(
            "Expected at least one corruption and one severity. "
            f"Received: {len(names)} and {len(levels)}"
        )
    inputs = opened(model, data, preprocessing)
    split = drawn(inputs.split, limit, seed)
    table = table_for(*inputs.classifier.image_size)
    seen = []

    def unchanged(images: np.ndarray, places: np.ndarray) -> np.ndarray:
        seen.append(images[0].copy()) if not seen else None
        return images

    def corrupted(name: str, severity: int) -> Change:
        return lambda images, places: corrupt(
            images, name, severity, seed=seed, indices=places, table=table
        )

    changes = [corrupted(name, severity) for name in names for severity in levels]
    clean, *others = correct_under(
        inputs.classifier,
        split,
        [unchanged, *changes],
        batch_size=batch_size,
        strategy=strategy,
        restricted=restricted or inputs.in_order,
    )
    correct = np.reshape(others, (len(names), len(levels), -1))
    return Robustness(
        names,
        levels,
        table=table,
        clean=clean,
        correct=correct,
        example=seen[0],
        seed=seed,
    )


def corruption_sheet(
    image: np.ndarray,
    names: Sequence[str] = tuple(CORRUPTIONS),
    seed: int = 0,
    table: str | None = None,
) -> Figure:
    """Draw a contact sheet of an image under each corruption, at severities 1, 3 and 5.

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
