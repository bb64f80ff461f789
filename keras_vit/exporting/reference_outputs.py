"""Images on which an exported model is compared with its origin, and its outputs."""

import contextlib
import pathlib
import tempfile
from collections.abc import Iterator
from dataclasses import KW_ONLY, dataclass
from typing import Any, Literal

import numpy as np

from keras_vit.classifier import Classifier
from keras_vit.data.evaluation import evaluation_batches
from keras_vit.data.splits import Split
from keras_vit.evaluation.metrics import MetricSums
from keras_vit.exporting.warmup import picture

BATCH = 32


@dataclass(frozen=True)
class ReferenceOutputs:
    """Images, and the outputs of the origin for them.

    Attributes:
        images: `(N, H, W, 3)` float32 pixels in [0, 255], of the model's size.
        labels: as a split has them; `None` where none are known.
        logits: the origin's, `(N, K)`.
        source: where the images are from, for people.
        activation: `"softmax"` or `"sigmoid"`.
        before: logits of the model that the origin was made of, such as the
            one that merges no tokens, `(N, K)`; `None`: there is none.
        picture: `warmup.picture`, resized to the model's size by this package,
            `(H, W, 3)`; `None`: it was not.
    """

    images: np.ndarray
    labels: np.ndarray | None
    logits: np.ndarray
    source: str
    _: KW_ONLY
    activation: Literal["softmax", "sigmoid"] = "softmax"
    before: np.ndarray | None = None
    picture: np.ndarray | None = None

    def compared(self) -> np.ndarray:
        """Return the logits that a report compares with, `(N, K)`."""
        return self.logits if self.before is None else self.before

    def comparison(self, logits: np.ndarray) -> dict[str, Any]:
        """Return how near logits `(N, K)` are to `compared()`.

        Returns:
            A dict: `largest_difference`, `mean_difference` of a logit,
            `top1_agreement` and `accuracy`, as `report.Report` has them.
        """
        compared = self.compared()
        difference = np.abs(compared - logits)
        return {
            "largest_difference": float(difference.max()),
            "mean_difference": float(difference.mean()),
            "top1_agreement": float((compared.argmax(1) == logits.argmax(1)).mean()),
            "accuracy": self.accuracy(logits),
        }

    def accuracy(self, logits: np.ndarray) -> float | None:
        """Return the top-1 accuracy of logits `(N, K)`; `None` without labels."""
        if self.labels is None:
            return None
        multi_label = self.labels.ndim == 2
        sums = MetricSums(logits.shape[1], self.activation, multi_label)
        sums.add(logits, self.labels)
        return sums.result().top1


@contextlib.contextmanager
def reference_of(
    classifier: Classifier,
    split: Split | None,
    source: str,
    *,
    whole_pixels: bool = False,
    before: Classifier | None = None,
) -> Iterator[ReferenceOutputs]:
    """Yield the `ReferenceOutputs` of a classifier, its images in a file meanwhile.

    Args:
        classifier: the origin.
        split: of a `keras_vit.data.Dataset`; its images are resized as in
            evaluation. `None`: noise and gradients, 16 images.
        source: what to call the split.
        whole_pixels: whether pixels are rounded, for a file that takes uint8.
        before: the classifier that this one was made of; `None`: there is none.
    """
    shape = (*classifier.image_size, 3)
    with tempfile.TemporaryDirectory() as folder:
        images, labels, resized = _generated(shape), None, []
        if split is not None:
            path = pathlib.Path(folder) / "images.npy"
            images, labels = _in_file(path, (len(split), *shape)), split.labels
            resized.append((split, images))
        seen = np.zeros((1, *shape), np.float32)
        resized.append((Split(picture()[np.newaxis], np.zeros(1, np.int64)), seen))
        for one, array in resized:
            start = 0
            for batch, _, weights in evaluation_batches(
                one,
                min(BATCH, len(one)),
                classifier.image_size,
                classifier.preprocessing,
            ):
                real = batch[weights > 0]
                array[start : start + len(real)] = real
                start += len(real)
        if whole_pixels:
            images[:] = np.rint(images)
        models = [one.model for one in (classifier, before) if one is not None]
        starts = range(0, len(images), BATCH)
        with _in_full_precision():
            logits, *of_before = (
                np.concatenate(
                    [one.predict_on_batch(images[at : at + BATCH]) for at in starts]
                )
                for one in models
            )
        yield ReferenceOutputs(
            images=images,
            labels=labels,
            logits=logits,
            source=source,
            activation=classifier.activation,
            before=of_before[0] if of_before else None,
            picture=seen[0],
        )


def _in_file(path: pathlib.Path, shape: tuple[int, ...]) -> np.ndarray:
    return np.lib.format.open_memmap(path, "w+", np.float32, shape)


@contextlib.contextmanager
def _in_full_precision() -> Iterator[None]:
    """Keep a GPU from rounding float32 products to TF32, which no export does."""
    import tensorflow as tf

    setting: Any = tf.config.experimental
    before = setting.tensor_float_32_execution_enabled()
    setting.enable_tensor_float_32_execution(False)
    try:
        yield
    finally:
        setting.enable_tensor_float_32_execution(before)


def _generated(shape: tuple[int, int, int]) -> np.ndarray:
    """Return noise, and smooth gradients of all colours and directions."""
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (8, *shape))
    rows, columns = np.meshgrid(
        np.linspace(0, 1, shape[0]), np.linspace(0, 1, shape[1]), indexing="ij"
    )
    slopes = rng.uniform(-128, 128, (2, 8, 1, 1, 3))
    gradients = 128 + slopes[0] * rows[..., None] + slopes[1] * columns[..., None]
    return np.concatenate([noise, np.clip(gradients, 0, 255)]).astype(np.float32)
