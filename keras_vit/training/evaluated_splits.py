"""Which splits a run is evaluated on: on the way, and at its end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from keras_vit.data.dataset import check_split_name
from keras_vit.data.validation import check_fraction

if TYPE_CHECKING:
    from keras_vit.data import Dataset

VALIDATION, TEST = "validation", "test"


@dataclass(frozen=True)
class EvaluatedSplits:
    """The splits that a run is evaluated on.

    Attributes:
        dataset: that the run trains on, with its validation split.
        on_the_way: the name of the split that is evaluated on the way; it alone
            stops the run early and chooses its best weights.
        at_the_end: the name of the split that is evaluated once, with the weights
            that are kept; often the same one.
        notes: what the user should know of that, a sentence each.
    """

    dataset: Dataset
    on_the_way: str
    at_the_end: str
    notes: tuple[str, ...] = ()


def evaluated_splits(
    dataset: Dataset,
    eval_split: str | None = None,
    validation: float | None = None,
    *,
    chooses: bool = False,
) -> EvaluatedSplits:
    """Return what a run on a data set is evaluated on.

    A split that is named is evaluated on the way and at the end, and no other
    is. Otherwise the validation split is evaluated on the way: the data set's own,
    or else `validation` of the training images; then the test split is evaluated
    once, at the end. Without either, the test split is evaluated both times.

    Args:
        dataset: a `Dataset`.
        eval_split: as `Dataset.split` takes it; `None`: as above.
        validation: the fraction of the training images that is taken for
            validation where the data set has no validation split (see
            `Dataset.with_validation`).
        chooses: whether evaluations on the way choose something: when the run
            stops, or which weights it keeps.

    Raises:
        TypeError: for a name or a fraction of another type.
        ValueError: for an unknown split, a fraction that is none, one beside a
            split that is not validation, or too few images for one.

    Example:

    >>> sample = data.load("fashion_mnist_sample")
    >>> found = evaluated_splits(sample, validation=0.1)
    >>> found.on_the_way, found.at_the_end
    ('validation', 'test')
    """
    if validation is not None:
        check_fraction(validation)
    named = None if eval_split is None else check_split_name(eval_split)["split"]
    if validation is not None and named not in (None, VALIDATION):
        raise ValueError(
            "validation must go without eval_split, or with eval_split=validation, as "
            "else the images that it takes are not used. Received: "
            f"validation={validation:g}, eval_split={eval_split}. Leave out one of them"
        )
    notes = []
    if validation is not None and dataset.validation is None:
        before, dataset = len(dataset.train), dataset.with_validation(validation)
        taken = before - len(dataset.train)
        notes.append(
            f"{taken:,} of {before:,} training images are taken for validation."
        )
    elif validation is not None:
        notes.append(
            f"validation={validation:g} is not used, as {dataset.name} has a "
            "validation split of its own."
        )
    if eval_split is not None:
        dataset.split(eval_split)  # refuses one that is not there
        return EvaluatedSplits(dataset, eval_split, eval_split, tuple(notes))
    if dataset.validation is not None:
        notes.append(
            f"The validation split ({_images(len(dataset.validation))}) is evaluated "
            f"on the way, the test split ({_images(len(dataset.test))}) once, at the "
            "end."
        )
        return EvaluatedSplits(dataset, VALIDATION, TEST, tuple(notes))
    if chooses:
        notes.append(
            f"{dataset.name} has no validation split, so the test split chooses: its "
            "accuracy is then higher than on new images. --set validation=0.1 takes "
            "a validation split from training."
        )
    return EvaluatedSplits(dataset, TEST, TEST, tuple(notes))


def _images(count: int) -> str:
    return "1 image" if count == 1 else f"{count:,} images"
