"""Samples of more than 8 bits, against NumPy and what tifffile wrote."""

import io
import struct
import zlib

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

import keras_vit
from keras_vit.data import Files, load
from keras_vit.data.images import UnreadableImageError, decode_image, read_image
from keras_vit.data.pixel_range import range_of_files
from keras_vit.decoding import Decoding
from keras_vit.exporting.served_images import read_images
from keras_vit.meaning import meaning_of, set_meaning
from keras_vit.preprocessing import Preprocessing

tifffile = pytest.importorskip("tifffile")
CHANNELS = {0: 1, 2: 3, 4: 2, 6: 4}  # of PNG, by its type of colour


def levels(values, low, high):
    """The nearest of 256 levels, by the definition."""
    share = (values.astype(float) - low) / (high - low)
    return np.floor(255 * np.clip(share, 0, 1) + 0.5).astype(int)


def written(values, **options):
    file = io.BytesIO()
    tifffile.imwrite(file, values, **options)
    return file.getvalue()


def png(samples, colour, more=b""):
    """A PNG file of 16 bits, which Pillow does not write in colour."""

    def chunk(kind, data):
        check = zlib.crc32(kind + data)
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", check)

    height, width = samples.shape[:2]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in samples)
    head = struct.pack(">IIBBBBB", width, height, 16, colour, 0, 0, 0)
    seen = chunk(b"tRNS", more) if more else b""
    body = chunk(b"IHDR", head) + seen + chunk(b"IDAT", zlib.compress(rows))
    return b"\x89PNG\r\n\x1a\n" + body + chunk(b"IEND", b"")


@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize(
    ("dtype", "low", "high"),
    [
        *[("uint16", 0, 4095), ("uint16", 0, 1023), ("uint16", 500, 60000)],
        *[("int16", -1000, 3000), ("float32", 0, 1), ("float32", -2.5, 7)],
        *[("uint32", 0, 3_000_000_000), ("int32", -70_000, 5), ("int8", -100, 90)],
    ],
)
def test_a_range_maps_grey_of_every_kind(rng, dtype, low, high, compression):
    values = rng.uniform(low, high, (13, 9)).astype(dtype)
    values[0, :2] = low, high
    data = written(values, compression=compression)
    found = decode_image(data, "a", decoding=Decoding((low, high)))
    assert (found == found[..., :1]).all()
    off = np.abs(found[..., 0] - levels(values, low, high))
    assert off.max() <= 1
    assert off.mean() < 0.03  # where a level begins, rounding errors decide


@pytest.mark.parametrize("byteorder", ["<", ">"])
@pytest.mark.parametrize("planar", ["contig", "separate"])
@pytest.mark.parametrize("bands", [3, 4])
def test_a_range_maps_colours_of_16_bits(rng, bands, planar, byteorder):
    """Of which Pillow gives the high bytes alone; of four bands three are read."""
    values = rng.integers(0, 4096, (13, 9, bands)).astype("uint16")
    stored = np.moveaxis(values, -1, 0) if planar == "separate" else values
    options = {"photometric": "rgb", "planarconfig": planar, "byteorder": byteorder}
    found = decode_image(written(stored, **options), "a", decoding=Decoding("0:4095"))
    np.testing.assert_array_equal(found, levels(values[..., :3], 0, 4095))


def test_the_lowest_is_white_where_the_file_says_so(rng):
    values = rng.integers(0, 4096, (13, 9)).astype("uint16")
    data = written(values, photometric="miniswhite")
    found = decode_image(data, "a", decoding=Decoding("0:4095"))[..., 0].astype(int)
    assert np.abs(255 - found - levels(values, 0, 4095)).max() <= 1


def deep_png(rng, colour, decoding):
    """A PNG file of 16 bits with transparency, and what is seen of it."""
    channels, more = CHANNELS[colour], b""
    samples = rng.integers(0, 4096, (13, 9, channels)).astype(np.uint16)
    if colour in (4, 6):
        samples[..., -1] = rng.integers(0, 65536, (13, 9))
        alpha = samples[..., -1:] / 65535
    else:
        missing = samples[4, 4]
        alpha = (samples != missing).any(-1, keepdims=True).astype(float)
        more = struct.pack(f">{channels}H", *missing)
    low, high = decoding.pixel_range or (0, 65535)
    seen = levels(samples[..., : 3 if channels > 2 else 1], low, high)
    if decoding.backdrop is not None:
        seen = seen * alpha + decoding.backdrop * (1 - alpha)
    return png(samples, colour, more), np.broadcast_to(seen, (13, 9, 3))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("range_", "background"), [("0:4095", "white"), (None, "black"), ("0:9", "ignore")]
)
def test_png_of_16_bits_is_read_alike_on_all_roads(rng, range_, background, tmp_path):
    decoding = Decoding(range_, background)
    made = [deep_png(rng, colour, decoding) for colour in CHANNELS]
    paths = [tmp_path / f"{colour}.png" for colour in CHANNELS]
    for path, (data, _) in zip(paths, made, strict=True):
        path.write_bytes(data)
    read = Files(paths, np.zeros(4, int), decoding=decoding).reader()
    datas = [data for data, _ in made]
    served, _, errors = read_images(datas, (13, 9), Preprocessing(), decoding)
    assert errors.numpy().tolist() == [b""] * 4
    for number, (_, seen) in enumerate(made):
        by_pillow = read_image(paths[number], decoding=decoding)
        for found in (by_pillow, read(tf.constant(number)), served[number]):
            # Alpha is rounded to 8 bits before it is used.
            assert np.abs(np.asarray(found, float) - seen).max() <= 1


