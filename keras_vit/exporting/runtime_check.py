"""Run an exported file in its own runtime, in a process without this package.

    python -P runtime_check.py RUNTIME FILE IMAGES.npy LOGITS.npy BATCHES

Write the logits of all images and print, as the last line, what was measured.
Only NumPy and the runtime itself are imported.
"""

import functools
import json
import os
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

BATCHES = (1, 32)  # whose latency is measured
SECONDS = 1.0  # that a measurement takes, once it has run three times or twice as long


@dataclass(frozen=True)
class Loaded:
    """A model in its runtime.

    Attributes:
        logits: the function of float32 images `(B, H, W, 3)` to `(B, K)`.
        batch_size: the only B that it takes; `None`: any.
        versions: of the packages that run it, by name.
        precision: in which it computes, as the runtime says; `"float32"` where it has
            no other for this file.
        kept: what lives as long as this does.
    """

    logits: Callable[[np.ndarray], np.ndarray]
    batch_size: int | None
    versions: dict[str, str]
    kept: object = None
    precision: str = "float32"


def saved_model(path: str) -> Loaded:
    """Load a SavedModel by TensorFlow."""
    import tensorflow as tf

    loaded = tf.saved_model.load(path)
    serve = loaded.signatures["pixels"]

    def logits(images: np.ndarray) -> Any:
        return serve(images=tf.constant(images, tf.float32))["logits"].numpy()

    # The signature alone does not keep its variables.
    return Loaded(logits, None, {"tensorflow": tf.__version__}, loaded)


def tflite(path: str) -> Loaded:
    """Load a .tflite file by LiteRT."""
    import importlib.metadata

    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(path, num_threads=os.cpu_count())
    serve = interpreter.get_signature_runner("serving_default")
    (details,) = serve.get_input_details().values()

    def logits(images: np.ndarray) -> Any:
        return serve(images=_as_dtype(images, details["dtype"]))["logits"]

    version = importlib.metadata.version("ai-edge-litert")
    return Loaded(logits, int(details["shape"][0]), {"ai-edge-litert": version})


def onnx(path: str) -> Loaded:
    """Load an .onnx file by ONNX Runtime."""
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])

    def logits(images: np.ndarray) -> Any:
        return session.run(["logits"], {"images": np.float32(images)})[0]

    return Loaded(logits, None, {"onnxruntime": onnxruntime.__version__})


def openvino(path: str, precision: str | None = "f32") -> Loaded:
    """Load an .xml file with its .bin by OpenVINO.

    Args:
        path: of the .xml file.
        precision: to compute in; `None`: as OpenVINO chooses it.
    """
    import openvino

    settings = {"INFERENCE_PRECISION_HINT": precision} if precision else {}
    model = openvino.Core().compile_model(path, "CPU", settings)
    hint = model.get_property("INFERENCE_PRECISION_HINT").get_type_name()

    def logits(images: np.ndarray) -> Any:
        return model({"images": np.float32(images)})["logits"]

    versions = {"openvino": openvino.__version__}
    return Loaded(logits, None, versions, precision=PRECISIONS.get(hint) or str(hint))


RUNTIMES = {
    "saved_model": saved_model,
    "tflite": tflite,
    "onnx": onnx,
    "openvino": openvino,
    "openvino, by default": functools.partial(openvino, precision=None),
}
# Of a runtime that chooses another precision by default than it was checked in, as a
# file cannot say: how it is loaded without a choice.
BY_DEFAULT = {"openvino": "openvino, by default"}
PRECISIONS = {"f32": "float32", "bf16": "bfloat16", "f16": "float16"}


def run(
    runtime: str,
    path: str | os.PathLike[str],
    images: np.ndarray,
    batches: Sequence[int] = BATCHES,
) -> tuple[np.ndarray, dict[str, Any]]:
    """Load a file, run all images, and measure.

    Args:
        runtime: a key of `RUNTIMES`.
        path: of what was exported.
        images: `(N, H, W, 3)`, pixels in [0, 255].
        batches: the sizes whose latency is measured.

    Returns:
        The logits `(N, K)`, and a dict: seconds until the first answer, the
        median milliseconds of a batch by its size, the most bytes of memory
        that the process had, the batch size that the file is fixed to, in which
        precision it computes, and versions.
    """
    begun = time.perf_counter()
    loaded = RUNTIMES[runtime](str(path))
    logits_of(loaded, images[:1])
    load_seconds = time.perf_counter() - begun
    latency = {
        str(batch): median_milliseconds(loaded, images, batch) for batch in batches
    }
    peak = peak_memory()  # before the images of a whole split are in memory, too
    return logits_of(loaded, images), {
        "load_seconds": round(load_seconds, 3),
        "latency_ms": latency,
        "peak_memory_bytes": peak,
        "fixed_batch_size": loaded.batch_size,
        "precision": loaded.precision,
        "versions": loaded.versions,
    }


def logits_of(loaded: Loaded, images: np.ndarray) -> np.ndarray:
    """Return the logits of any number of images, in batches that the model takes."""
    size = loaded.batch_size or BATCHES[-1]
    parts = []
    for start in range(0, len(images), size):
        batch = np.asarray(images[start : start + size])
        missing = (loaded.batch_size or len(batch)) - len(batch)
        padded = np.pad(batch, [(0, missing), (0, 0), (0, 0), (0, 0)])
        parts.append(np.array(loaded.logits(padded))[: len(batch)])
    return np.concatenate(parts)


def median_milliseconds(loaded: Loaded, images: np.ndarray, batch: int) -> float:
    """Return the median time of so many images, in one call or several.

    The first time is a warm-up, unless it took so long that warming up is none of it.
    """
    images = np.resize(images[:batch], (batch, *images.shape[1:]))
    times = [_seconds(loaded, images)]
    if times[0] < 2 * SECONDS:
        times, begun = [], time.perf_counter()
        while len(times) < 3 or time.perf_counter() - begun < SECONDS:
            times.append(_seconds(loaded, images))
    return round(1000 * statistics.median(times), 3)


def _seconds(loaded: Loaded, images: np.ndarray) -> float:
    """Return how long the logits of so many images take."""
    begun = time.perf_counter()
    logits_of(loaded, images)
    return time.perf_counter() - begun


def peak_memory() -> int | None:
    """Return the most bytes that this process has had in memory; `None` if unknown."""
    try:
        # Not getrusage, which counts what the parent had when it forked.
        with open("/proc/self/status") as status:
            lines = dict(line.split(":", 1) for line in status)
        return 1024 * int(lines["VmHWM"].split()[0])
    except (OSError, KeyError, ValueError):
        return None


def _as_dtype(images: np.ndarray, dtype: Any) -> np.ndarray:
    if np.issubdtype(dtype, np.integer):
        images = np.rint(images)
    return np.asarray(images, dtype)


def main(runtime: str, path: str, images: str, logits: str, batches: str) -> None:
    """Run a file of images, write logits and print what was measured."""
    modules: dict[str, Any] = sys.modules
    modules["keras_vit"] = None  # any import of it fails
    sizes = [int(one) for one in batches.split(",")]
    outputs, measured = run(runtime, path, np.load(images, mmap_mode="r"), sizes)
    np.save(logits, outputs)
    print(json.dumps(measured))


if __name__ == "__main__":
    main(*sys.argv[1:])
