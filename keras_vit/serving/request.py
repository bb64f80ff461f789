"""The body of a request -> a signature of the model and its inputs."""

import binascii
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson

from keras_vit.serving.limits import Limits, RefusedError
from keras_vit.serving.pixels import is_image
from keras_vit.serving.servable import Input, Inputs, Signature

DEFAULT = "serving_default"
TENSORS = ("instances", "inputs")
OBJECTS = 64  # of JSON, that an image may take
FORMAT = (
    'a JSON object such as {"instances": [{"b64": "..."}]}, with an optional '
    '"signature_name"'
)


@dataclass(frozen=True)
class PredictRequest:
    """A request for predictions.

    Attributes:
        signature: the name of a signature.
        inputs: for each of its names an array `(count, ...)`, or a list of bytes.
        count: the number of images.
        by_row: whether the response is a list of rows; else it is columns.
    """

    signature: str
    inputs: Inputs
    count: int
    by_row: bool


def read_request(
    body: bytes | bytearray, signatures: Mapping[str, Signature], limits: Limits
) -> PredictRequest:
    """Read the body of a `:predict` request: rows, columns, or one image file.

    Args:
        body: bytes of JSON, or of a JPEG, PNG, WebP, BMP or GIF file, which is an
            image for `serving_default`.
        signatures: a `Signature` for each name.
        limits: how many images and numbers a request may have.

    Returns:
        A `PredictRequest`.

    Raises:
        RefusedError: 400, with what was expected and what was received; 413 for
            too many images or numbers.

    Example:

    >>> from keras_vit.serving.servable import Input, Signature
    >>> double = Signature({"x": Input("float32", (2,))}, None)
    >>> body = b'{"signature_name": "double", "instances": [[1, 2], [3, 4]]}'
    >>> read_request(body, {"double": double}, Limits()).inputs["x"].tolist()
    [[1.0, 2.0], [3.0, 4.0]]
    """
    if is_image(body):
        return _of_file(bytes(body), signatures)
    members = _members(body, limits)
    name = members.get("signature_name", DEFAULT)
    if not isinstance(name, str) or name not in signatures:
        raise _wrong(f"one of the signatures {', '.join(signatures)}", name)
    keys = [key for key in TENSORS if key in members]
    if len(keys) != 1:
        raise _wrong(
            "either 'instances' or 'inputs'", " and ".join(keys) or "neither of them"
        )
    inputs = signatures[name].inputs
    by_row = keys == ["instances"]
    values = (_from_rows if by_row else _from_columns)(members[keys[0]], inputs)
    counts = {key: len(values[key]) for key in inputs}
    if max(counts.values()) > limits.images:
        raise RefusedError(
            413, f"Expected at most {limits.images} images in a request. Received: more"
        )
    if len(set(counts.values())) != 1 or not min(counts.values()):
        raise _wrong("at least one image, and as many of each input", counts)
    columns = {key: _column(key, values[key], one) for key, one in inputs.items()}
    return PredictRequest(name, columns, next(iter(counts.values())), by_row)


def _of_file(file: bytes, signatures: Mapping[str, Signature]) -> PredictRequest:
    """Return the request of a body that is an image file itself."""
    inputs = signatures[DEFAULT].inputs if DEFAULT in signatures else {}
    if [one.dtype for one in inputs.values()] != ["string"]:
        raise _wrong(FORMAT, f"an image file, which {DEFAULT} does not take")
    return PredictRequest(DEFAULT, {next(iter(inputs)): [file]}, 1, by_row=True)


def _members(body: bytes | bytearray, limits: Limits) -> dict[str, Any]:
    """Read JSON, of which Python makes an object for each number."""
    if not body:
        raise _wrong(FORMAT, "an empty body")
    most, images = limits.numbers, limits.images
    if body.count(b",") > most:
        raise RefusedError(
            413,
            f"Expected at most {most:,} numbers in a request. Received: more. Send "
            "image files, or fewer images at a time.",
        )
    if body.count(b"{") > OBJECTS * images + OBJECTS:
        raise RefusedError(
            413, f"Expected at most {images} images in a request. Received: more"
        )
    try:
        members = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise _wrong(FORMAT, f"a body that cannot be read: {error}") from None
    if not isinstance(members, dict):
        raise _wrong(FORMAT, _kind(members))
    return members


def _from_rows(rows: Any, inputs: Collection[str]) -> dict[str, list[Any]]:
    if not isinstance(rows, list):
        raise _wrong("'instances' to be a list", _kind(rows))
    columns: dict[str, list[Any]] = {name: [] for name in inputs}
    for number, row in enumerate(rows):
        if isinstance(row, dict) and not _is_base64(row):
            if set(row) != set(inputs):
                raise _wrong(
                    f"instances[{number}] to have {', '.join(inputs)}",
                    ", ".join(row) or "nothing",
                )
            for name in inputs:
                columns[name].append(row[name])
        elif len(inputs) > 1:
            raise _wrong(
                f"instances[{number}] to be an object with {', '.join(inputs)}",
                _kind(row),
            )
        else:
            columns[next(iter(inputs))].append(row)
    return columns


