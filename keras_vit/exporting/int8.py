"""int8 that keeps the accuracy, or is refused."""

import pathlib
from collections.abc import Callable, Sequence
from typing import Any, cast

import numpy as np

from keras_vit.classifier import Classifier
from keras_vit.data.evaluation import evaluation_batches
from keras_vit.data.splits import Split
from keras_vit.exporting import accuracy_check, checking
from keras_vit.exporting.images import Images
from keras_vit.exporting.reference_outputs import reference_of


def first_accurate(
    classifier: Classifier,
    images: Images,
    path: pathlib.Path,
    schemes: Sequence[str],
    put: Callable[[str], bool],
    *,
    runtime: str,
    whole_pixels: bool = False,
) -> dict[str, Any]:
    """Write the file of the first scheme that keeps a model's accuracy.

    Images of the one kind gave the ranges of activations; on those of the
    other, each file is compared with the model, in a process of its own.

    Args:
        classifier: the origin.
        images: `Images`, on some of which the file is judged.
        path: of the file.
        schemes: in the order that they are tried in.
        put: the function that writes the file of a scheme, and returns whether it
            is another than the last one.
        runtime: that runs the file, a key of `runtime_check.RUNTIMES`.
        whole_pixels: whether the file takes uint8.

    Returns:
        A dict of what was measured: `scheme`, `calibration_images`, and what
        `accuracy_check.measured` returns.

    Raises:
        AccuracyLostError: if none does, with what was measured.
        RuntimeError: if no file runs.
    """
    calibrating = cast("Split", images.calibrating)
    with reference_of(
        classifier, images.judging, images.source, whole_pixels=whole_pixels
    ) as reference:
        tried, broken = [], []
        for scheme in schemes:
            if not put(scheme):
                continue
            try:
                logits, _ = checking.run_in_fresh_process(
                    runtime, path, reference.images
                )
            except RuntimeError as error:  # as NNCF's pattern for transformers may be
                broken.append(error)
                continue
            found = {"scheme": scheme, "calibration_images": len(calibrating)}
            found |= accuracy_check.measured(reference, logits)
            if accuracy_check.holds(found):
                return found
            tried.append(found)
    if not tried:
        raise broken[0]
    raise accuracy_check.AccuracyLostError(accuracy_check.refusal(tried))


def batches_of(
    classifier: Classifier, split: Split, batch_size: int, pixels: str = "float32"
) -> list[np.ndarray]:
    """Return a split's images as the file takes them; the last batch begins anew."""
    batches = []
    for images, _, weights in evaluation_batches(
        split, batch_size, classifier.image_size, classifier.preprocessing
    ):
        # Not the black images it is filled up with, whose ranges are others.
        images = np.resize(images[weights > 0], images.shape)
        if pixels == "uint8":
            images = np.rint(images)
        batches.append(images.astype(pixels))
    return batches
