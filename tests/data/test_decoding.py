import os

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from keras_vit.data import Files, images
from keras_vit.data.images import UnreadableImageError
from keras_vit.decoding import Decoding
from support.damaged import encoded, expected, smooth, turned

# Pillow's advice to those who convert its palettes, as the oracle does.
pytestmark = pytest.mark.filterwarnings("ignore:Palette images with Transparency")


@pytest.fixture
def picture(rng):
    return smooth(rng, 40, 56)


def files_of(folder, contents, **options):
    """Files 0, 1, 2..., without suffixes, as data sets do not lie by them."""
    for number, data in enumerate(contents):
        (folder / str(number)).write_bytes(data)
    paths = [folder / str(number) for number in range(len(contents))]
    return Files(paths, np.zeros(len(paths), int), **options)


def read_all(files, window=None):
    read = files.reader()
    stream = tf.data.Dataset.range(len(files)).map(lambda index: read(index, window))
    assert stream.element_spec == tf.TensorSpec((None, None, 3), tf.uint8)
    return [image.numpy() for image in stream]


def window(height, width):
    return height // 4, width // 8, height // 2, width // 2


def kinds(picture):
    """One file of each kind, by name."""
    rgba = picture.copy()
    rgba.putalpha(picture.convert("L"))
    deep = Image.fromarray(np.asarray(picture.convert("L"), np.uint16) * 250)
    return {
        "jpeg": encoded(picture, "JPEG"),
        "progressive": encoded(picture, "JPEG", progressive=True, quality=95),
        "no subsampling": encoded(picture, "JPEG", subsampling=0),
        "RGB inside": encoded(picture, "JPEG", keep_rgb=True),
        "grey jpeg": encoded(picture.convert("L"), "JPEG"),
        "cmyk": encoded(picture.convert("CMYK"), "JPEG"),
        "png": encoded(picture, "PNG"),
        "rgba": encoded(rgba, "PNG"),
        "grey and alpha": encoded(rgba.convert("LA"), "PNG"),
        "grey png": encoded(picture.convert("L"), "PNG"),
        "one colour missing": encoded(picture, "PNG", transparency=(0, 0, 0)),
        "bilevel": encoded(picture.convert("1"), "PNG"),
        "palette": encoded(picture.quantize(9), "PNG", transparency=b"\0\x7f"),
        "16 bits": encoded(deep, "PNG"),
        "gif": encoded(picture, "GIF", save_all=True, append_images=[rgba]),
        "webp": encoded(picture, "WEBP"),
        "bmp": encoded(picture, "BMP"),
        "tiff": encoded(picture, "TIFF"),
    }


def test_every_kind_of_file_gives_pillows_pixels(picture, tmp_path):
    contents = kinds(picture)
    files = files_of(tmp_path, contents.values())
    seen = read_all(files)
    for index, (kind, data) in enumerate(contents.items()):
        right = expected(data)
        np.testing.assert_array_equal(seen[index], right, err_msg=kind)
        np.testing.assert_array_equal(files.image(index), right, err_msg=kind)


def test_of_every_kind_a_window_is_cut_from_the_image(picture, tmp_path):
    contents = kinds(picture)
    cuts = read_all(files_of(tmp_path, contents.values()), window)
    for (kind, data), cut in zip(contents.items(), cuts, strict=True):
        assert cut.shape == (20, 28, 3), kind
        # A decoder may smooth colours over the edge of what it decodes.
        difference = cut - expected(data)[10:30, 7:35].astype(int)
        assert np.abs(difference[1:-1, 1:-1]).max() <= 8, kind


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_an_image_and_its_window_stand_upright(form, picture, tmp_path):
    contents = [
        encoded(picture, form, exif=turned(orientation, little_endian))
        for orientation in range(1, 9)
        for little_endian in (False, True)
    ]
    files = files_of(tmp_path, contents)
    for data, whole, cut in zip(
        contents, read_all(files), read_all(files, window), strict=True
    ):
        right = expected(data)
        np.testing.assert_array_equal(whole, right)
        height, width = right.shape[:2]
        top, left, rows, columns = window(height, width)
        part = right[top : top + rows, left : left + columns].astype(int)
        assert cut.shape == part.shape
        assert np.abs(cut - part)[1:-1, 1:-1].max() <= 8


