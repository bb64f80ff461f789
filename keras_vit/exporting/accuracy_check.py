"""How many predictions int8 may change: in trying operations, and in the report."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from keras_vit.exporting.reference_outputs import ReferenceOutputs

LEAST_AGREEMENT = 0.98
MOST_LOST = 0.01  # of the top-1 accuracy
LEAST_JUDGING = 50  # images, of which 98 % is one prediction more or less


class AccuracyLostError(RuntimeError):
    """Quantisation would cost more accuracy than is allowed."""


def measured(reference: ReferenceOutputs, logits: np.ndarray) -> dict[str, Any]:
    """Return what logits `(N, K)` keep of the model's predictions.

    Returns:
        A dict: `images`, `source`, what they are; `accuracy`,
        `accuracy_of_origin`, `agreement`; and what is asked for:
        `least_agreement`, `most_lost`.
    """
    agreement = (logits.argmax(1) == reference.logits.argmax(1)).mean()
    return {
        "images": len(logits),
        "source": reference.source,
        "accuracy": reference.accuracy(logits),
        "accuracy_of_origin": reference.accuracy(reference.logits),
        "agreement": float(agreement),
        "least_agreement": LEAST_AGREEMENT,
        "most_lost": MOST_LOST,
    }


def holds(found: Mapping[str, Any]) -> bool:
    """Return whether what was `measured` is what is asked for."""
    lost = found["accuracy_of_origin"] - found["accuracy"]
    # 0.87 - 0.86 is a little above 0.01.
    return found["agreement"] >= LEAST_AGREEMENT and lost <= MOST_LOST + 1e-9


def refusal(tried: Sequence[Mapping[str, Any]]) -> str:
    """Return the message of an `AccuracyLostError`.

    Args:
        tried: of each file that was refused, what was `measured`, and its
            `scheme`, a key of `quantization.INT8`.
    """
    received = "; ".join(
        f"{found['scheme']}: agreement {100 * found['agreement']:.2f} %, top-1 "
        f"{100 * found['accuracy']:.2f} % after "
        f"{100 * found['accuracy_of_origin']:.2f} %"
        for found in tried
    )
    return (
        "int8 changes too many predictions, so nothing was written. Expected agreement "
        f"of at least {100 * LEAST_AGREEMENT:g} % with the Keras model, and at most "
        f"{100 * MOST_LOST:g} point of top-1 accuracy lost, on {tried[0]['images']:,} "
        f"images ({tried[0]['source']}). Received, with int8 in {received}. "
        "quantize='dynamic' is nearer, and as small"
    )


def check(reference: ReferenceOutputs, logits: np.ndarray, scheme: str) -> None:
    """Refuse a file of int8 by the predictions that its report is of.

    Raises:
        AccuracyLostError: with what was measured.
    """
    found = measured(reference, np.asarray(logits)) | {"scheme": scheme}
    if not holds(found):
        raise AccuracyLostError(refusal([found]))
