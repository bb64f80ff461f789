import io
import json
import os
import pathlib
import struct
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from keras_vit.data.images import PLAIN
from keras_vit.data.preprocessing import preprocess
from keras_vit.decoding import Decoding
from keras_vit.exporting.served_images import batch, read_images
from keras_vit.preprocessing import PRESETS, Preprocessing
from support import damaged
from support.damaged import encoded, expected, smooth, turned

# Pillow's advice to those who convert its palettes, as the oracle does.
pytestmark = pytest.mark.filterwarnings("ignore:Palette images with Transparency")

SIZE = (40, 56)  # of the pictures: read for a model of it, they stay as they are
SPEC = [tf.TensorSpec((None,), tf.string)]


def graph(size=SIZE, way=PRESETS["vit_jax"], decoding=PLAIN):
    return tf.function(lambda data: read_images(data, size, way, decoding), SPEC)


read = graph()


@pytest.fixture
def picture(rng):
    return smooth(rng, *SIZE)


def with_alpha(picture):
    rgba = picture.copy()
    rgba.putalpha(picture.convert("L"))
    return rgba


def kinds(picture):
    """One file of each kind, by name."""
    rgba, palette = with_alpha(picture), picture.quantize(9)
    deep = np.asarray(picture.convert("L"), np.uint16) * 250
    more = {"save_all": True, "append_images": [picture.rotate(180)]}
    return {
        "jpeg": encoded(picture, "JPEG"),
        "progressive": encoded(picture, "JPEG", progressive=True, quality=95),
        "no subsampling": encoded(picture, "JPEG", subsampling=0),
        "RGB inside": encoded(picture, "JPEG", keep_rgb=True),
        "grey jpeg": encoded(picture.convert("L"), "JPEG"),
        "png": encoded(picture, "PNG"),
        "rgba": encoded(rgba, "PNG"),
        "grey and alpha": encoded(rgba.convert("LA"), "PNG"),
        "grey png": encoded(picture.convert("L"), "PNG"),
        "one colour missing": encoded(picture, "PNG", transparency=(0, 0, 0)),
        "bilevel": encoded(picture.convert("1"), "PNG"),
        "palette": encoded(palette, "PNG", transparency=b"\0\x7f"),
        "two colours": encoded(picture.quantize(2), "PNG", bits=1),
        "16 bits": encoded(Image.fromarray(deep), "PNG"),
        "gif": encoded(picture, "GIF"),
        "gif that is seen through": encoded(palette, "GIF", transparency=3),
        "gif that moves": encoded(picture, "GIF", **more),
        "webp": encoded(picture, "WEBP"),
        "lossless webp": encoded(picture, "WEBP", lossless=True),
        "webp with alpha": encoded(rgba, "WEBP"),
        "lossless webp with alpha": encoded(rgba, "WEBP", lossless=True, exact=True),
        "bmp": encoded(picture, "BMP"),
        "grey bmp": encoded(picture.convert("L"), "BMP"),
        "bmp of a palette": encoded(picture.quantize(30), "BMP"),
        "bmp with alpha": encoded(rgba, "BMP"),
    }


def check(contents, tolerance=0):
    """Each file gives Pillow's pixels, resized as by `predict` if need be."""
    pixels, _, errors = read(list(contents.values()))
    for index, (name, data) in enumerate(contents.items()):
        assert errors[index] == b"", name
        right = preprocess(expected(data), SIZE, PRESETS["vit_jax"])
        off = np.abs(pixels[index] - np.asarray(right, np.float32)).max()
        assert off <= tolerance, (name, off)


def test_every_kind_of_file_gives_pillows_pixels(picture):
    check(kinds(picture))


