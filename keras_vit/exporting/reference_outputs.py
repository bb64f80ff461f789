"""Images on which an exported model is compared with its origin."""

import contextlib
import pathlib
import tempfile
from dataclasses import dataclass

import numpy as np

from keras_vit.data.evaluation import evaluation_batches
from keras_vit.evaluation.metrics import Tally
from keras_vit.layers.head import probabilities_of
from keras_vit.preprocessing import carried_by

MOST_IMAGES = 2000  # of a split: 1.2 GB on disk at 224 x 224
BATCH = 32


@dataclass(frozen=True)
class ReferenceOutputs:
    """Images, and what the origin says of them.

    Attributes:
        images: `(N, H, W, 3)` float32 pixels in [0, 255], of the model's size.
        labels: as a split has them; `None` where none are known.
        logits: the origin's, `(N, K)`.
        source: where the images are from, for people.
        loss: `"softmax"` or `"sigmoid"`.
        before: logits of the model that the origin was made of, such as the
            one that merges no tokens, `(N, K)`; `None`: there is none.
    """

    images: np.ndarray
    labels: np.ndarray | None
    logits: np.ndarray
    source: str
    loss: str = "softmax"
    before: np.ndarray | None = None

    def compared(self):
        """The logits that a report compares with, `(N, K)`."""
        return self.logits if self.before is None else self.before

    def accuracy(self, logits):
        """The top-1 accuracy of logits `(N, K)`; `None` without labels."""
        if self.labels is None:
            return None
        several = self.labels.ndim == 2
        tally = Tally(logits.shape[1], self.loss, several)
        tally.add(logits, self.labels)
        return tally.result().top1


@contextlib.contextmanager
def reference_of(model, split=None, source="a split", whole_pixels=False, before=None):
    """Yield the `ReferenceOutputs` of a model on a split, its images in a file.

    Args:
        model: a Keras model of images to logits.
        split: of a `keras_vit.data.Dataset`; its first `MOST_IMAGES` images,
            spread evenly, resized as in evaluation. `None`: noise and
            gradients, 16 images.
        source: what to call the split.
        whole_pixels: whether pixels are rounded, for a file that takes uint8.
        before: the model that this one was made of; `None`: there is none.
    """
    with tempfile.TemporaryDirectory() as folder:
        if split is None:
            images, labels = _generated(model.input_shape[1:]), None
            source = "generated noise and gradients"
        else:
            path = pathlib.Path(folder) / "images.npy"
            images, labels = _read(model, split, path)
        if whole_pixels:
            images[:] = np.rint(images)
        with _in_full_precision():
            logits, others = (
                None if one is None else _logits(one, images) for one in (model, before)
            )
        loss = probabilities_of(model)
        yield ReferenceOutputs(images, labels, logits, source, loss, others)


def _logits(model, images):
    starts = range(0, len(images), BATCH)
    parts = [model.predict_on_batch(images[start : start + BATCH]) for start in starts]
    return np.concatenate(parts)


@contextlib.contextmanager
def _in_full_precision():
    """Keeps a GPU from rounding float32 products to TF32, which no export does."""
    import tensorflow as tf

    setting = tf.config.experimental
    before = setting.tensor_float_32_execution_enabled()
    setting.enable_tensor_float_32_execution(False)
    try:
        yield
    finally:
        setting.enable_tensor_float_32_execution(before)


def _read(model, split, path):
    split.check_classes(model.output_shape[-1])
    split = spread(split, MOST_IMAGES)
    count = len(split)
    images = np.lib.format.open_memmap(
        path, "w+", np.float32, (count, *model.input_shape[1:])
    )
    batches = evaluation_batches(
        split, BATCH, model.input_shape[1:3], carried_by(model)
    )
    for number, (batch, _, weights) in enumerate(batches):
        real = batch[weights > 0]
        images[number * BATCH : number * BATCH + len(real)] = real
    return images, split.labels


def spread(split, count):
    """So many images of a split, or all, evenly spread over it."""
    count = min(count, len(split))
    return split.subset(np.linspace(0, len(split) - 1, count).astype(np.int64))


def _generated(shape):
    """Noise, and smooth gradients of all colours and directions."""
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (8, *shape))
    rows, columns = np.meshgrid(
        np.linspace(0, 1, shape[0]), np.linspace(0, 1, shape[1]), indexing="ij"
    )
    slopes = rng.uniform(-128, 128, (2, 8, 1, 1, 3))
    gradients = 128 + slopes[0] * rows[..., None] + slopes[1] * columns[..., None]
    return np.concatenate([noise, np.clip(gradients, 0, 255)]).astype(np.float32)
