"""Models whose logits are written down, one row for each image's number."""

import numpy as np

from keras_vit.decoding import Decoding
from keras_vit.served_model import ServedModel


class Scripted(ServedModel):
    """A model that returns row n of `logits`, n = red + 256 green of the first pixel.

    It stands in for a `ServedModel`, of which the package asks no more than this.
    """

    name, activation = "scripted", "softmax"
    preprocessing = None
    decoding = Decoding()

    def __init__(self, logits, size=(1, 1), class_names=None):
        self.logits = np.asarray(logits, np.float32)
        self.input_shape = (None, *size, 3)
        self.output_shape = (None, self.logits.shape[1])
        self.class_names = class_names

    def predict_on_batch(self, images):
        red, green, _ = np.asarray(images)[:, 0, 0].astype(int).T
        return self.logits[red + 256 * green]
