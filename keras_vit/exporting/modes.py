"""The ways to load an exported file: what chooses the precision is no part of it."""

from collections.abc import Mapping, Sequence
from typing import Any

# The line of code that `runtime_check` loads a file by.
LOADED_BY = {
    "saved_model": "tf.saved_model.load(path)",
    "tflite": "Interpreter(path, num_threads=os.cpu_count())",
    "onnx": "InferenceSession(path, providers=['CPUExecutionProvider'])",
    "openvino": "Core().compile_model(path, 'CPU', "
    "{'INFERENCE_PRECISION_HINT': 'f32'})",
    "openvino, by default": "Core().compile_model(path, 'CPU')",
}
# What was not measured, as it is so on other hardware, or differs in time alone.
ELSEWHERE = {
    "saved_model": "This was checked on the processor. On a GPU TensorFlow may round "
    "float32 products to TF32, unless "
    "`tf.config.experimental.enable_tensor_float_32_execution(False)` comes first.",
    "tflite": "`Interpreter(path)` alone returns the same, on one thread.",
    "onnx": "`InferenceSession(path)` alone returns the same on a processor; other "
    "providers, such as CUDA's, have precisions of their own.",
    "openvino": "By default OpenVINO computes in bfloat16 where the processor has it. "
    "The file cannot say otherwise: the line of code does.",
}


def mode_of(
    runtime: str, measured: Mapping[str, Any], compared: Mapping[str, Any]
) -> dict[str, Any]:
    """Return what was measured of one way to load a file.

    Args:
        runtime: a key of `LOADED_BY`.
        measured: as `runtime_check.run` returns it.
        compared: as `ReferenceOutputs.comparison` returns it.

    Returns:
        A dict as `report.Report.modes` has it.
    """
    return {
        "code": LOADED_BY[runtime],
        "precision": measured["precision"],
        "largest_difference": compared["largest_difference"],
        "top1_agreement": compared["top1_agreement"],
        "accuracy": compared["accuracy"],
        "latency_ms": measured["latency_ms"],
    }


def lines_of(modes: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return a line on each mode of a file, where it has several."""
    return [
        f"{mode['code']} computes in {mode['precision']}: largest difference "
        f"{mode['largest_difference']:.1e}, {100 * mode['top1_agreement']:.2f} % "
        f"agree, {mode['latency_ms']['1']:.2f} ms at batch 1"
        for mode in (modes if len(modes) > 1 else [])
    ]


def section_of(format: str, modes: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the lines of a card on the modes of a file, in Markdown.

    Args:
        format: a key of `ELSEWHERE`.
        modes: of a report.
    """
    return [
        "",
        "The precision is chosen where the file is loaded. Compared as above:",
        "",
        "| loaded by | computes in | top-1 agreement | largest difference | "
        "ms, batch 1 |",
        "| --- | --- | ---: | ---: | ---: |",
        *(
            f"| `{one['code']}` | {one['precision']} | "
            f"{100 * one['top1_agreement']:.2f} % | "
            f"{one['largest_difference']:.1e} | {one['latency_ms']['1']:.2f} |"
            for one in modes
        ),
        "",
        ELSEWHERE[format],
    ]
