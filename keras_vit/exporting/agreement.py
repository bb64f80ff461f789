"""The check that an exported model agrees with its origin."""

import numpy as np

TOLERANCE = 1e-4  # of logits, relative to the largest where that is above 1


def check_agreement(expected_of, received_of, image_shape):
    """Compares two functions on random pixels, in batches of 1 and of 3.

    Args:
        expected_of: float32 images `(B, H, W, 3)` to what is right.
        received_of: the same images to what is checked.
        image_shape: (H, W, 3).

    Raises:
        RuntimeError: if the answers differ by more than `TOLERANCE`.
    """
    rng = np.random.default_rng(0)
    for batch in (1, 3):
        images = rng.integers(0, 256, (batch, *image_shape)).astype(np.float32)
        expected = expected_of(images)
        difference = np.abs(expected - received_of(images)).max()
        allowed = TOLERANCE * max(1.0, np.abs(expected).max())
        if not difference <= allowed:
            raise RuntimeError(
                "The exported model gives other answers than its origin, so it was not "
                f"kept. Expected a difference of at most {allowed:.1e}. "
                f"Received: {difference:.1e}"
            )
