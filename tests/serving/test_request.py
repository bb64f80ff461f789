"""What a request's body asks, and what is wrong with it."""

import base64
import json
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_vit.serving.limits import Limits, RefusedError
from keras_vit.serving.request import read_request
from keras_vit.serving.servable import Input, Signature
from support.damaged import encoded, smooth

SIGNATURES = {
    "serving_default": Signature({"image_bytes": Input("string", ())}, None),
    "pixels": Signature({"images": Input("float32", (2, 3, 3))}, None),
    "pixels_uint8": Signature({"images": Input("uint8", (2, 3, 3))}, None),
    "two": Signature({"a": Input("string", ()), "b": Input("int32", (None,))}, None),
}
FILE = bytes(range(256))
CODED = base64.b64encode(FILE).decode()


def read(most=4, **said):
    return read_request(json.dumps(said).encode(), SIGNATURES, Limits(images=most))


@pytest.mark.parametrize(
    "said",
    [
        {"instances": [{"b64": CODED}]},
        {"instances": [{"image_bytes": {"b64": CODED}}]},
        {"inputs": {"image_bytes": [{"b64": CODED}]}},
        {"inputs": [{"b64": CODED}]},
        {"instances": [{"b64": base64.encodebytes(FILE).decode()}]},
        {"instances": [{"b64": CODED.rstrip("=")}]},
        {"signature_name": "serving_default", "instances": [{"b64": CODED}]},
    ],
)
def test_bytes_are_read_in_every_format(said):
    request = read(**said)
    assert request.inputs == {"image_bytes": [FILE]}
    assert (request.signature, request.count) == ("serving_default", 1)
    assert request.by_row == ("instances" in said)


def test_a_string_is_its_bytes_in_utf_8():
    assert read(instances=["ä", ""]).inputs == {"image_bytes": ["ä".encode(), b""]}


@pytest.mark.parametrize("signature", ["pixels", "pixels_uint8"])
@pytest.mark.parametrize("by_name", [False, True])
@pytest.mark.parametrize("by_row", [False, True])
def test_numbers_are_read_in_every_format(signature, by_name, by_row, rng):
    images = rng.integers(0, 256, (3, 2, 3, 3))
    given = images.tolist()
    if by_name:
        given = [{"images": one} for one in given] if by_row else {"images": given}
    request = read(
        signature_name=signature, **{"instances" if by_row else "inputs": given}
    )
    array = request.inputs["images"]
    assert array.dtype == SIGNATURES[signature].inputs["images"].dtype
    np.testing.assert_array_equal(array, images)


def test_fractions_are_rounded_to_float32_once():
    image = np.full((2, 3, 3), 0.1)
    request = read(signature_name="pixels", instances=[image.tolist()])
    assert (request.inputs["images"] == np.float32(0.1)).all()


def test_several_inputs_are_put_together():
    rows = [{"a": "x", "b": [1, 2]}, {"b": [3, 4], "a": "y"}]
    request = read(signature_name="two", instances=rows)
    assert request.inputs["a"] == [b"x", b"y"]
    assert request.inputs["b"].tolist() == [[1, 2], [3, 4]]
    columns = {"a": ["x", "y"], "b": [[1, 2], [3, 4]]}
    again = read(signature_name="two", inputs=columns)
    np.testing.assert_array_equal(again.inputs["b"], request.inputs["b"])