@pytest.mark.parametrize("dtype", ["int16", "float32"])
def test_without_a_range_signed_and_float_are_refused_with_what_to_do(dtype):
    data = written(np.array([[-1000, 3000]], dtype))
    with pytest.raises(UnreadableImageError) as caught:
        decode_image(data, "ct.tif")
    assert str(caught.value).startswith("ct.tif: which samples of")
    assert "-1000 to 3000: --pixel_range=LOW:HIGH" in str(caught.value)
    nothing = written(np.array([[np.nan, 3.0]], "float32"))
    with pytest.raises(UnreadableImageError, match="not numbers"):
        decode_image(nothing, "a", decoding=Decoding("0:4095"))


@pytest.mark.parametrize(
    ("shape", "options"),
    [
        ((8, 9, 2), {"photometric": "minisblack", "planarconfig": "contig"}),
        ((8, 9, 5), {"photometric": "rgb", "planarconfig": "contig"}),
        ((8, 9, 7), {"photometric": "rgb", "planarconfig": "contig"}),
        ((8, 9, 12), {"photometric": "minisblack", "planarconfig": "contig"}),
        (
            (3, 8, 9),
            {
                "photometric": "minisblack",
                "planarconfig": "separate",
                "compression": "zlib",
            },
        ),
    ],
)
@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_other_bands_are_refused_in_one_line_without_noise(
    shape, options, dtype, capfd
):
    bands = shape[0] if options["planarconfig"] == "separate" else shape[-1]
    data = written(np.ones(shape, dtype), **options)
    with pytest.raises(UnreadableImageError) as caught:
        decode_image(data, "a.tif")
    assert f"a.tif: a TIFF file of {bands} bands" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert capfd.readouterr().err == ""


def folder_of(tmp_path, arrays):
    for number, values in enumerate(arrays):
        for part in ("train", "test"):
            path = tmp_path / part / f"class_{number % 2}" / f"{number}.tif"
            path.parent.mkdir(parents=True, exist_ok=True)
            tifffile.imwrite(path, values)
    return tmp_path


@pytest.mark.parametrize(
    ("dtype", "top", "expected"),
    [
        *[("uint16", 4000, (0, 4095)), ("uint16", 900, (0, 1023))],
        *[("uint16", 9000, (0, 16383)), ("uint16", 40_000, None)],
        *[("uint16", 200, (0, 255)), ("uint16", 1, (0, 1)), ("uint8", 255, None)],
        *[("int16", 3000, (-5, 3000)), ("float32", 0.5, (-5, 0.5))],
    ],
)
def test_auto_is_what_a_sample_of_the_files_uses(dtype, top, expected, tmp_path):
    values = np.zeros((4, 4), dtype)
    values[0, 0] = top
    if np.dtype(dtype).kind in "if":
        values[1, 1] = -5
    folder = folder_of(tmp_path, [values, values, values // 2, values])
    assert load(folder).decoding.pixel_range == expected
    assert load(folder, pixel_range="7:9").decoding.pixel_range == (7, 9)
    assert load(folder, pixel_range="full").decoding.pixel_range is None


def test_of_a_mixed_set_the_range_is_that_of_the_deep_files(tmp_path, rng):
    eight = rng.integers(0, 256, (4, 4)).astype(np.uint8)
    paths = [tmp_path / "8.png", tmp_path / "16.png", tmp_path / "a.jpg"]
    Image.fromarray(eight).save(paths[0])
    Image.fromarray(np.full((4, 4), 4000, np.uint16)).save(paths[1])
    Image.fromarray(eight).save(paths[2])
    files = Files(paths, np.zeros(3, int))
    assert range_of_files(files) == (0, 4095)
    read = read_image(paths[0], decoding=Decoding("0:4095"))
    np.testing.assert_array_equal(read[..., 0], eight)


def test_the_range_and_the_background_are_kept_by_a_saved_model(tmp_path):
    model = keras_vit.ViT(
        image_size=32,
        patch_size=8,
        num_layers=1,
        num_heads=2,
        hidden_dim=16,
        mlp_dim=32,
        num_classes=3,
    )
    decoding = Decoding("-1000:3000", "black", 9_000_000)
    set_meaning(model, decoding=decoding)
    model.save(tmp_path / "a.keras")
    loaded = tf.keras.models.load_model(tmp_path / "a.keras")
    assert meaning_of(loaded).decoding == decoding
    layer = type(model.layers[1])
    old = model.layers[1].get_config()
    del old["decoding"]  # as it was before models had it: transparency was dropped
    assert layer.from_config(old).decoding == Decoding(background="ignore")


@pytest.mark.parametrize(
    "value", ["4095", "9:0", "0:0", "0:x", "nan:3", "0:inf", (1, 2, 3), 7]
)
def test_what_is_no_range_is_refused(value):
    with pytest.raises(ValueError, match="pixel_range must be auto, full, or two"):
        Decoding(value)
