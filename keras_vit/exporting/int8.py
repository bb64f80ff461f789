"""int8 that keeps the accuracy, or is refused."""

from dataclasses import dataclass

import numpy as np

from keras_vit.data.evaluation import evaluation_batches
from keras_vit.exporting import accuracy_check, checking, quantization
from keras_vit.exporting.accuracy_check import LEAST_JUDGING
from keras_vit.exporting.reference_outputs import reference_of, spread
from keras_vit.preprocessing import carried_by

MOST_CALIBRATING = 200  # images, whose ranges more would hardly widen
MOST_JUDGING = 1000
LEAST_IMAGES = 100  # of a split that is cut in two


@dataclass(frozen=True)
class Images:
    """The images that int8 is made with.

    Attributes:
        calibrating: a split, from which the ranges of activations are taken.
        judging: another one, on which the file must give the model's answers.
        source: what those are, for people.
        reported: the split that the report is of: `judging`, or more images of
            where it is from.
    """

    calibrating: object
    judging: object
    source: str
    reported: object


def images_of(split, source, calibration):
    """The `Images` that int8 is made with.

    Those that it is judged by are of the evaluation split, to which the model
    was not fitted. Without other images for the ranges of activations, one
    half of the split gives these, and the other alone judges and is reported
    on.

    Args:
        split: to evaluate on; `None`: the images for calibration serve.
        source: what people call it.
        calibration: a split of images like those the model will meet; `None`:
            half of `split`.

    Raises:
        ValueError: if there are no images, or too few.
    """
    if split is None and calibration is None:
        raise ValueError(
            "quantize='int8' needs images like those the model will meet: "
            "calibration=split, and split=split to judge by (in the command, "
            "--dataset=NAME, whose training and test images are used)"
        )
    if split is not None and calibration is not None and calibration is not split:
        _check_count(calibration, LEAST_JUDGING, "calibration", "for the ranges")
        _check_count(split, LEAST_JUDGING, "split", "to judge by")
        calibrating, _ = halves(calibration)
        return Images(calibrating, spread(split, MOST_JUDGING), source, split)
    name = "calibration" if split is None else "split"
    both = calibration if split is None else split
    why = "one half gives the ranges of activations, the other judges"
    _check_count(both, LEAST_IMAGES, name, why)
    calibrating, judging = halves(both)
    if split is None:
        source = "the other half of those for calibration"
    else:
        source = f"{source}, the half that calibration did not see"
    return Images(calibrating, judging, source, judging)


def _check_count(split, least, name, why):
    if len(split) < least:
        raise ValueError(
            f"{name} must have at least {least} images for quantize='int8': {why}. "
            f"Received: {len(split)} images"
        )


def write(model, converted, images, path, put, batch_size=1, pixels="float32"):
    """Writes the first of `quantization.INT8` that keeps a model's accuracy.

    Images of the one kind give the ranges of activations; on those of the
    other, the file is compared with the model, in a process of its own.

    Args:
        model: the Keras model.
        converted: the bytes of its .tflite file in float32.
        images: `Images`.
        path: of the file to write.
        put: the function that writes bytes there.
        batch_size: that the file takes.
        pixels: the dtype that it takes.

    Returns:
        A dict of what was measured: `scheme`, a key of `quantization.INT8`,
        `calibration_images`, and what `accuracy_check.measured` returns.

    Raises:
        AccuracyLostError: if none does, with what was measured.
    """
    batches = _batches(model, images.calibrating, batch_size, pixels)
    ranges = quantization.calibrated(converted, batches)
    whole, source = pixels == "uint8", images.source
    with reference_of(model, images.judging, source, whole_pixels=whole) as reference:
        tried, file = [], None
        for scheme, operations in quantization.INT8.items():
            last, file = file, quantization.int8(converted, operations, ranges)
            if file == last:  # where there are no convolutions
                continue
            put(file)
            logits, _ = checking.run_in_fresh_process("tflite", path, reference.images)
            gate = {"scheme": scheme, "calibration_images": len(images.calibrating)}
            gate |= accuracy_check.measured(reference, logits)
            if accuracy_check.holds(gate):
                return gate
            tried.append(gate)
    raise accuracy_check.AccuracyLostError(accuracy_check.refusal(tried))


def check(model, images):
    """Refuses images that `write` could not use.

    Raises:
        ValueError: if there are none, or they are of other classes.
    """
    if images is None:
        images_of(None, None, None)
    for split in (images.calibrating, images.judging):
        split.check_classes(model.output_shape[-1])


def halves(split):
    """Cuts a split in two, the same way each time.

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


def _batches(model, split, batch_size, pixels):
    """A split's images as the file takes them; the last batch begins anew."""
    batches = []
    for images, _, weights in evaluation_batches(
        split, batch_size, model.input_shape[1:3], carried_by(model)
    ):
        # Not the black images it is filled up with, whose ranges are others.
        images = np.resize(images[weights > 0], images.shape)
        if pixels == "uint8":
            images = np.rint(images)
        batches.append(images.astype(pixels))
    return batches
