"""The JSON of answers, read back by Python's own reader."""

import base64
import json

import numpy as np
import pytest

from keras_vit.serving.response import response_body

OUTPUTS = {
    "classes": np.array([[b"gnu", '\u00e7"\n'.encode()], [b"", b"\xff"]], object),
    "logits": np.float32([[0.1, -3e-12], [16777216, 1.5e30]]),
    "attention": np.arange(12, dtype=np.float32).reshape(2, 2, 3) / 7,
    "count": np.int64([3, -4]),
    "good": np.array([True, False]),
}
ROWS = [
    {name: value[row].tolist() for name, value in OUTPUTS.items()} for row in (0, 1)
]
for row, names in zip(ROWS, [["gnu", 'ç"\n'], ["", "\ufffd"]], strict=True):
    row["classes"] = names


def single(row):
    """A row as float32, in which its numbers were before."""
    return row | {
        name: np.float32(row[name]).tolist() for name in ("logits", "attention")
    }


def test_rows_are_objects_of_all_outputs():
    told = json.loads(response_body(OUTPUTS, 2, by_row=True))
    assert list(told) == ["predictions"]
    assert [single(row) for row in told["predictions"]] == ROWS


@pytest.mark.parametrize(("by_row", "key"), [(True, "predictions"), (False, "outputs")])
def test_an_error_stands_before_what_is_told_all_the_same(by_row, key):
    told = json.loads(response_body(OUTPUTS, 2, by_row, 'no "image"'))
    assert list(told) == ["error", key]
    assert told["error"] == 'no "image"'
    assert {key: told[key]} == json.loads(response_body(OUTPUTS, 2, by_row))


def test_columns_are_an_object_of_lists():
    told = json.loads(response_body(OUTPUTS, 2, by_row=False))
    assert list(told) == ["outputs"]
    expected = {name: [row[name] for row in ROWS] for name in OUTPUTS}
    assert single(told["outputs"]) == expected


def test_a_single_output_stands_without_its_name():
    outputs = {"features": np.float32([[1, 2], [3, 4]])}
    rows = response_body(outputs, 2, by_row=True)
    assert rows == b'{"predictions":[[1.0,2.0],[3.0,4.0]]}'
    columns = response_body(outputs, 2, by_row=False)
    assert columns == b'{"outputs":[[1.0,2.0],[3.0,4.0]]}'


def test_bytes_are_base64_where_the_name_says_so():
    body = response_body({"png_bytes": np.array([b"\xff\0"], object)}, 1, by_row=True)
    (told,) = json.loads(body)["predictions"]
    assert base64.b64decode(told["b64"]) == b"\xff\0"


def test_every_float32_comes_back_and_is_short(rng):
    bits = rng.integers(0, 2**32, 20_000, dtype=np.uint32)
    values = bits.view(np.float32)
    values = values[np.isfinite(values)]
    body = response_body({"x": values}, len(values), by_row=False)
    told = np.array(json.loads(body)["outputs"], np.float64)
    np.testing.assert_array_equal(told.astype(np.float32), values)
    assert b'"outputs":[0.1]' in response_body(
        {"x": np.float32([0.1])}, 1, by_row=False
    )


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_is_written_as_tensorflow_serving_does(value):
    body = response_body({"x": np.float32([value, 1])}, 2, by_row=False)
    np.testing.assert_array_equal(json.loads(body)["outputs"], [value, 1])


def test_an_output_without_elements_is_empty_lists():
    body = response_body({"x": np.zeros((2, 0), np.float32)}, 2, by_row=True)
    assert json.loads(body) == {"predictions": [[], []]}
