"""The outputs of a model -> the JSON that TensorFlow Serving would send."""

import json
import math
from collections.abc import Mapping

import numpy as np

_quoted = json.JSONEncoder(check_circular=False).encode


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
    columns = {
        name: _texts(value, name.endswith("_bytes")) for name, value in outputs.items()
    }
    prefix = f'"error":{_quoted(error)},' if error else ""
    if not by_row:
        columns = {name: f"[{','.join(rows)}]" for name, rows in columns.items()}
        return f'{{{prefix}"outputs":{_named(columns)}}}'.encode()
    rows = (
        _named({name: column[number] for name, column in columns.items()})
        for number in range(count)
    )
    return f'{{{prefix}"predictions":[{",".join(rows)}]}}'.encode()


def _named(texts: Mapping[str, str]) -> str:
    if len(texts) == 1:
        return next(iter(texts.values()))
    return "{" + ",".join(f"{_quoted(name)}:{one}" for name, one in texts.items()) + "}"


def _texts(array: np.ndarray, binary: bool) -> list[str]:
    """Return the JSON text of each element of an array's first dimension."""
    shape = array.shape
    texts = _scalars(array.reshape(-1), binary)
    for axis in range(len(shape) - 1, 0, -1):
        size, many = shape[axis], math.prod(shape[:axis])
        texts = [
            f"[{','.join(texts[at * size : (at + 1) * size])}]" for at in range(many)
        ]
    return texts


def _scalars(flat: np.ndarray, binary: bool) -> list[str]:
    if flat.dtype.kind in "OS":
        if binary:
            return [_base64(one) for one in flat]
        return [_quoted(one.decode("utf-8", "replace")) for one in flat]
    if flat.dtype.kind == "b":
        return ["true" if one else "false" for one in flat]
    texts: list[str] = flat.astype("U").tolist()
    if flat.dtype.kind == "f" and not np.isfinite(flat).all():
        names = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}
        texts = [names.get(text, text) for text in texts]
    return texts


def _base64(value: bytes) -> str:
    import base64

    return f'{{"b64":"{base64.b64encode(value).decode()}"}}'
