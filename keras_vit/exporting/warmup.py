"""Requests that TensorFlow Serving asks a model of itself before it serves."""

import pathlib
import warnings
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from keras_vit.export_formats import EXTRA
from keras_vit.extras import install

WARM_UP = pathlib.PurePath("assets.extra", "tf_serving_warmup_requests")
BATCHES = (1, 8)
_SIDE = 64  # of the pictures that are sent


def write_warmup(folder: pathlib.Path, graphs: Mapping[str, Any]) -> bool:
    """Write requests for `serving_default` and `pixels` beside a SavedModel.

    Without them, the first who asks waits until TensorFlow has made itself
    ready. The package tensorflow-serving-api says what a request looks like;
    where it is missing, nothing is written, and a warning says so.

    Args:
        folder: of the SavedModel.
        graphs: the concrete function of each signature, by its name.

    Returns:
        Whether the file was written.
    """
    try:
        from tensorflow_serving.apis import predict_pb2, prediction_log_pb2
    except ImportError:
        warnings.warn(
            "The SavedModel has no warm-up requests, as tensorflow-serving-api is not "
            f"installed: {install(EXTRA)}",
            stacklevel=2,
        )
        return False
    requests: Any = predict_pb2  # generated, which type checkers do not read
    logs: Any = prediction_log_pb2
    path = folder / WARM_UP
    path.parent.mkdir(exist_ok=True)
    with tf.io.TFRecordWriter(str(path)) as file:
        for signature, name, values in _requests(graphs):
            request = requests.PredictRequest()
            request.model_spec.signature_name = signature
            request.inputs[name].CopyFrom(values)
            log = logs.PredictLog(request=request)
            log = logs.PredictionLog(predict_log=log)
            file.write(log.SerializeToString())
    return True


def picture() -> np.ndarray:
    """Return a picture of gradients, uint8 `(64, 64, 3)`."""
    ramp = np.linspace(0, 255, _SIDE)
    levels = [*np.meshgrid(ramp, ramp), np.full((_SIDE, _SIDE), 99)]
    return np.stack(levels, -1).astype(np.uint8)


def _requests(graphs: Mapping[str, Any]) -> Iterator[tuple[str, str, Any]]:
    """Yield signatures, the names of their inputs, and batches of each size."""
    encoders = tf.io.encode_jpeg, tf.io.encode_png
    files = [encode(picture()).numpy() for encode in encoders]
    for count in BATCHES:
        batch = [files[number % len(files)] for number in range(count)]
        yield "serving_default", "image_bytes", tf.make_tensor_proto(batch)
        shape = graphs["pixels"].inputs[0].shape[1:]
        grey = tf.make_tensor_proto(127.5, shape=(count, *shape))
        yield "pixels", "images", grey  # one number, said once for all
