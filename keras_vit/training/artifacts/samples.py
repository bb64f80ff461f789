"""Some images of a data set, to try its model on."""

from __future__ import annotations

import pathlib
import re
from typing import TYPE_CHECKING

import numpy as np

from keras_vit.files import written_whole

if TYPE_CHECKING:
    from keras_vit.data import Dataset


MOST_LETTERS = 60  # of a class's name in the name of a file


def write_samples(folder: pathlib.Path, dataset: Dataset) -> None:
    """Write a test image of each class, named as the class.

    Args:
        folder: where they go; it is made.
        dataset: a `Dataset`.
    """
    from PIL import Image

    folder.mkdir(exist_ok=True)
    taken = set()
    for label, name in enumerate(dataset.class_names):
        labels = dataset.test.labels
        shown = labels == label if labels.ndim == 1 else labels[:, label] > 0
        of_class = np.flatnonzero(shown)
        if len(of_class):
            image = Image.fromarray(dataset.test.image(of_class[0]).astype(np.uint8))
            stem = re.sub(r"\W+", "_", name).strip("_").lower()[:MOST_LETTERS]
            if not stem or stem in taken:
                stem = f"{stem}_{label}".lstrip("_")
            taken.add(stem)
            with written_whole(folder / f"{stem}.png") as scratch:
                image.save(scratch)
