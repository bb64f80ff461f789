"""The pixels of image files, told before they are decoded."""

import io
import warnings

import numpy as np
import pytest
from PIL import Image

from keras_vit.decoding import MAX_PIXELS
from keras_vit.serving.pixels import pixels_of
from support import damaged
from support.damaged import encoded, smooth


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "BMP", "GIF"])
def test_a_header_tells_what_is_decoded(form, rng):
    assert pixels_of(encoded(smooth(rng, 31, 47), form)) == 31 * 47


def test_a_header_is_read_where_all_else_is_cut_off(rng):
    for form, length in (("JPEG", 700), ("PNG", 30), ("WEBP", 60), ("BMP", 60)):
        data = encoded(smooth(rng, 61, 47), form)
        assert length < len(data)
        assert pixels_of(data[:length]) in {61 * 47, 0}, form
    assert pixels_of(encoded(smooth(rng, 61, 47), "PNG")[:30]) == 61 * 47


@pytest.mark.parametrize(
    "file", [b"", b"no image", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"]
)
def test_what_is_no_image_has_none(file):
    assert pixels_of(file) == 0


def test_what_the_model_refuses_by_itself_is_not_counted():
    side = int(MAX_PIXELS**0.5)
    for more, counted in ((0, side * side), (1, 0)):
        file = io.BytesIO()
        Image.new("1", (side + more, side)).save(file, "PNG")
        assert pixels_of(file.getvalue()) == counted
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of Pillow, about what is large
        bombs = {name: pixels_of(data) for name, data in damaged.bombs()}
    # That of texts alone is one that the model reads.
    assert {name for name, count in bombs.items() if count} == {"text.png"}


def test_no_damage_raises():
    for number in range(200):
        data, _ = damaged.one(np.random.default_rng([2, number]))
        assert 0 <= pixels_of(data) <= MAX_PIXELS
