"""Ask TensorFlow Serving, over gRPC, what pictures show.

    pip install tensorflow-serving-api
    python client_grpc.py PICTURE ... [--model=NAME] [--label=stable]

Ends with 1 if a picture could not be read, with 2 if the server gave no answer.
"""

import sys

import grpc
import tensorflow as tf
from client_rest import arguments, tell
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

LARGEST = 64 * 2**20  # bytes of a message; gRPC itself allows answers of 4 MiB
OPTIONS = [
    ("grpc.max_send_message_length", LARGEST),
    ("grpc.max_receive_message_length", LARGEST),
]


def stub_of(server):
    """Return a `PredictionServiceStub` for a server such as `127.0.0.1:8500`."""
    channel = grpc.insecure_channel(server, OPTIONS)
    return prediction_service_pb2_grpc.PredictionServiceStub(channel)


def classify(pictures, stub, model, label=None, timeout=10.0):
    """Return the outputs of `serving_default` for each picture.

    Args:
        pictures: image files as bytes.
        stub: what `stub_of` gives.
        model: its name in `models.config`.
        label: of a version, as in `models.config`; the newest if not given.
        timeout: seconds. The server is told this deadline and drops what is
            late.

    Returns:
        For each picture a dict: `error`, "" or why it could not be read;
        `classes` and their `probabilities`, likeliest first.

    Raises:
        grpc.RpcError: if the server gives no answer.
    """
    request = predict_pb2.PredictRequest()
    request.model_spec.name = model
    request.model_spec.signature_name = "serving_default"
    if label:
        request.model_spec.version_label = label
    request.inputs["image_bytes"].CopyFrom(tf.make_tensor_proto(pictures, tf.string))
    request.output_filter.extend(["error", "classes", "probabilities"])  # no logits
    outputs = stub.Predict(request, timeout=timeout).outputs
    columns = [tf.make_ndarray(outputs[name]) for name in request.output_filter]
    return [
        {
            "error": error.decode(),
            "classes": [name.decode() for name in classes],
            "probabilities": probabilities.tolist(),
        }
        for error, classes, probabilities in zip(*columns, strict=True)
    ]


if __name__ == "__main__":
    told = arguments(__doc__, "127.0.0.1:8500")
    where = (stub_of(told.server), told.model, told.label, told.timeout)
    try:
        sys.exit(tell(told.pictures, lambda pictures: classify(pictures, *where)))
    except grpc.RpcError as problem:
        print(
            f"client_grpc: {problem.code().name}: {problem.details()}", file=sys.stderr
        )
        sys.exit(2)
