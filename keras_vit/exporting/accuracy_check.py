"""How many answers int8 may change: in the choice of operations, and in the report."""

import numpy as np

LEAST_AGREEMENT = 0.98
MOST_LOST = 0.01  # of the top-1 accuracy
LEAST_JUDGING = 50  # images, of which 98 % is one answer more or less


class AccuracyLostError(RuntimeError):
    """Quantisation would cost more accuracy than is allowed."""


def measured(reference, logits):
    """What logits `(N, K)` keep of the model's answers on its `ReferenceOutputs`.

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


def holds(gate):
    """Whether what was `measured` is what is asked for."""
    lost = gate["accuracy_of_origin"] - gate["accuracy"]
    # 0.87 - 0.86 is a little above 0.01.
    return gate["agreement"] >= LEAST_AGREEMENT and lost <= MOST_LOST + 1e-9


def refusal(tried):
    """The message of an `AccuracyLostError`.

    Args:
        tried: of each file that was refused, what was `measured`, and its
            `scheme`, a key of `quantization.INT8`.
    """
    told = "; ".join(
        f"{gate['scheme']}: agreement {100 * gate['agreement']:.2f} %, top-1 "
        f"{100 * gate['accuracy']:.2f} % after {100 * gate['accuracy_of_origin']:.2f} %"
        for gate in tried
    )
    return (
        f"int8 changes too many answers, so nothing was written. Expected agreement of "
        f"at least {100 * LEAST_AGREEMENT:g} % with the Keras model, and at most "
        f"{100 * MOST_LOST:g} point of top-1 accuracy lost, on {tried[0]['images']:,} "
        f"images ({tried[0]['source']}). Received, with int8 in {told}. "
        "quantize='dynamic' is nearer, and as small"
    )


def check(reference, logits, scheme):
    """Refuses a file of int8 by the answers that its report is of.

    Raises:
        AccuracyLostError: with what was measured.
    """
    gate = measured(reference, np.asarray(logits)) | {"scheme": scheme}
    if not holds(gate):
        raise AccuracyLostError(refusal([gate]))
