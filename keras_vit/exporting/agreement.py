"""The check that an exported model agrees with its origin."""

import numpy as np

TOLERANCE = 1e-4  # of logits, relative to the largest where that is above 1


def check_agreement(model, exported):
    """Compares two models on random pixels, in batches of 1 and of 3.

    Args:
        model: gives logits for images by `predict_on_batch`.
        exported: a function of float32 images `(B, H, W, 3)` to logits.

    Raises:
        RuntimeError: if the logits differ by more than `TOLERANCE`.
    """
    rng = np.random.default_rng(0)
    for batch in (1, 3):
        shape = (batch, *model.input_shape[1:])
        images = rng.integers(0, 256, shape).astype(np.float32)
        expected = model.predict_on_batch(images)
        difference = np.abs(expected - exported(images)).max()
        allowed = TOLERANCE * max(1.0, np.abs(expected).max())
        if not difference <= allowed:
            raise RuntimeError(
                "The exported model gives other logits than its origin, so it was not "
                f"kept. Expected a difference of at most {allowed:.1e}. "
                f"Received: {difference:.1e}"
            )
