"""The first calls of a model, which are slow, before any request waits for them."""

import pathlib
import time
from collections.abc import Iterator
from typing import Any

import numpy as np

from keras_vit.serving.servable import Inputs, Servable, Signature

RECORDED = "tf_serving_warmup_requests"  # in assets.extra, a TFRecord file
LONGEST = 0.1  # seconds that a batch may take
LARGEST = 64


def warm(servable: Servable, batch_size: int | None = None) -> None:
    """Run every signature, and measure how many images to run at once.

    What a batch saves is a cost per call, a few milliseconds. Once a call takes
    much longer than that, more images in it make all of them wait and nothing
    faster.

    Args:
        servable: its `batch_size` is set.
        batch_size: the value to set; measured if `None`.
    """
    for signature, inputs in recorded_requests(servable.path):
        if signature in servable.signatures:
            servable.run(signature, inputs)
    for name in servable.signatures:
        servable.run(name, _examples(servable.signatures[name], 1))
    servable.batch_size = batch_size or _measured(servable)
    sizes = servable.sizes() if servable.compiled else [servable.batch_size]
    for name, signature in servable.signatures.items():
        for size in sizes:
            servable.run(name, _examples(signature, size))


def recorded_requests(path: pathlib.Path) -> Iterator[tuple[str, Inputs]]:
    """Yield the warm-up requests that a SavedModel holds.

    Args:
        path: of the version's folder.

    Yields:
        A signature's name and its inputs, for each request; nothing where there
        are none, or without the package `tensorflow-serving-api`, which reads
        them.
    """
    file = path / "assets.extra" / RECORDED
    try:
        from tensorflow_serving.apis import prediction_log_pb2
    except ImportError:
        return
    if not file.is_file():
        return
    import tensorflow as tf

    logs: Any = prediction_log_pb2  # generated, which type checkers do not read
    for record in tf.data.TFRecordDataset(str(file)).as_numpy_iterator():
        request = logs.PredictionLog.FromString(record).predict_log.request
        inputs = {name: tf.make_ndarray(one) for name, one in request.inputs.items()}
        yield request.model_spec.signature_name or "serving_default", inputs


def _measured(servable: Servable) -> int:
    name = next(iter(servable.signatures))
    if "serving_default" in servable.signatures:
        name = "serving_default"
    signature, size = servable.signatures[name], 1
    while size < LARGEST:
        inputs = _examples(signature, 2 * size)
        if min(_seconds(servable, name, inputs) for _ in range(2)) > LONGEST:
            break
        size *= 2
    return size


def _seconds(servable: Servable, name: str, inputs: Inputs) -> float:
    begun = time.perf_counter()
    servable.run(name, inputs)
    return time.perf_counter() - begun


def _examples(signature: Signature, count: int) -> Inputs:
    """Return inputs of a signature: a black picture, or zeros."""
    import tensorflow as tf

    examples: Inputs = {}
    for name, one in signature.inputs.items():
        if one.dtype == "string":
            picture = tf.io.encode_png(tf.zeros((8, 8, 3), tf.uint8)).numpy()
            examples[name] = [picture] * count
        else:
            shape = [size or 1 for size in one.shape]
            examples[name] = np.zeros((count, *shape), one.dtype)
    return examples
