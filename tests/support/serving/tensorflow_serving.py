"""What stands in for TensorFlow Serving: its protocols over a loaded SavedModel.

The messages and the service are the official ones, of tensorflow-serving-api;
paths, JSON and status codes of REST are those of its documentation.
"""

import base64
import concurrent.futures
import contextlib
import http.server
import json
import pathlib
import re
import threading
import time

import grpc
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

PATH = re.compile(r"/v1/models/([^/:]+)(?:/versions/(\d+)|/labels/([^/:]+))?:predict")
STATUS = {"NOT_FOUND": 404, "INVALID_ARGUMENT": 400, "UNAVAILABLE": 503}


class RefusedError(Exception):
    """A request that is not answered: the name of gRPC's code, and why."""


class StandIn(prediction_service_pb2_grpc.PredictionServiceServicer):
    """Serves what a `ModelServerConfig` names, from a folder that stands for /models.

    Attributes:
        delay: seconds that every answer takes more.
        busy: whether the queue is full.
        seen: of each request the version and the number of pictures.
        deadlines: seconds that gRPC's requests had left.
    """

    def __init__(self, config, folder):
        self.delay, self.busy, self.seen, self.deadlines = 0.0, False, [], []
        self._models, self._labels = {}, {}
        for one in config.model_config_list.config:
            inside = pathlib.PurePosixPath(one.base_path).relative_to("/models")
            base = pathlib.Path(folder) / inside
            self._labels[one.name] = dict(one.version_labels)
            self._models[one.name] = {
                version: tf.saved_model.load(str(base / str(version)))
                for version in one.model_version_policy.specific.versions
            }

    def answer(self, model, version, label, signature, inputs, outputs=()):
        """Gives the outputs of a signature, by name."""
        seen = self.seen  # what comes late belongs to the list of its time
        time.sleep(self.delay)
        if self.busy:
            raise RefusedError("UNAVAILABLE", "The batch scheduling queue is full")
        served = self._models.get(model, {})
        if label:
            version = self._labels.get(model, {}).get(label, -1)
        version = version or max(served, default=0)  # 0: the newest
        loaded = served.get(version)
        if loaded is None:
            raise RefusedError("NOT_FOUND", f"Servable not found for request: {model}")
        call = loaded.signatures.get(signature or "serving_default")
        if call is None:
            raise RefusedError("INVALID_ARGUMENT", f"Serving signature {signature!r}")
        if inputs.keys() != call.structured_input_signature[1].keys():
            raise RefusedError("INVALID_ARGUMENT", f"inputs {sorted(inputs)}")
        told = call(**inputs)
        seen.append((version, len(next(iter(inputs.values())))))
        return {name: told[name] for name in outputs or told}

    def Predict(self, request, context):  # the service's name for it
        """Answers over gRPC."""
        spec = request.model_spec
        self.deadlines.append(context.time_remaining())
        inputs = {
            name: tf.constant(tf.make_ndarray(value))
            for name, value in request.inputs.items()
        }
        where = (spec.name, spec.version.value, spec.version_label)
        try:
            told = self.answer(
                *where, spec.signature_name, inputs, request.output_filter
            )
        except RefusedError as refused:
            code, why = refused.args
            context.abort(grpc.StatusCode[code], why)
        response = predict_pb2.PredictResponse()
        response.model_spec.CopyFrom(spec)
        for name, value in told.items():
            response.outputs[name].CopyFrom(tf.make_tensor_proto(value.numpy()))
        return response

    def rest(self, path, body):
        """Answers over REST: a status and what becomes JSON."""
        match = PATH.fullmatch(path)
        if match is None:
            return 404, {"error": f"Malformed request: POST {path}"}
        model, version, label = match.groups()
        try:
            asked = json.loads(body)
            pictures = [
                base64.b64decode(one["image_bytes"]["b64"], validate=True)
                for one in asked["instances"]
            ]
            signature = asked.get("signature_name", "")
        except (ValueError, KeyError, TypeError) as error:
            return 400, {"error": f"JSON Parse error: {error}"}
        inputs = {"image_bytes": tf.constant(pictures, tf.string)}
        try:
            told = self.answer(model, int(version or 0), label, signature, inputs)
        except RefusedError as refused:
            code, why = refused.args
            return STATUS[code], {"error": why}
        columns = {name: _plain(value.numpy().tolist()) for name, value in told.items()}
        rows = zip(*columns.values(), strict=True)
        return 200, {
            "predictions": [dict(zip(columns, row, strict=True)) for row in rows]
        }


def _plain(value):
    """Nested lists with text where there were bytes."""
    if isinstance(value, list):
        return [_plain(one) for one in value]
    return value.decode() if isinstance(value, bytes) else value


@contextlib.contextmanager
def serving(stand_in):
    """Yields the addresses: `rest`, `grpc`."""

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):  # http.server's name for it
            body = self.rfile.read(int(self.headers["Content-Length"]))
            status, told = stand_in.rest(self.path, body)
            data = json.dumps(told).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *arguments):
            pass

    pool = concurrent.futures.ThreadPoolExecutor(8)
    unlimited = [("grpc.max_receive_message_length", -1)]  # as TensorFlow Serving
    by_grpc = grpc.server(pool, options=unlimited)
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(
        stand_in, by_grpc
    )
    port = by_grpc.add_insecure_port("127.0.0.1:0")
    by_grpc.start()
    by_rest = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=by_rest.serve_forever)
    thread.start()
    try:
        yield {
            "rest": f"http://127.0.0.1:{by_rest.server_port}",
            "grpc": f"127.0.0.1:{port}",
        }
    finally:
        by_rest.shutdown()
        by_rest.server_close()
        thread.join()
        by_grpc.stop(None).wait()
        pool.shutdown()