def test_cmyk_gives_pillows_pixels_to_one_level(picture):
    marked = encoded(picture.convert("CMYK"), "JPEG")
    place = marked.index(b"\xff\xee")
    plain = marked[:place] + marked[place + 16 :]
    assert b"Adobe" in marked
    assert b"Adobe" not in plain
    check({"marked by Adobe": marked, "not marked": plain}, tolerance=1)


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP"])
def test_a_picture_stands_upright(form, picture):
    check(
        {
            (orientation, little_endian): encoded(
                picture, form, exif=turned(orientation, little_endian), lossless=True
            )
            for orientation in range(10)
            for little_endian in (False, True)
        }
    )


def test_the_orientation_is_found_wherever_it_is_noted(picture):
    exif, profile = turned(6).tobytes(), bytes(range(250)) * 20
    data = encoded(picture, "JPEG")
    place = data.index(b"\xff\xdb")
    pieces = [(b"\xff\xe2", b"ICC_PROFILE\0\1\1" + profile), (b"\xff\xe1", exif)]
    segments = b"".join(
        marker + (len(text) + 2).to_bytes(2) + text for marker, text in pieces
    )
    xmp = b'<x:xmpmeta><rdf:Description tiff:Orientation="8"/></x:xmpmeta>'
    long = encoded(picture, "JPEG", exif=turned(5))
    entry = long.index(b"\x01\x12\0\x03\0\0\0\x01\0\x05\0\0")
    long = long[:entry] + b"\x01\x12\0\x04\0\0\0\x01\0\0\0\x05" + long[entry + 12 :]
    check(
        {
            "behind a profile": data[:place] + segments + data[place:],
            "behind a profile, at the start": data[:2] + segments + data[2:],
            "behind bytes that fill": data[:2] + b"\xff\xff" + segments + data[2:],
            "in XMP": encoded(picture, "JPEG", xmp=xmp),
            "in XMP of WebP": encoded(picture, "WEBP", xmp=xmp),
            "in XMP, and not in Exif": encoded(
                picture, "JPEG", xmp=xmp, exif=Image.Exif().tobytes()
            ),
            "in 4 bytes": long,
        }
    )


def test_cut_notes_tell_what_they_still_hold(picture):
    """Two entries of 12 bytes behind 16 others, the second one the orientation."""
    exif = turned(6).tobytes()
    ways = {
        length: encoded(picture, "JPEG", exif=exif[:length]) for length in range(6, 62)
    }
    pixels, _, errors = read(list(ways.values()))
    assert (errors.numpy() == b"").all()
    plain = np.asarray(Image.open(io.BytesIO(ways[6])))
    turned_now = preprocess(np.rot90(plain, -1), SIZE)
    for length, received in zip(ways, pixels, strict=True):
        right = plain if length < 16 + 2 * 12 else turned_now
        np.testing.assert_array_equal(received, right, err_msg=str(length))


def refused(data):
    """The error for a file, of which Pillow reads the whole one."""
    assert expected(data).shape == (*SIZE, 3)
    return read([data])[2].numpy()[0].decode()


def test_bmp_files_from_the_top_and_with_more_behind_them_are_read(picture):
    whole = encoded(picture, "BMP")
    rows = np.frombuffer(whole[54:], np.uint8).reshape(SIZE[0], -1)[::-1]
    sides = struct.pack("<ii", SIZE[1], -SIZE[0])
    check(
        {
            "from the top": whole[:18] + sides + whole[26:54] + rows.tobytes(),
            "with more behind them": whole + b"\0\0",
        }
    )


@pytest.mark.parametrize("grey", [True, False])
def test_colours_that_a_palette_lacks_are_those_of_pillow(picture, grey):
    numbers = np.asarray(picture.convert("L"))
    colours = np.repeat(np.arange(100, dtype=np.uint8)[:, None], 4, axis=1)
    colours[:, 3] = 0
    if not grey:
        colours = colours[::-1]
    data = bytearray(encoded(Image.fromarray(numbers), "BMP"))
    whole = bytes(data[:46]) + (100).to_bytes(4, "little") + bytes(data[50:54])
    whole = whole[:10] + (454).to_bytes(4, "little") + whole[14:]
    check({"of 100": whole + colours.tobytes() + bytes(data[1078:])})


