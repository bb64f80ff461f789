"""The formats that models are exported in, as words: one per row."""

import pathlib
from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, field
from importlib.util import find_spec
from typing import Any

from keras_vit.extras import install

SCHEMES = ("none", "float16", "dynamic", "int8")  # of `quantize`
PIXELS = ("float32", "uint8")  # dtypes of a .tflite file's images
PLACES = ("cpu",)  # that a file can be chosen for
EXTRA = "export"  # what packages of formats are in


@dataclass(frozen=True)
class Format:
    """What a format takes, needs and can hold.

    Attributes:
        options: the names of the options of `export` that it takes.
        suffix: of its file; `""`: a folder of versions.
        packages: that write and run it, of the extra `export`.
        schemes: of `SCHEMES`, those that it can be quantized by, each with the package
            that does it and the extras that bring that.
        max_bytes: of its weights, in float32; `None`: any number.
        precisions: `"any"`, or `"float32"`: it holds models in float32 alone.
    """

    options: tuple[str, ...] = ()
    suffix: str = ""
    packages: tuple[str, ...] = ()
    _: KW_ONLY
    schemes: dict[str, tuple[str, str]] = field(default_factory=dict)
    max_bytes: int | None = None
    precisions: str = "float32"


FORMATS: dict[str, Format] = {
    # The runtime of a SavedModel alone knows every precision.
    "saved_model": Format(("top", "xla"), precisions="any"),
    "tflite": Format(
        ("quantize", "calibration", "pixels", "batch_size"),
        ".tflite",
        ("ai_edge_litert",),
        schemes=dict.fromkeys(SCHEMES[1:], ("ai_edge_quantizer", EXTRA)),
        max_bytes=2_000_000_000,  # a flat buffer's
    ),
    "onnx": Format(
        ("quantize",),
        ".onnx",
        ("onnx", "tf2onnx", "onnxruntime"),
        schemes={"dynamic": ("onnxruntime", EXTRA)},
    ),
    "openvino": Format(
        ("quantize", "calibration"),
        ".xml",
        ("openvino", "onnx", "tf2onnx"),
        schemes={"int8": ("nncf", f"{EXTRA},nncf")},
    ),
}
DEFAULTS: dict[str, Any] = {
    "top": 5,
    "xla": False,
    "quantize": "none",
    "calibration": None,
    "pixels": "float32",
    "batch_size": 1,
}


def check_target(format: str, path: pathlib.Path) -> None:
    """Refuse a format that cannot be written here, before any work.

    Args:
        format: a key of `FORMATS`.
        path: where the file, or the folder of versions, is to be.

    Raises:
        ValueError: for an unknown format, or a path of another suffix.
        ImportError: if the format's packages are not installed.
    """
    if format not in FORMATS:
        raise ValueError(
            f"Unknown format. Expected one of {', '.join(FORMATS)}. "
            f"Received: {format!r}"
        )
    suffix = FORMATS[format].suffix
    if suffix and path.suffix != suffix:
        raise ValueError(
            f"{format} is written to a file that ends in {suffix}. Received: {path}"
        )
    absent = [one for one in FORMATS[format].packages if find_spec(one) is None]
    if absent:
        raise ImportError(
            f"{format} needs packages that are not installed: {', '.join(absent)}. "
            f"Install them: {install(EXTRA)}"
        )


def check_fastest(for_: str, path: pathlib.Path, format: str, quantize: str) -> None:
    """Refuse to find the fastest file where a part of it is decided.

    Args:
        for_: where it is to be fast, one of `PLACES`.
        path: of the file, without a suffix.
        format: a key of `FORMATS`, the default of `export`.
        quantize: of `SCHEMES`, the default of `export`.

    Raises:
        ValueError: saying what decides it.
    """
    if for_ not in PLACES:
        raise ValueError(
            f"for_ must be one of {', '.join(PLACES)}, or None. Received: for_={for_!r}"
        )
    if format != "saved_model" or quantize != DEFAULTS["quantize"]:
        raise ValueError(
            f"for_={for_!r} finds format and quantize by measuring. Expected neither. "
            f"Received: format={format!r}, quantize={quantize!r}"
        )
    if path.suffix in {one.suffix for one in FORMATS.values() if one.suffix}:
        raise ValueError(
            f"for_={for_!r} finds the format by measuring. Expected a path without "
            f"{path.suffix}, to which it adds its own. Received: {path}"
        )


def options_of(format: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options that a format takes.

    Args:
        format: a key of `FORMATS`.
        values: of all options, by the names of `DEFAULTS`.

    Raises:
        ValueError: for a value that is not allowed, or one of another format that
            is not the default.
        ImportError: if the packages that quantize are not installed.
    """
    taken = FORMATS[format].options
    for name, value in values.items():
        if name not in taken and value != DEFAULTS[name]:
            formats = [key for key, one in FORMATS.items() if name in one.options]
            raise ValueError(
                f"{name} is an option of {', '.join(formats)}. "
                f"Received: format={format!r}"
            )
    options = {name: values[name] for name in taken}
    quantize = options.get("quantize", "none")
    schemes = FORMATS[format].schemes
    if quantize in SCHEMES and quantize not in ("none", *schemes):
        formats = [key for key, one in FORMATS.items() if quantize in one.schemes]
        raise ValueError(
            f"quantize={quantize!r} is a scheme of {', '.join(formats)}; {format} has "
            f"{', '.join(('none', *schemes))}. Received: format={format!r}"
        )
    for name, choices in (("quantize", SCHEMES), ("pixels", PIXELS)):
        if name in options and options[name] not in choices:
            raise ValueError(
                f"{name} must be one of {', '.join(choices)}. "
                f"Received: {name}={options[name]!r}"
            )
    for name in ("top", "batch_size"):
        if name in options:
            _check_count(name, options[name])
    if quantize != "int8" and options.get("calibration") is not None:
        raise ValueError(
            f"calibration is for quantize='int8' alone. Received: quantize={quantize!r}"
        )
    if quantize not in ("none", *schemes_here(format)):
        package, extras = schemes[quantize]
        raise ImportError(
            f"quantize={quantize!r} needs a package that is not installed: "
            f"{package}. Install it: {install(extras)}"
        )
    return options


def schemes_here(format: str) -> list[str]:
    """Return how a format can be quantized by the packages that are installed."""
    schemes = FORMATS[format].schemes.items()
    return [name for name, (package, _) in schemes if find_spec(package)]


def _check_count(name: str, value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError(
            f"{name} must be a positive integer. Received: {name}={value!r}"
        )
