"""A .tflite file in float32 -> one with smaller numbers, by ai-edge-quantizer."""

import contextlib
import io
import os
import re
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any, cast

import numpy as np
from tqdm import tqdm

from keras_vit import compat
from keras_vit.verbosity import bars_shown

# What computes in int8, the most complete first. The products of attention are
# left out: as near as these (99.2 % of answers unchanged on Fashion-MNIST), but
# LiteRT's own kernels, not XNNPACK's, make B/16 twice as slow. So are
# normalisation, softmax and sums, which cost up to 3 points and time as well.
INT8 = {
    "dense layers and convolutions": ("FULLY_CONNECTED", "CONV_2D"),
    "dense layers": ("FULLY_CONNECTED",),
}
ALL = ".*"
# What has weights. A product of two activations, one of which is constant, as the
# learned query of attention pooling is, the quantizer would write so that it fails.
WEIGHTED = ("FULLY_CONNECTED", "CONV_2D", "DEPTHWISE_CONV_2D")


def small_weights(file: bytes, scheme: str) -> bytes:
    """Return a .tflite file with smaller weights of dense layers and convolutions.

    Args:
        file: the bytes of a .tflite file in float32.
        scheme: `"float16"`; or `"dynamic"`: int8, with a scale for each channel,
            where the runtime quantises activations, each row by its own range.
    """

    def choose(quantizer: Any) -> None:
        casting = {"algorithm_key": compat.quantizer_float_casting()}
        for operation in WEIGHTED:
            if scheme == "float16":
                quantizer.add_weight_only_config(ALL, operation, 16, **casting)
            else:
                quantizer.add_dynamic_config(ALL, operation, 8)

    return _rewritten(file, choose)


def int8(file: bytes, operations: Sequence[str], ranges: Any) -> bytes:
    """Return a .tflite file of which some operations compute in int8 throughout.

    The operations whose results are the file's outputs keep these in float32, with
    int8 weights: 256 values are few for logits.

    Args:
        file: the bytes of a .tflite file in float32.
        operations: a value of `INT8`.
        ranges: of activations, as `calibrated` returns them.
    """
    return _rewritten(file, lambda recipe: _static(recipe, file, operations), ranges)


def calibrated(file: bytes, batches: Sequence[np.ndarray]) -> Any:
    """Find the ranges of activations: from the smallest value to the largest.

    The quantizer's own moving average cuts off rare values, and was
    two to three times as far from the origin's logits.

    Args:
        file: the bytes of a .tflite file in float32.
        batches: a list of arrays that the file takes as `images`.

    Returns:
        What `int8` takes.
    """
    recipe = compat.quantizer_recipe()
    _static(recipe, file, INT8["dense layers and convolutions"])
    # Shown after five seconds, if it is not done by then.
    watched = tqdm(
        batches,
        "Calibrating",
        leave=False,
        delay=5,
        unit="batch",
        disable=not bars_shown(),
    )
    with _silent():
        calibrator = compat.min_max_calibrator(file, os.cpu_count() or 1)
    for batch in watched:
        with _silent():
            calibrator.calibrate({"serving_default": [{"images": batch}]}, recipe)
    return calibrator.get_model_qsvs()


def _static(recipe: Any, file: bytes, operations: Sequence[str]) -> None:
    for operation in operations:
        recipe.add_static_config(ALL, operation, 8, 8)
        for name in _outputs(file):
            last = rf"^{re.escape(name)}(;|$)"
            recipe.add_dynamic_config(last, operation, 8)


def _outputs(file: bytes) -> list[str]:
    """Return the names of the tensors that a file returns."""
    schema = compat.litert_schema()

    graph: Any = schema.Model.GetRootAs(file, 0).Subgraphs(0)
    return [graph.Tensors(i).Name().decode() for i in graph.OutputsAsNumpy()]


def _rewritten(file: bytes, choose: Callable[[Any], None], ranges: Any = None) -> bytes:
    from ai_edge_quantizer import Quantizer

    quantizer = Quantizer(file)
    choose(quantizer)
    with _silent():
        result = quantizer.quantize(
            ranges, enable_progress_bar=False, enable_progress_report=False
        )
    return bytes(cast("bytes", result.quantized_model))


@contextlib.contextmanager
def _silent() -> Iterator[None]:
    """Keep the quantizer from drawing bars, and from warning of itself."""
    with contextlib.redirect_stderr(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
