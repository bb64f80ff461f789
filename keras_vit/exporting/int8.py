"""int8 that keeps the accuracy, or is refused."""

import numpy as np

from keras_vit.data.evaluation import evaluation_batches
from keras_vit.exporting import checking, quantization
from keras_vit.exporting.evidence import evidence_of
from keras_vit.preprocessing import carried_by

MOST_CALIBRATING = 200  # images, whose ranges more would hardly widen
MOST_JUDGING = 1000
LEAST_IMAGES = 100  # of calibration, or a single image would decide
LEAST_AGREEMENT = 0.98
MOST_LOST = 0.01  # of the top-1 accuracy


class AccuracyLostError(RuntimeError):
    """Quantisation would cost more accuracy than is allowed."""


def write(model, converted, calibration, path, put, batch_size=1, pixels="float32"):
    """Writes the first of `quantization.INT8` that keeps a model's accuracy.

    One half of the images gives the ranges of activations; on the other, which
    quantisation does not see, the file is compared with the model, in a
    process of its own.

    Args:
        model: the Keras model.
        converted: the bytes of its .tflite file in float32.
        calibration: a split of at least `LEAST_IMAGES`.
        path: of the file to write.
        put: the function that writes bytes there.
        batch_size: that the file takes.
        pixels: the dtype that it takes.

    Returns:
        A dict of what was measured: `scheme`, a key of `quantization.INT8`,
        `calibration_images`, `images`, `accuracy`, `accuracy_of_origin`,
        `agreement`, and what was asked for: `least_agreement`, `most_lost`.

    Raises:
        AccuracyLostError: if none does, with what was measured.
    """
    calibrating, judging = halves(calibration)
    batches = _batches(model, calibrating, batch_size, pixels)
    ranges = quantization.calibrated(converted, batches)
    with evidence_of(model, judging, whole_pixels=pixels == "uint8") as evidence:
        tried, file = [], None
        for scheme, operations in quantization.INT8.items():
            last, file = file, quantization.int8(converted, operations, ranges)
            if file == last:  # where there are no convolutions
                continue
            put(file)
            logits, _ = checking.run_elsewhere("tflite", path, evidence.images)
            gate = {"scheme": scheme, "calibration_images": len(calibrating)}
            gate |= _measured(evidence, logits)
            if _holds(gate):
                return gate
            tried.append(gate)
    raise AccuracyLostError(_refusal(tried))


def check(model, calibration):
    """Refuses a calibration that `write` could not use.

    Raises:
        ValueError: if there is none, it is too small or of other classes.
    """
    if calibration is None:
        raise ValueError(
            "quantize='int8' needs images like those the model will meet: "
            "calibration=split (in the command, --dataset=NAME, whose training images "
            "are used)"
        )
    if len(calibration) < LEAST_IMAGES:
        raise ValueError(
            f"calibration must have at least {LEAST_IMAGES} images: one half gives "
            "the ranges of activations, the other judges. "
            f"Received: {len(calibration)} images"
        )
    calibration.check_classes(model.output_shape[-1])


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


def _measured(evidence, logits):
    agreement = (logits.argmax(1) == evidence.logits.argmax(1)).mean()
    return {
        "images": len(logits),
        "accuracy": evidence.accuracy(logits),
        "accuracy_of_origin": evidence.accuracy(evidence.logits),
        "agreement": float(agreement),
        "least_agreement": LEAST_AGREEMENT,
        "most_lost": MOST_LOST,
    }


def _holds(gate):
    lost = gate["accuracy_of_origin"] - gate["accuracy"]
    # 0.87 - 0.86 is a little above 0.01.
    return gate["agreement"] >= LEAST_AGREEMENT and lost <= MOST_LOST + 1e-9


def _refusal(tried):
    measured = "; ".join(
        f"{gate['scheme']}: agreement {100 * gate['agreement']:.2f} %, top-1 "
        f"{100 * gate['accuracy']:.2f} % after {100 * gate['accuracy_of_origin']:.2f} %"
        for gate in tried
    )
    return (
        f"int8 changes too many answers, so nothing was written. Expected agreement of "
        f"at least {100 * LEAST_AGREEMENT:g} % with the Keras model, and at most "
        f"{100 * MOST_LOST:g} point of top-1 accuracy lost, on {tried[0]['images']:,} "
        f"images that calibration did not see. Received, with int8 in {measured}. "
        "quantize='dynamic' is nearer, and as small"
    )