def test_other_bmp_files_are_refused_with_what_is_read(picture):
    error = (
        "not a readable BMP image: damaged or cut, or not uncompressed pixels of "
        "8, 24 or 32 bits"
    )
    assert refused(encoded(picture.convert("1"), "BMP")) == error
    compressed = bytearray(encoded(picture.quantize(30), "BMP"))
    compressed[30] = 1
    assert read([bytes(compressed)])[2].numpy()[0].decode() == error


def gif_of(*frames, canvas, clear=None):
    """A GIF of frames that are given with their places: `(left, top, image)`."""
    parts = []
    for left, top, image in frames:
        data = encoded(image, "GIF")
        colours = 3 << (data[10] % 8 + 1)
        start = data.index(b",", 13 + colours)
        if clear is not None:
            parts.append(b"!\xf9\x04\x01\0\0" + bytes([clear]) + b"\0")
        place = struct.pack("<HH", left, top) + data[start + 5 : start + 9]
        flags = bytes([0x80 | data[10] % 8])
        parts += [b",", place, flags, data[13 : 13 + colours], data[start + 10 : -1]]
    return b"GIF89a" + struct.pack("<HH", *canvas) + b"\0\0\0" + b"".join(parts) + b";"


def test_of_a_gif_the_first_frame_is_shown_on_its_canvas(picture, rng):
    small = picture.crop((0, 0, 30, 25)).quantize(20)
    other = smooth(rng, *SIZE).quantize(5)
    frames = [(7, 9, small), (0, 0, other)]
    whole = gif_of(*frames, canvas=(56, 40))
    comment = (b"\xff" + bytes(255)) * 9 + b"\x02hi\0"
    check(
        {
            "in the middle": whole,
            "on what is seen through": gif_of(*frames, canvas=(56, 40), clear=11),
            "beyond the canvas": gif_of((30, 20, small), canvas=(56, 40)),
            "after a comment": whole[:13] + b"!\xfe" + comment + whole[13:],
        }
    )


def test_a_webp_that_moves_is_refused(picture):
    more = [picture.rotate(180)]
    moving = encoded(picture, "WEBP", save_all=True, append_images=more)
    assert refused(moving) == WORDS[b"RIFF\0\0\0\0WEBP"].decode()


def test_a_webp_is_of_the_size_that_its_header_says(picture):
    """So that the limit, which is read there, holds for what is decoded."""
    data = encoded(with_alpha(picture), "WEBP")
    place = data.index(b"VP8X") + 12
    for claimed in (9, 999):
        sides = claimed.to_bytes(3, "little") * 2
        (error,) = read([data[:place] + sides + data[place + 6 :]])[2].numpy()
        assert error == WORDS[b"RIFF\0\0\0\0WEBP"], claimed


def test_of_a_gif_nothing_behind_the_first_frame_is_read(picture):
    moving = kinds(picture)["gif that moves"]
    second = moving.rindex(b"!\xf9")
    check({"damaged": moving[:second] + bytes(range(1, 200))})


WORDS = {
    b"": b"empty: expected the bytes of an image file",
    b"no image": b"not a readable JPEG, PNG, WebP, BMP or GIF image",
    b"RIFF\0\0\0\0WAVE": b"not a readable JPEG, PNG, WebP, BMP or GIF image",
    b"\xff\xd8\xff": b"not a readable JPEG image: damaged or cut",
    b"\x89PNG\r\n\x1a\n": b"not a readable PNG image: damaged or cut",
    b"RIFF\0\0\0\0WEBP": (
        b"not a readable WebP image: damaged or cut, an animation, or TensorFlow is "
        b"older than 2.20"
    ),
    b"GIF89a": b"not a readable GIF image: damaged or cut",
}


