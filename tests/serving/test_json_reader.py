"""What is read of a request's JSON, beside Python's own reader."""

import json

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from keras_vit.serving.json_reader import scan

PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**60), 2**60)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4)
    ),
    max_leaves=12,
)


def as_lists(value):
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, list):
        return [as_lists(one) for one in value]
    if isinstance(value, dict):
        return {key: as_lists(one) for key, one in value.items()}
    return value


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    said=st.dictionaries(
        st.sampled_from(["instances", "inputs", "signature_name", "ä\n"]), PLAIN
    ),
    indent=st.sampled_from([None, 2]),
    ascii=st.booleans(),
)
def test_what_json_reads_is_read(said, indent, ascii):
    text = json.dumps(said, indent=indent, ensure_ascii=ascii)
    try:
        found = as_lists(scan(text.encode(), most=4))
    except ValueError as error:
        assert "differ in length" in str(error)
    else:
        assert found == json.loads(text)


@settings(deadline=None)
@given(text=st.text(alphabet='{}[]":,1.e-N aintucse\\', max_size=30))
def test_what_json_does_not_read_is_an_error(text):
    try:
        expected = json.loads(text)
    except ValueError:
        with pytest.raises(ValueError):
            scan(text.encode(), most=9)
        return
    if not isinstance(expected, dict):
        with pytest.raises(ValueError, match="begin with {"):
            scan(text.encode(), most=9)


@pytest.mark.parametrize("cut", range(1, 40))
def test_a_text_that_ends_too_early_is_an_error(cut):
    text = b'{"instances": [{"b64": "aGk="}, [[1]]]}'
    assert len(text) == 39
    if cut < len(text):
        with pytest.raises(ValueError):
            scan(text[:cut], most=9)
    else:
        scan(text, most=9)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b'{"inputs": [[NaN]]}', "NaN is not a number"),
        (b'{"inputs": [[-Infinity]]}', "-Infinity is not a number"),
        (b'{"instances": [[[1, 2], [3]]]}', "differ in length"),
        (b'{"a": ' + b"[" * 100_000, r"more of '\['"),
        (b'{"instances": [' + b'{"a":' * 100_000, "more of '{'"),
        (b'{"a": [' + b"{}," * 100_000 + b"{}]}", "more of '{'"),
        (b'{"a": {' + b'"a":0,' * 100_000 + b'"a":0}}', "more of ':'"),
        (b'{"instances": [[' + b"[]," * 100_000 + b"[]]]}", r"more of '\['"),
        (b"\xff{}", "utf-8"),
        (b'{"a": 1} {', "follows its end at character 8"),
        (b'{"a": ' + b"1" * 5000 + b"}", "limit"),
    ],
)
def test_what_cannot_be_read_is_named(text, reason):
    with pytest.raises(ValueError, match=reason):
        scan(text, most=9)


def test_no_more_is_read_than_allowed():
    scan(b'{"inputs": {"a": [1, 2]}}', most=2)
    for text in (b'{"inputs": {"a": [1, 2, 3', b'{"instances": [1, 2, 3'):
        with pytest.raises(OverflowError):
            scan(text, most=2)


def test_numbers_become_arrays_one_image_at_a_time():
    images = np.arange(24).reshape(2, 2, 2, 3)
    text = json.dumps({"instances": images.tolist(), "x": [[1]]}).encode()
    found = scan(text, most=2)
    assert [one.dtype for one in found["instances"]] == [np.int64, np.int64]
    np.testing.assert_array_equal(found["instances"], images)
    assert found["x"] == [[1]]


@pytest.mark.parametrize(
    "text", ['["1"]', "[true]", "[null]", '[1, "2"]', "[[1, null]]"]
)
def test_lists_of_anything_else_do_not_become_arrays(text):
    found = scan(f'{{"instances": [{text}]}}'.encode(), most=2)
    assert found["instances"] == [json.loads(text)]
