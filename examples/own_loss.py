"""A loss of one's own, and class weights: rare classes count as much as others.

    python examples/own_loss.py [STEPS]

Focal loss (arXiv:1708.02002) gives little weight to images that are easy. Any loss of
Keras's, or function of targets and logits with one loss for each image, can be passed.
"""

import sys
from typing import Any

import keras

import keras_vit

WEIGHTS = {"Shirt": 2.0, "Coat": 1.5}  # the others have 1


def smooth_focal_loss(targets: Any, logits: Any) -> Any:
    """Return the focal loss of each image, `(B,)`, of targets `(B, K)`."""
    return keras.losses.categorical_focal_crossentropy(
        targets, logits, alpha=1.0, gamma=2.0, from_logits=True, label_smoothing=0.05
    )


if __name__ == "__main__":
    steps = int(sys.argv[1]) if sys.argv[1:] else 400
    arguments: Any = {"steps": steps, "warmup_steps": steps // 10}
    run = keras_vit.train(
        loss=smooth_focal_loss, label_smoothing=0, class_weights=WEIGHTS, **arguments
    )
    print(f"{100 * run.evaluation.accuracy:.2f} % of the test images")