def test_an_error_says_what_was_expected_in_a_line():
    pixels, windows, errors = read(list(WORDS))
    assert dict(zip(WORDS, errors.numpy(), strict=True)) == WORDS
    assert not np.any(pixels)
    assert not np.any(windows)


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "BMP", "GIF"])
def test_a_cut_file_is_refused(form, rng):
    data = encoded(smooth(rng, *SIZE), form)
    for length in range(20, len(data) - 3, 1 + len(data) // 20):
        error = read([data[:length]])[2].numpy()[0]
        assert error.startswith(b"not a readable "), length


@pytest.mark.parametrize("place", range(4))
def test_a_bad_image_takes_nothing_from_the_others(place, rng):
    pictures = [encoded(smooth(rng, *SIZE), "PNG") for _ in range(4)]
    alone = read(pictures)[0].numpy()
    for bad in (b"", b"text", pictures[place][:200]):
        given = [*pictures]
        given[place] = bad
        pixels, windows, errors = (told.numpy() for told in read(given))
        others = np.arange(4) != place
        np.testing.assert_array_equal(pixels[others], alone[others])
        np.testing.assert_array_equal(windows[others], [[0, 0, 1, 1]] * 3)
        assert (errors[others] == b"").all()
        assert errors[place] != b""
        assert not pixels[place].any()
        assert not windows[place].any()


@pytest.mark.parametrize("count", [0, 1, 7])
def test_a_batch_is_of_any_size_and_keeps_its_order(count):
    greys = [np.full((*SIZE, 3), 10 * n, np.uint8) for n in range(count)]
    files = [tf.io.encode_png(grey).numpy() for grey in greys]
    pixels, windows, errors = read(tf.constant(files, tf.string, (count,)))
    np.testing.assert_array_equal(pixels, np.reshape(greys, (count, *SIZE, 3)))
    assert windows.shape == (count, 4)
    assert errors.shape == (count,)


def test_pictures_are_resized_as_the_models_evaluation_does(rng):
    way = PRESETS["timm"]
    files = [
        encoded(smooth(rng, 61, 90), "PNG"),
        encoded(smooth(rng, 70, 33), "JPEG", exif=turned(6)),
        encoded(smooth(rng, 24, 32), "PNG"),
    ]
    pixels, _, errors = graph((24, 32), way)(files)
    assert (errors.numpy() == b"").all()
    for data, received in zip(files, pixels, strict=True):
        right = preprocess(expected(data), (24, 32), way)
        np.testing.assert_array_equal(received, right)


@pytest.mark.slow
def test_the_window_is_of_the_upright_picture(rng):
    """Of 40 x 120, turned: the middle third of its height."""
    way = Preprocessing("short_side")
    data = encoded(smooth(rng, 40, 120), "JPEG", exif=turned(6))
    _, (window,), _ = graph((20, 20), way)([data])
    np.testing.assert_allclose(window, [1 / 3, 0, 1 / 3, 1], atol=1e-6)


def test_the_limit_is_read_off_the_header(rng):
    names = {"jpeg", "png", "gif", "webp", "lossless webp", "webp with alpha", "bmp"}
    at_most, above = (
        [data for name, data in kinds(smooth(rng, *sides)).items() if name in names]
        for sides in ((40, 56), (41, 56))
    )
    limited = graph(decoding=Decoding(max_pixels=40 * 56))
    told = limited(at_most + above)[2].numpy().tolist()
    error = b"56 x 41 pixels are more than the limit of 2,240"
    assert told == [b""] * len(names) + [error] * len(names)


@pytest.mark.slow
def test_too_many_bytes_are_refused(picture, monkeypatch):
    files = [encoded(picture, "BMP"), encoded(picture, "JPEG")]
    monkeypatch.setattr(batch, "MOST_BYTES", 6000)
    _, _, errors = graph()(files)
    assert errors.numpy().tolist() == [
        b"6774 bytes are more than the limit of 6,000",
        b"",
    ]


def webp_bombs():
    """Headers that claim much, of both bitstreams and of an animation."""
    picture = smooth(np.random.default_rng(0), 40, 40)
    most = 16383
    data = encoded(picture, "WEBP", lossless=True)
    bits = (most | most << 14).to_bytes(4, "little")
    yield data[:21] + bits + data[25:]
    data = encoded(picture, "WEBP")
    yield data[:26] + struct.pack("<HH", most, most) + data[30:]
    data = encoded(picture, "WEBP", save_all=True, append_images=[picture.rotate(9)])
    canvas = data.index(b"VP8X") + 12
    yield data[:canvas] + (19_999).to_bytes(3, "little") * 2 + data[canvas + 6 :]


@pytest.mark.slow
def test_bombs_are_refused_and_take_no_memory():
    """In a process of its own, whose memory is looked at."""
    root = pathlib.Path(__file__).parents[2]
    run = subprocess.run(
        [sys.executable, __file__],
        env={**os.environ, "PYTHONPATH": f"{root}{os.pathsep}{root / 'tests'}"},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert run.returncode == 0, run.stderr[-2000:]
    told = json.loads(run.stdout.splitlines()[-1])
    errors = told["errors"]
    # The picture whose texts would fill the memory is none the worse for them.
    assert errors.pop("text.png") == ""
    assert errors.pop("header.png").startswith("20000 x 20000 pixels are more than")
    assert len(errors) == 10
    for name, error in errors.items():
        assert "pixels are more than the limit of 62,000,000" in error, (name, error)
    assert told["megabytes"] < 150


def main():
    """Reads all bombs and prints what became of them and of the memory."""
    bombs = dict(damaged.bombs())
    bombs |= {f"{number}.webp": data for number, data in enumerate(webp_bombs())}
    read([encoded(smooth(np.random.default_rng(0), *SIZE), "PNG")] * 9)
    before = damaged.memory()
    errors = [read([data])[2].numpy()[0].decode() for data in bombs.values()]
    more = damaged.memory() - before
    told = {"errors": dict(zip(bombs, errors, strict=True)), "megabytes": more}
    print(json.dumps(told))


def judge(error, pixels, data):
    """Says in a word what an answer is worth, by what Pillow says."""
    try:
        rights = [expected(data)]
    except Exception:  # Pillow's are of many kinds
        return "refused" if error else "read"
    if error:
        return "refused"
    if any(mark in data for mark in (b"Exif", b"eXIf", b"EXIF")):
        # Notes may be damaged, too, and then tell one more than the other.
        plain = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
        rights += [np.rot90(one, n) for n in range(4) for one in (plain, plain[::-1])]
    off = min(
        np.abs(pixels - np.asarray(preprocess(right, SIZE), np.float32)).max()
        for right in rights
    )
    # Between the scans of a damaged JPEG, versions of libjpeg smooth differently.
    allowed = 8 if data[:2] == b"\xff\xd8" else 1.01
    return "right" if off < allowed else f"wrong by {off}"


@pytest.mark.parametrize(
    "count", [300, pytest.param(6000, marks=pytest.mark.slow)], ids=str
)
def test_damaged_files_are_refused_or_read_as_by_pillow(count):
    told = []
    for start in range(0, count, 50):
        files = [
            damaged.one(np.random.default_rng([1, number]))[0]
            for number in range(start, start + 50)
        ]
        files = [data for data in files if data[:2] not in damaged.TIFF]
        pixels, _, errors = (one.numpy() for one in read(files))
        for data, image, error in zip(files, pixels, errors, strict=True):
            told.append(judge(error, image, data))
    tally = {word: told.count(word) for word in sorted(set(told))}
    assert tally.keys() <= {"refused", "right", "read"}, tally
    assert tally["refused"] > count / 5
    assert tally["right"] > count / 4
    assert tally.get("read", 0) < count / 10


def test_nothing_in_the_graph_needs_python():
    functions = read.get_concrete_function().graph.as_graph_def().library.function
    operations = {node.op for function in functions for node in function.node_def}
    assert {"DecodeJpeg", "DecodePng", "DecodeImage"} <= operations
    assert not [name for name in operations if "Py" in name]


if __name__ == "__main__":
    main()
