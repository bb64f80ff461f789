"""The images that an export is compared on, and int8 is made with."""

import os
from dataclasses import dataclass
from typing import Any, cast

import numpy as np

from keras_vit.classifier import Classifier
from keras_vit.data.dataset import Dataset
from keras_vit.data.inputs import split_of
from keras_vit.data.splits import Split
from keras_vit.exporting.accuracy_check import LEAST_JUDGING

MOST_IMAGES = 2000  # that are compared: 1.2 GB on disk at 224 x 224
MOST_CALIBRATING = 200  # images, whose ranges more would hardly widen
MOST_JUDGING = 1000
LEAST_IMAGES = 100  # of a split that is cut in two
GENERATED = "generated noise and gradients"


@dataclass(frozen=True)
class Images:
    """The images of an export.

    Attributes:
        reported: the split that the report is of, at most `MOST_IMAGES` images;
            `None`: generated ones.
        source: what those are, for people.
        calibrating: of int8, a split from which the ranges of activations are
            taken; `None` for the other schemes.
        judging: of int8, the split on which the file must keep the model's
            predictions: `reported`, or fewer images of it.
    """

    reported: Split | None = None
    source: str = GENERATED
    calibrating: Split | None = None
    judging: Split | None = None


def images_of(
    classifier: Classifier,
    split: Any,
    calibration: Any,
    *,
    source: str | None,
    quantize: str,
) -> Images:
    """Return the `Images` of an export.

    Those that int8 is judged by are of the evaluation split, to which the model
    was not fitted. Without other images for the ranges of activations, one
    half of the split is for these, and the other alone is compared and reported
    on.

    Args:
        classifier: by whose decoding image files are read.
        split: to evaluate on, as `split_of` takes it; of a data set the test
            split. `None`: for int8 the images for calibration serve.
        calibration: images like those the model will meet, of a data set the
            training split; `None`: half of `split`.
        source: what people call the split; `None`: by its data set.
        quantize: of `keras_vit.export_formats.SCHEMES`.

    Raises:
        TypeError: for what holds no images with labels.
        ValueError: for labels of other classes, or too few images for int8.
    """
    if calibration is split and not isinstance(split, str | os.PathLike | Dataset):
        calibration = None
    found: list[Split | None] = []
    for data, name in ((split, "test"), (calibration, "train")):
        by_name = isinstance(data, str | os.PathLike | Dataset)
        one = None
        if data is not None:
            options: dict[str, Any] = {"split": name} if by_name else {}
            named = split_of(data, decoding=classifier.decoding, **options)
            one = cast("Split", named.split)
            one.check_classes(classifier.num_classes)
        found.append(one)
    if source is None:
        source = _name_of(split)
    if quantize == "int8":
        return _of_int8(found[0], found[1], source)
    return (
        Images() if found[0] is None else Images(spread(found[0], MOST_IMAGES), source)
    )


def _name_of(data: Any) -> str:
    if isinstance(data, str | os.PathLike):
        return f"{os.fspath(data)}, test"
    return f"{data.name}, test" if isinstance(data, Dataset) else "the given split"


def _of_int8(split: Split | None, calibration: Split | None, source: str) -> Images:
    if split is None and calibration is None:
        raise ValueError(
            "quantize='int8' needs images like those the model will meet: "
            "calibration=split, and split=split to judge by (in the command, "
            "--dataset=NAME, whose training and test images are used)"
        )
    if split is not None and calibration is not None:
        _check_count(calibration, LEAST_JUDGING, "calibration", "for the ranges")
        _check_count(split, LEAST_JUDGING, "split", "to judge by")
        calibrating, _ = halves(calibration)
        judging = spread(split, MOST_JUDGING)
        return Images(spread(split, MOST_IMAGES), source, calibrating, judging)
    name = "calibration" if split is None else "split"
    both = cast("Split", calibration if split is None else split)
    why = "one half is for the ranges of activations, the other for the comparison"
    _check_count(both, LEAST_IMAGES, name, why)
    calibrating, judging = halves(both)
    if split is None:
        source = "the other half of those for calibration"
    else:
        source = f"{source}, the half that calibration did not see"
    return Images(judging, source, calibrating, judging)


def _check_count(split: Split, least: int, name: str, why: str) -> None:
    if len(split) < least:
        raise ValueError(
            f"{name} must have at least {least} images for quantize='int8': {why}. "
            f"Received: {len(split)} images"
        )


def halves(split: Split) -> tuple[Split, Split]:
    """Cut a split in two, the same way each time.

    Args:
        split: of a `keras_vit.data.Dataset`.

    Returns:
        The images to calibrate on, at most `MOST_CALIBRATING` of one half, and
        those to judge by, at most `MOST_JUDGING` of the other. Each class of
        two images or more is in both halves.
    """
    rng = np.random.default_rng(0)
    labels = split.labels if split.labels.ndim == 1 else split.labels.argmax(1)
    order = rng.permutation(len(split))
    by_class = order[np.argsort(labels[order], kind="stable")]
    calibrating, judging = (rng.permutation(by_class[side::2]) for side in (0, 1))
    return (
        split.subset(calibrating[:MOST_CALIBRATING]),
        split.subset(judging[:MOST_JUDGING]),
    )


def spread(split: Split, count: int) -> Split:
    """Return so many images of a split, or all, evenly spread over it."""
    count = min(count, len(split))
    return split.subset(np.linspace(0, len(split) - 1, count).astype(np.int64))