IMAGE = np.zeros((2, 3, 3), int).tolist()
WRONG = np.zeros((3, 2, 3), int).tolist()


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({}, "either 'instances' or 'inputs'. Received: neither"),
        ({"instances": [], "inputs": []}, "Received: instances and inputs"),
        ({"instances": []}, "at least one image"),
        ({"inputs": []}, "at least one image"),
        ({"instances": {}}, "'instances' to be a list. Received: an object"),
        ({"instances": "x"}, "'instances' to be a list. Received: a string"),
        ({"instances": [1]}, '"b64": "..."}. Received: a number'),
        ({"instances": [[1]]}, "Received: a list"),
        ({"instances": [None]}, "Received: null"),
        ({"instances": [{"b64": "!!!!"}]}, "base64 for image 0"),
        ({"instances": [{"b64": "aGk=", "x": 1}]}, r"instances\[0\] to have image_b"),
        ({"instances": [{"b64": "aGk="}, {"b64": "a"}]}, "base64 for image 1"),
        ({"instances": [{"b64": "ä"}]}, "base64 for image 0"),
        ({"instances": [{"b64": 3}]}, "in a string for image 0. Received: a number"),
        ({"instances": [{"image": {"b64": ""}}]}, "to have image_bytes. Received: ima"),
        ({"instances": [{}]}, "to have image_bytes. Received: nothing"),
        ({"inputs": {"x": []}}, "'inputs' to have image_bytes. Received: x"),
        ({"inputs": {}}, "'inputs' to have image_bytes. Received: nothing"),
        ({"inputs": {"b64": CODED}}, "to be a list with an element an image"),
        ({"inputs": 3}, "image_bytes to be a list with an element an image"),
        ({"signature_name": "x", "instances": [1]}, "serving_default, pixels, pixels_"),
        ({"signature_name": 3, "instances": [1]}, "one of the signatures"),
    ],
)
def test_what_is_wrong_with_a_question_is_said(said, message):
    with pytest.raises(RefusedError, match=message) as caught:
        read(**said)
    assert caught.value.status == 400


@pytest.mark.parametrize(
    ("signature", "images", "message"),
    [
        ("pixels", [WRONG], r"float32 \(2, 3, 3\) for each image. .*\(3, 2, 3\)"),
        ("pixels", [IMAGE, WRONG], r"\(3, 2, 3\) for image 1"),
        ("pixels", [7], r"the shape \(\) for image 0"),
        ("pixels", ["x"], "a string for image 0"),
        ("pixels", [True], "true or false for image 0"),
        ("pixels", [[["1"]]], "a string for image 0"),
        ("pixels", [[[None] * 3] * 3] * 2, "null for image 0"),
        ("pixels", (np.ones((1, 2, 3, 3)) * 1e39).tolist(), "too large for image 0"),
        ("pixels", [[[[1, 2], [3]]]], "differ in length for image 0"),
        ("pixels", [[1, "2"]], "a string for image 0"),
        ("pixels", [[1, True]], "true or false for image 0"),
        ("pixels", [{"b64": CODED}], "an object for image 0"),
        ("pixels_uint8", (np.ones((1, 2, 3, 3)) / 2).tolist(), "not whole for image 0"),
        ("pixels_uint8", [(np.array(IMAGE) - 1).tolist()], "0 to 255. Received: -1"),
        ("pixels_uint8", [(np.array(IMAGE) + 256).tolist()], "256 to 256 for image 0"),
    ],
)
@pytest.mark.parametrize("key", ["instances", "inputs"])
def test_pixels_of_another_shape_or_kind_are_refused(signature, images, message, key):
    with pytest.raises(RefusedError, match=message) as caught:
        read(signature_name=signature, **{key: images})
    assert caught.value.status == 400


@pytest.mark.parametrize(
    ("signature", "said", "message"),
    [
        ("two", {"instances": ["x"]}, "an object with a, b. Received: a string"),
        ("two", {"instances": [{"a": "x"}]}, "to have a, b. Received: a"),
        ("two", {"inputs": ["x"]}, "an object with a, b. Received: a list"),
        ("two", {"inputs": {"a": ["x"], "b": []}}, "as many of each input"),
        ("two", {"inputs": {"a": ["x", "y"], "b": [[1], [1, 2]]}}, "shape .2,. for im"),
    ],
)
def test_several_inputs_have_to_fit_each_other(signature, said, message):
    with pytest.raises(RefusedError, match=message):
        read(signature_name=signature, **said)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "Received: an empty body"),
        (b"instances=1", "cannot be read: "),
        (b"[]", "Received: a list"),
        (b"\xff{}", "valid UTF-8|utf-8"),
        (b'{"instances": [{"b64": "aGk="}', "cannot be read: "),
        (b'{"inputs": [[NaN]]}', "cannot be read: "),
        (b'{"inputs": [[-Infinity]]}', "cannot be read: "),
        (b'{"a": 1} {', "cannot be read: "),
        (b'{"instances": ' + b"[" * 100_000, "cannot be read: "),
        (b'{"instances": [' + b'{"a":' * 5_000, "cannot be read: "),
    ],
)
def test_what_is_not_json_is_refused_with_an_example(body, message):
    with pytest.raises(RefusedError, match=message) as caught:
        read_request(body, SIGNATURES, Limits())
    assert caught.value.status == 400
    assert '{"instances": [{"b64": "..."}]}' in caught.value.message


