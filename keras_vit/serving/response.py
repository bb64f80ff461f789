"""The outputs of a model -> the JSON that TensorFlow Serving would send."""

import base64
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import orjson


def response_body(
    outputs: Mapping[str, np.ndarray], count: int, by_row: bool, error: str = ""
) -> bytes:
    """Return the body of a response.

    A single output stands without its name. Floating-point numbers have as many
    digits as tell them from their neighbours, in their own precision. Strings are
    UTF-8; those whose name ends with `_bytes` are base64 in an object.

    Args:
        outputs: arrays `(count, ...)` by name; bytes as objects.
        count: of images.
        by_row: whether to return `predictions`, a row for each image, or `outputs`,
            a column for each name.
        error: a message before them, where no image could be read.

    Returns:
        Bytes of JSON.

    Example:

    >>> import numpy as np
    >>> outputs = {"logits": np.float32([[0.1, 2]]), "error": np.array([b""])}
    >>> response_body(outputs, 1, by_row=True)
    b'{"predictions":[{"logits":[0.1,2.0],"error":""}]}'
    """
    columns: dict[str, Any] = {
        name: _plain(value.tolist(), name.endswith("_bytes"))
        if value.dtype.kind in "OS"
        else value
        for name, value in outputs.items()
    }
    content: dict[str, Any] = {"error": error} if error else {}
    if not by_row:
        content["outputs"] = _without_name(columns)
    else:
        content["predictions"] = [
            _without_name({name: column[row] for name, column in columns.items()})
            for row in range(count)
        ]
    floats = (value for value in outputs.values() if value.dtype.kind == "f")
    if all(np.isfinite(value).all() for value in floats):
        return orjson.dumps(content, _as_lists, orjson.OPT_SERIALIZE_NUMPY)
    # NaN and Infinity, which TensorFlow Serving writes though JSON has no such words.
    text = json.dumps(
        content, default=_as_lists, ensure_ascii=False, separators=(",", ":")
    )
    return text.encode()


def _without_name(columns: dict[str, Any]) -> Any:
    return next(iter(columns.values())) if len(columns) == 1 else columns


def _plain(value: Any, binary: bool) -> Any:
    """Return nested lists with text, or objects of base64, where there were bytes."""
    if isinstance(value, list):
        return [_plain(one, binary) for one in value]
    if binary:
        return {"b64": base64.b64encode(value).decode()}
    return value.decode("utf-8", "replace")


def _as_lists(value: Any) -> Any:
    """Return an array that the writer of JSON does not know as lists."""
    if value.dtype.kind == "f":  # by its own digits
        value = value.astype(str).astype(float)
    return value.tolist()