def _from_columns(columns: Any, inputs: Collection[str]) -> dict[str, list[Any]]:
    if not isinstance(columns, dict) or _is_base64(columns):
        if len(inputs) > 1:
            raise _wrong(
                f"'inputs' to be an object with {', '.join(inputs)}", _kind(columns)
            )
        columns = {next(iter(inputs)): columns}
    if set(columns) != set(inputs):
        raise _wrong(
            f"'inputs' to have {', '.join(inputs)}", ", ".join(columns) or "nothing"
        )
    for name, column in columns.items():
        if not isinstance(column, list):
            raise _wrong(f"{name} to be a list with an element an image", _kind(column))
    return columns


def _column(name: str, values: Sequence[Any], one: Input) -> np.ndarray | list[bytes]:
    """Return the values of one input, as the model takes them."""
    if one.dtype == "string":
        return [_bytes(name, number, value) for number, value in enumerate(values)]
    expected = f"{name} of {one} for each image"
    arrays: list[np.ndarray] = []
    for number, value in enumerate(values):
        where = f"image {number}"
        array = _numbers(value, expected, where)
        fits = len(array.shape) == len(one.shape) and all(
            expected_size in (None, size)
            for expected_size, size in zip(one.shape, array.shape, strict=True)
        )
        if not fits or (arrays and array.shape != arrays[0].shape):
            raise _wrong(expected, f"the shape {array.shape} for {where}")
        arrays.append(_cast(array, one, expected, where))
    return np.stack(arrays) if arrays else []


def _numbers(value: Any, expected: str, where: str) -> np.ndarray:
    """Return the array that lists of numbers are.

    What they hold is looked at before there is an array of numbers: among them, NumPy
    takes `true` for 1, and makes each number as long as the longest text.
    """
    differ = f"lists side by side that differ in length for {where}"
    try:
        objects = np.asarray(value, object)
    except ValueError:
        raise _wrong(expected, differ) from None
    flat = objects.ravel().tolist()
    others = {*map(type, flat)} - {int, float}
    if others:
        one = next(one for one in flat if type(one) in others)
        nested = isinstance(value, list) and isinstance(one, list)
        raise _wrong(expected, differ if nested else f"{_kind(one)} for {where}")
    return np.asarray(flat).reshape(objects.shape)


def _cast(array: np.ndarray, one: Input, expected: str, where: str) -> np.ndarray:
    dtype = np.dtype(one.dtype)
    if dtype.kind in "iu":
        if array.dtype.kind == "f":
            raise _wrong(expected, f"numbers that are not whole for {where}")
        bounds = np.iinfo(dtype)
        if array.size and not bounds.min <= array.min() <= array.max() <= bounds.max:
            raise _wrong(
                f"{expected}, from {bounds.min} to {bounds.max}",
                f"{array.min()} to {array.max()} for {where}",
            )
    with np.errstate(over="ignore"):
        cast = array.astype(dtype)
    if dtype.kind == "f" and not np.isfinite(cast).all():
        raise _wrong(expected, f"numbers that are too large for {where}")
    return cast


def _is_base64(value: Mapping[str, Any]) -> bool:
    return set(value) == {"b64"}


def _bytes(name: str, number: int, value: Any) -> bytes:
    """Return the bytes of an image, from base64 in an object."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace")
    if not isinstance(value, dict) or not _is_base64(value):
        raise _wrong(
            f'{name} of image {number} as {{"b64": "..."}}',
            ", ".join(value) if isinstance(value, dict) else _kind(value),
        )
    text = value["b64"]
    if not isinstance(text, str):
        raise _wrong(f"base64 in a string for image {number}", _kind(text))
    try:
        return binascii.a2b_base64(text, strict_mode=True)
    except ValueError:  # perhaps for lines, or for an end without its '='
        text = "".join(text.split()).rstrip("=")
    try:
        return binascii.a2b_base64(text + "=" * (-len(text) % 4), strict_mode=True)
    except ValueError as error:
        raise _wrong(f"base64 for image {number}", str(error)) from None


def _kind(value: Any) -> str:
    """Return JSON's word for a value."""
    if value is None:
        return "null"
    for kind, name in (
        (list, "a list"),
        (dict, "an object"),
        (str, "a string"),
        (bool, "true or false"),
    ):
        if isinstance(value, kind):
            return name
    return "a number"


def _wrong(expected: str, received: object) -> RefusedError:
    return RefusedError(400, f"Expected {expected}. Received: {received}"[:500])