@pytest.mark.parametrize("key", ["instances", "inputs"])
def test_too_many_images_are_refused(key):
    assert read(most=3, **{key: ["x"] * 3}).count == 3
    with pytest.raises(RefusedError, match="at most 3 images") as caught:
        read(most=3, **{key: ["x"] * 4})
    assert caught.value.status == 413


@pytest.mark.parametrize(
    "body",
    [
        json.dumps({"signature_name": "pixels", "instances": [IMAGE, IMAGE]}).encode(),
        b'{"a": [' + b"{}," * 100_000 + b"{}]}",
        b'{"instances": [[' + b"[]," * 100_000 + b"[]]]}",
        b'{"a": {' + b'"a":0,' * 100_000 + b'"a":0}}',
    ],
)
def test_more_numbers_than_are_allowed_are_refused_before_they_are_read(body):
    with pytest.raises(RefusedError, match="at most 30 numbers") as caught:
        read_request(body, SIGNATURES, Limits(numbers=30))
    assert caught.value.status == 413


@pytest.mark.parametrize("cut", range(1, 39))
def test_a_text_that_ends_too_early_is_an_error(cut):
    text = b'{"instances": [{"b64": "aGk="}, [[1]]]}'
    with pytest.raises(RefusedError, match="cannot be read"):
        read_request(text[:cut], SIGNATURES, Limits())


@settings(deadline=None)
@given(text=st.text(alphabet='{}[]":,1.e-N aintucse\\', max_size=30))
def test_no_text_is_an_error_of_another_kind(text):
    with pytest.raises(RefusedError) as caught:
        read_request(text.encode(), SIGNATURES, Limits())
    assert caught.value.status == 400


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "BMP", "GIF"])
def test_a_body_that_is_an_image_file_is_one_image(form, rng):
    file = encoded(smooth(rng, 8, 8), form)
    request = read_request(bytearray(file), SIGNATURES, Limits())
    assert request.inputs == {"image_bytes": [file]}
    assert (request.signature, request.count) == ("serving_default", 1)
    assert request.by_row
    pixels = {"pixels": SIGNATURES["pixels"]}
    with pytest.raises(RefusedError, match="which serving_default does not take"):
        read_request(file, pixels, Limits())


def test_an_error_is_short_however_long_the_request():
    with pytest.raises(RefusedError) as caught:
        read(instances=[{"x" * 100_000: 1}])
    assert len(caught.value.message) <= 500


def test_more_objects_than_images_can_take_are_refused_before_they_are_made():
    body = b'{"instances": [' + b'{"a":1},' * 100_000 + b"{}]}"
    with pytest.raises(RefusedError, match="at most 128 images") as caught:
        read_request(body, SIGNATURES, Limits())
    assert caught.value.status == 413


def test_a_long_text_among_numbers_takes_no_memory():
    head = b'{"signature_name": "pixels", "instances": [["'
    body = head + b"a" * 1_000_000 + b'"' + b", 1" * 1_000_000 + b"]]}"
    tracemalloc.start()
    with pytest.raises(RefusedError, match="a string for image 0"):
        read_request(body, SIGNATURES, Limits())
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 100e6
