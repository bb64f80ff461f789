"""The check that an exported model agrees with its origin."""

import json
import os
import pathlib
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from typing import Any

import numpy as np

from keras_vit.equal_files import EQUAL, digest
from keras_vit.exporting import accuracy_check, runtime_check
from keras_vit.exporting.modes import mode_of
from keras_vit.exporting.reference_outputs import ReferenceOutputs
from keras_vit.exporting.report import Report
from keras_vit.exporting.saved_model import check_reading

# The largest difference of a logit that is no fault, as a share of the largest
# logit where that is above 1. In float32 it is rounding; the others lose
# precision by intent, so that only a broken file goes beyond. Measured on trained
# models and ViT-B/16: float16 0.001, dynamic 0.02 to 0.04, int8 up to 0.3; what it
# may change of predictions says `accuracy_check`.
TOLERANCE = {"none": EQUAL, "float16": 1e-2, "dynamic": 0.25, "int8": 1.0}
MIXED = 3e-2  # of bfloat16, which XLA rounds elsewhere: 0.003 measured


def run_in_fresh_process(
    runtime: str,
    path: pathlib.Path,
    images: np.ndarray,
    batches: Sequence[int] = runtime_check.BATCHES,
) -> tuple[np.ndarray, dict[str, Any]]:
    """Run images through an exported file in a fresh process, without this package.

    Args:
        runtime: a key of `runtime_check.RUNTIMES`.
        path: of what was exported.
        images: `(N, H, W, 3)`, pixels in [0, 255].
        batches: the sizes whose latency is measured.

    Returns:
        Logits `(N, K)`, and what was measured, as `runtime_check.run`.

    Raises:
        RuntimeError: with the last line of what it said, if it fails.
    """
    with tempfile.TemporaryDirectory() as folder:
        inputs = pathlib.Path(folder) / "images.npy"
        if isinstance(images, np.memmap):
            images.flush()
            inputs = pathlib.Path(str(images.filename))
        else:
            np.save(inputs, images)
        outputs = pathlib.Path(folder) / "logits.npy"
        # -P: the modules beside it must not hide packages of the same names.
        command = [
            sys.executable,
            "-P",
            runtime_check.__file__,
            runtime,
            path,
            inputs,
            outputs,
            ",".join(map(str, batches)),
        ]
        run = subprocess.run(
            [*map(str, command)],
            capture_output=True,
            text=True,
            # A GPU's memory is this process's; what is compared is the file.
            env=os.environ | {"CUDA_VISIBLE_DEVICES": "-1"},
        )
        if run.returncode:
            why = run.stderr.strip().splitlines() or [f"status {run.returncode}"]
            raise RuntimeError(f"The exported model does not run: {why[-1]}")
        return np.load(outputs), json.loads(run.stdout.splitlines()[-1])


def check(
    runtime: str,
    path: pathlib.Path,
    reference: ReferenceOutputs,
    quantize: str = "none",
    *,
    mixed: bool = False,
) -> Report:
    """Compare an exported file with its origin.

    Args:
        runtime: a key of `runtime_check.RUNTIMES`.
        path: of what was exported.
        reference: an `ReferenceOutputs`.
        quantize: a key of `TOLERANCE`.
        mixed: whether the model computes in less than float32.

    Returns:
        A `Report`.

    Raises:
        RuntimeError: if the logits differ by more than `TOLERANCE`, the
            predictions of int8 by more than `accuracy_check.check` allows, or
            if the file reads a picture otherwise than this package.
    """
    logits, measured = run_in_fresh_process(runtime, path, reference.images)
    expected = reference.logits
    difference = np.abs(expected - logits)
    largest = float(np.abs(expected).max())
    allowed = max(TOLERANCE[quantize], MIXED * mixed) * max(1.0, largest)
    if not difference.max() <= allowed:
        raise RuntimeError(
            "The exported model returns other logits than its origin, so it was not "
            f"kept. Expected a difference of at most {allowed:.1e}. "
            f"Received: {difference.max():.1e}"
        )
    if quantize == "int8":
        accuracy_check.check(reference, logits, "the file as reported")
    if runtime == "saved_model" and reference.picture is not None:
        check_reading(path, reference.picture, TOLERANCE["none"])
    found = reference.comparison(logits)
    modes = [mode_of(runtime, measured, found)]
    if runtime in runtime_check.BY_DEFAULT:
        other = runtime_check.BY_DEFAULT[runtime]
        by_default, times = run_in_fresh_process(other, path, reference.images)
        modes.append(mode_of(other, times, reference.comparison(by_default)))
    del measured["precision"]
    compared = reference.compared()
    return Report(
        format=runtime,
        quantize=quantize,
        size_bytes=_size(path),
        images=len(logits),
        source=reference.source,
        largest_logit=float(np.abs(compared).max()),
        accuracy_of_origin=reference.accuracy(compared),
        sha256=digest(path) if path.suffix == ".tflite" else None,
        modes=modes,
        **found,
        **measured,
    )


def _size(path: pathlib.Path) -> int:
    """Return the bytes of a file and of what was written beside it, or of a folder."""
    folder = path if path.is_dir() else path.parent
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