def test_the_orientation_is_found_behind_a_profile_and_in_xmp(picture, tmp_path):
    """Where it does not stand first, or not in Exif."""
    exif, profile = turned(6).tobytes(), bytes(range(250)) * 20
    data = encoded(picture, "JPEG")
    place = data.index(b"\xff\xdb")
    pieces = [(b"\xff\xe2", b"ICC_PROFILE\0\1\1" + profile), (b"\xff\xe1", exif)]
    segments = b"".join(
        marker + (len(text) + 2).to_bytes(2) + text for marker, text in pieces
    )
    xmp = b'<x:xmpmeta><rdf:Description tiff:Orientation="8"/></x:xmpmeta>'
    contents = [
        data[:place] + segments + data[place:],
        data[:2] + segments + data[2:],
        encoded(picture, "JPEG", xmp=xmp),
    ]
    for data, image in zip(
        contents, read_all(files_of(tmp_path, contents)), strict=True
    ):
        assert image.shape == (56, 40, 3)
        np.testing.assert_array_equal(image, expected(data))


@pytest.mark.parametrize("form", ["JPEG", "PNG"])
def test_the_orientation_can_be_left_alone(form, picture, tmp_path):
    data = encoded(picture, form, exif=turned(6))
    files = files_of(tmp_path, [data], exif_orientation=False)
    right = np.asarray(Image.open(tmp_path / "0"))
    for one in (files, files.subset(np.array([0]))):
        np.testing.assert_array_equal(read_all(one)[0], right)
        np.testing.assert_array_equal(one.image(0), right)


def test_what_most_data_sets_consist_of_needs_no_python(picture, tmp_path, monkeypatch):
    def refuse(*_):
        raise AssertionError("Pillow was asked")

    monkeypatch.setattr(images, "decode_image", refuse)
    contents = kinds(picture)
    plain = ("jpeg", "progressive", "grey jpeg", "png", "rgba", "grey png")
    upright = encoded(picture, "JPEG", exif=turned(1))
    files = files_of(tmp_path, [*(contents[kind] for kind in plain), upright])
    assert len(read_all(files)) == len(files)
    with pytest.raises(tf.errors.OpError, match="Pillow was asked"):
        read_all(files_of(tmp_path, [contents["gif"]]))


@pytest.fixture(scope="module")
def wide():
    """A file of each kind, of more pixels than the least limit of PNG."""
    return kinds(smooth(np.random.default_rng(0), 300, 400))


@pytest.mark.parametrize("kind", ["jpeg", "cmyk", "png", "bmp"])
def test_too_many_pixels_are_refused(kind, wide, tmp_path):
    data = wide[kind]
    files = files_of(tmp_path, [data], decoding=Decoding(max_pixels=120_000))
    assert files.image(0).shape == read_all(files)[0].shape == (300, 400, 3)
    files = files_of(tmp_path, [data], decoding=Decoding(max_pixels=119_999))
    message = "400 x 300 pixels are more than"
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        read_all(files)
    with pytest.raises(UnreadableImageError, match=f"0: {message}"):
        files.image(0)


def test_too_many_bytes_are_refused_before_they_are_read(
    picture, tmp_path, monkeypatch
):
    files = files_of(tmp_path, [encoded(picture, "BMP"), encoded(picture, "JPEG")])
    monkeypatch.setattr(images, "MOST_BYTES", 6000)
    right = files.image(1)
    np.testing.assert_array_equal(files.reader()(tf.constant(1)), right)
    os.truncate(tmp_path / "0", 10**12)  # sparse: nobody could read it
    message = "1,000,000,000,000 bytes are more than the limit of 6,000"
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        read_all(files)
    with pytest.raises(UnreadableImageError, match=message):
        files.image(0)


def test_a_missing_file_a_folder_and_a_pipe_are_refused(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for name, reason in (("x", "No such file"), ("", "not a file"), ("pipe", "not a")):
        files = Files([tmp_path / name], np.zeros(1, int))
        with pytest.raises(tf.errors.OpError, match=f"{tmp_path / name}.*{reason}"):
            read_all(files)
        with pytest.raises(
            UnreadableImageError, match=f"{tmp_path / name}.*{reason}"
        ) as caught:
            files.image(0)
        assert "0x" not in str(caught.value)


def test_one_bad_file_takes_nothing_from_the_others(picture, tmp_path):
    good = encoded(picture, "JPEG")
    read = files_of(tmp_path, [good, good[:700], b"text", good]).reader()
    stream = tf.data.Dataset.range(4).map(read).ignore_errors()
    assert len(list(stream)) == 2


def test_paths_of_any_type_are_kept_as_bytes(tmp_path):
    path = tmp_path / "größe"
    labels = np.zeros(1, int)
    forms = [path], [str(path)], (bytes(path),), np.array([str(path)])
    for paths in (*forms, np.array([bytes(path)])):
        files = Files(paths, labels)
        assert files.paths.dtype.kind == "S"
        assert files.subset(np.array([0])).name(0) == str(path)
    assert Files(files.paths, labels).paths is files.paths
    assert len(Files([], labels[:0])) == 0
