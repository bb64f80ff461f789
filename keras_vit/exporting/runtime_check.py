"""Runs an exported file by its own runtime, in a process that has not this package.

    python -P runtime_check.py RUNTIME FILE IMAGES.npy LOGITS.npy

Writes the logits of all images and prints, as its last line, what it measured.
Only NumPy and the runtime itself are imported.
"""

import json
import os
import statistics
import sys
import time
from dataclasses import dataclass

import numpy as np

BATCHES = (1, 32)  # whose latency is measured
SECONDS = 1.0  # that a measurement goes on, once it has run three times


@dataclass(frozen=True)
class Loaded:
    """A model in its runtime.

    Attributes:
        logits: the function of float32 images `(B, H, W, 3)` to `(B, K)`.
        batch_size: the only B that it takes; `None`: any.
        versions: of the packages that run it, by name.
    """

    logits: object
    batch_size: int | None
    versions: dict


def saved_model(path):
    """A SavedModel, by TensorFlow."""
    import tensorflow as tf

    loaded = tf.saved_model.load(path)
    serve = loaded.signatures["pixels"]

    def logits(images):
        return serve(images=tf.constant(images, tf.float32))["logits"].numpy()

    logits.loaded = loaded  # the signature alone does not keep its variables
    return Loaded(logits, None, {"tensorflow": tf.__version__})


def tflite(path):
    """A .tflite file, by LiteRT."""
    import importlib.metadata

    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(path, num_threads=os.cpu_count())
    serve = interpreter.get_signature_runner("serving_default")
    (given,) = serve.get_input_details().values()

    def logits(images):
        return serve(images=_as_dtype(images, given["dtype"]))["logits"]

    version = importlib.metadata.version("ai-edge-litert")
    return Loaded(logits, int(given["shape"][0]), {"ai-edge-litert": version})


def onnx(path):
    """An .onnx file, by ONNX Runtime."""
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])

    def logits(images):
        return session.run(["logits"], {"images": np.float32(images)})[0]

    return Loaded(logits, None, {"onnxruntime": onnxruntime.__version__})


def openvino(path):
    """An .xml file with its .bin, by OpenVINO."""
    import openvino

    exact = {"INFERENCE_PRECISION_HINT": "f32"}
    model = openvino.Core().compile_model(path, "CPU", exact)

    def logits(images):
        return model({"images": np.float32(images)})["logits"]

    return Loaded(logits, None, {"openvino": openvino.__version__})


RUNTIMES = {
    "saved_model": saved_model,
    "tflite": tflite,
    "onnx": onnx,
    "openvino": openvino,
}


def run(runtime, path, images):
    """Loads a file, runs all images, and measures.

    Args:
        runtime: a key of `RUNTIMES`.
        path: of what was exported.
        images: `(N, H, W, 3)`, pixels in [0, 255].

    Returns:
        The logits `(N, K)`, and a dict: seconds until the first answer, the
        median milliseconds of a batch by its size, the most bytes of memory
        that the process had, the batch size that the file is fixed to, and
        versions.
    """
    begun = time.perf_counter()
    loaded = RUNTIMES[runtime](str(path))
    logits_of(loaded, images[:1])
    load_seconds = time.perf_counter() - begun
    latency = {
        str(batch): median_milliseconds(loaded, images, batch) for batch in BATCHES
    }
    peak = peak_memory()  # before the images of a whole split are in memory, too
    return logits_of(loaded, images), {
        "load_seconds": round(load_seconds, 3),
        "latency_ms": latency,
        "peak_memory_bytes": peak,
        "fixed_batch_size": loaded.batch_size,
        "versions": loaded.versions,
    }


def logits_of(loaded, images):
    """The logits of any number of images, in batches that the model takes."""
    size = loaded.batch_size or BATCHES[-1]
    parts = []
    for start in range(0, len(images), size):
        batch = np.asarray(images[start : start + size])
        missing = (loaded.batch_size or len(batch)) - len(batch)
        padded = np.pad(batch, [(0, missing), (0, 0), (0, 0), (0, 0)])
        parts.append(np.array(loaded.logits(padded))[: len(batch)])
    return np.concatenate(parts)


def median_milliseconds(loaded, images, batch):
    """The median time of so many images, one call or several, run again and again."""
    images = np.resize(images[:batch], (batch, *images.shape[1:]))
    logits_of(loaded, images)
    times, begun = [], time.perf_counter()
    while len(times) < 3 or time.perf_counter() - begun < SECONDS:
        start = time.perf_counter()
        logits_of(loaded, images)
        times.append(time.perf_counter() - start)
    return round(1000 * statistics.median(times), 3)


def peak_memory():
    """The most bytes that this process has had in memory; `None` if unknown."""
    try:
        # Not getrusage, which counts what the parent had when it forked.
        with open("/proc/self/status") as status:
            lines = dict(line.split(":", 1) for line in status)
        return 1024 * int(lines["VmHWM"].split()[0])
    except (OSError, KeyError, ValueError):
        return None


def _as_dtype(images, dtype):
    if np.issubdtype(dtype, np.integer):
        images = np.rint(images)
    return np.asarray(images, dtype)


def main(runtime, path, images, logits):
    """Runs a file of images, writes logits and prints what was measured."""
    sys.modules["keras_vit"] = None  # any import of it fails
    answers, measured = run(runtime, path, np.load(images, mmap_mode="r"))
    np.save(logits, answers)
    print(json.dumps(measured))


if __name__ == "__main__":
    main(*sys.argv[1:])
