"""What `predict` takes, and what it returns."""

import io
import math
import pathlib
import threading

import keras
import numpy as np
import pytest
from PIL import Image, ImageSequence

import keras_vit
from keras_vit import predict
from keras_vit.classifier import Classifier
from keras_vit.decoding import Decoding
from keras_vit.meaning import set_meaning
from keras_vit.prediction import Prediction, iter_predictions
from support.models import tiny_vit

NAMES = ("ant", "bee", "cat")


@pytest.fixture(scope="module")
def model():
    model = tiny_vit(num_classes=3)
    rng = np.random.default_rng(0)
    model.set_weights([rng.normal(size=w.shape) for w in model.get_weights()])
    return model


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def encoded(image, kind="PNG", **options):
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def expected_of(model, pixels):
    """Softmax of the model's own logits for pixels of its size, in NumPy."""
    logits = np.asarray(model(np.float32(pixels)[np.newaxis]), np.float64)[0]
    powers = np.exp(logits - logits.max())
    return powers / powers.sum()


def rows(predictions):
    assert [one.error for one in predictions] == [None] * len(predictions)
    return [one.class_probabilities for one in predictions]


def test_it_returns_a_list_of_predictions_with_all_probabilities(model, rng):
    images = rng.integers(0, 256, (5, 16, 24, 3), dtype=np.uint8)
    found = predict(model, images, class_names=NAMES, batch_size=2)
    assert isinstance(found, list)
    for one, image in zip(found, images, strict=True):
        expected = expected_of(model, image)
        order = np.argsort(-expected)
        assert one.label == NAMES[order[0]]
        assert one.probability == pytest.approx(expected.max(), abs=1e-5)
        for k in (1, 2, 3, 9):
            names, shares = zip(*one.top(k), strict=True)
            assert names == tuple(NAMES[i] for i in order[:k])
            assert shares == pytest.approx(expected[order[:k]], abs=1e-5)
        assert (one.path, one.error) == (None, None)
        assert one.class_probabilities.dtype == np.float32
        assert one.class_probabilities.base is None  # or it would keep its batch
    with pytest.raises(ValueError, match="at least 1. Received: k=0"):
        found[0].top(0)


ROADS = {
    "a path": lambda data, image: "x.png",
    "a pathlib.Path": lambda data, image: pathlib.Path("x.png"),
    "a path with ~": lambda data, image: "~/x.png",
    "a pattern": lambda data, image: "*.png",
    "a folder": lambda data, image: ".",
    "bytes": lambda data, image: data,
    "a PIL image": lambda data, image: Image.open(io.BytesIO(data)),
    "a PIL image of a path": lambda data, image: Image.open("x.png"),
    "a loaded PIL image": lambda data, image: image,
    "a copy of one": lambda data, image: image.copy(),
    "a list of one": lambda data, image: [data],
    "an iterator": lambda data, image: iter([data]),
}
ARRAYS = {
    "an array": lambda pixels: pixels,
    "a batch": lambda pixels: pixels[np.newaxis],
    "a float array": lambda pixels: pixels.astype(np.float32),
    "a list of arrays": lambda pixels: [pixels],
    "a Keras tensor": keras.ops.convert_to_tensor,
}


@pytest.mark.parametrize("size", [(24, 16), (61, 40)])
@pytest.mark.parametrize("preprocessing", ["vit_jax", "timm", "big_vision"])
def test_the_same_picture_by_any_road_is_the_same_prediction(
    model, rng, size, preprocessing
):
    pixels = rng.integers(0, 256, (*size[::-1], 3), dtype=np.uint8)
    image = Image.fromarray(pixels)
    image.save("x.png")
    data = pathlib.Path("x.png").read_bytes()
    given = [road(data, image) for road in ROADS.values()]
    given += [road(pixels) for road in ARRAYS.values()]
    found = [predict(model, one, preprocessing=preprocessing) for one in given]
    (first,) = rows(found[0])
    assert (
        size != (24, 16)
        or preprocessing != "vit_jax"
        or np.allclose(first, expected_of(model, pixels), atol=1e-5)
    )
    for (row,) in map(rows, found):
        np.testing.assert_array_equal(row, first)


def _of_mode(mode, rng):
    """An image of a mode as Pillow has it, and how it is saved."""
    pixels = rng.integers(0, 256, (16, 24, 4), dtype=np.uint8)
    if mode == "I;16":
        return Image.fromarray(rng.integers(0, 65536, (16, 24)).astype(np.uint16))
    if mode == "P with a transparent colour":
        image = Image.fromarray(pixels[..., :3]).quantize(8)
        image.info["transparency"] = 3
        return image
    image = Image.fromarray(pixels)
    return image if mode == "RGBA" else image.convert("RGB").convert(mode)


@pytest.mark.parametrize(
    ("mode", "kind"),
    [
        ("L", "PNG"),
        ("1", "PNG"),
        ("LA", "PNG"),
        ("RGBA", "PNG"),
        ("P with a transparent colour", "PNG"),
        ("I;16", "PNG"),
        ("I;16", "TIFF"),
        ("CMYK", "JPEG"),
        ("L", "JPEG"),
    ],
)
@pytest.mark.parametrize("background", ["white", "ignore"])
def test_pil_images_of_any_mode_are_decoded_as_files_are(
    model, rng, mode, kind, background
):
    image = _of_mode(mode, rng)
    data = encoded(image, kind)
    pathlib.Path("x").write_bytes(data)
    opened, loaded = (Image.open(io.BytesIO(data)) for _ in range(2))
    loaded.load()
    before = dict(loaded.info)
    found = [
        rows(predict(model, one, background=background))[0]
        for one in ("x", data, opened, loaded)
    ]
    for row in found[1:]:
        np.testing.assert_array_equal(row, found[0])
    assert loaded.info == before  # the caller's image stays as it is
    opened.load()


def test_colours_of_16_bits_keep_them_if_the_image_is_not_loaded_yet(model, rng):
    deep = rng.integers(0, 65536, (16, 24, 3)).astype(">u2")
    data = keras_vit_png(deep)
    (from_bytes,) = rows(predict(model, data, pixel_range="0:1000"))
    (opened,) = rows(predict(model, Image.open(io.BytesIO(data)), pixel_range="0:1000"))
    levels = np.floor(np.clip(deep.astype(float) * 255 / 1000, 0, 255) + 0.5)
    np.testing.assert_allclose(from_bytes, expected_of(model, levels), atol=1e-5)
    np.testing.assert_array_equal(opened, from_bytes)


def keras_vit_png(deep):
    """A PNG of 16 bits a sample, which Pillow does not write."""
    import tensorflow as tf

    return tf.io.encode_png(deep.astype(np.uint16)).numpy()


def test_an_image_lies_as_its_camera_noted_by_any_road(model, rng):
    pixels = rng.integers(0, 256, (16, 24, 3), dtype=np.uint8)
    turned = Image.fromarray(np.rot90(pixels))
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned a quarter clockwise, which undoes that
    data = encoded(turned, exif=exif)
    loaded = Image.open(io.BytesIO(data))
    loaded.load()
    for given in (data, Image.open(io.BytesIO(data)), loaded, loaded.copy()):
        (row,) = rows(predict(model, given))
        np.testing.assert_allclose(row, expected_of(model, pixels), atol=1e-5)
        (row,) = rows(predict(model, given, exif_orientation=False))
        (other,) = rows(predict(model, turned))
        np.testing.assert_array_equal(row, other)


def test_of_an_animation_the_frame_that_was_chosen_counts(model, rng):
    frames = [
        Image.fromarray(np.full((16, 24, 3), level, np.uint8)) for level in (9, 200)
    ]
    data = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    animation = Image.open(io.BytesIO(data))
    (first,) = rows(predict(model, animation))
    np.testing.assert_array_equal(first, rows(predict(model, data))[0])
    animation.seek(1)
    (second,) = rows(predict(model, animation))
    last = [one.convert("RGB") for one in ImageSequence.Iterator(animation)][1]
    np.testing.assert_array_equal(second, rows(predict(model, last))[0])
    assert not np.array_equal(first, second)


def test_arrays_of_more_bits_are_read_by_the_models_own_range(rng):
    model = tiny_vit(num_classes=3)
    set_meaning(model, decoding=Decoding("0:4095"))
    deep = rng.integers(0, 4096, (16, 24)).astype(np.uint16)
    Image.fromarray(deep).save("x.png")
    by_file, by_array, by_batch = (
        rows(predict(model, one))[0]
        for one in ("x.png", deep, deep[np.newaxis, ..., np.newaxis])
    )
    np.testing.assert_array_equal(by_array, by_file)
    np.testing.assert_array_equal(by_batch, by_file)
    with pytest.raises(ValueError, match=r"12 bits.*pixel_range=\(0, 4095\)"):
        predict(tiny_vit(num_classes=3), deep)


def test_pixels_from_0_to_1_are_refused_or_mapped(model, rng):
    pixels = rng.integers(0, 256, (16, 24, 3), dtype=np.uint8)
    with pytest.raises(ValueError, match=r"in \[0, 1\]: multiply them by 255"):
        predict(model, pixels / np.float32(255))
    (mapped,) = rows(predict(model, pixels / np.float32(255), pixel_range=(0, 1)))
    np.testing.assert_array_equal(mapped, rows(predict(model, pixels))[0])


def test_a_mixed_list_is_answered_in_order(model, rng):
    pixels = rng.integers(0, 256, (6, 16, 24, 3), dtype=np.uint8)
    pathlib.Path("two").mkdir()
    Image.fromarray(pixels[0]).save("a.png")
    Image.fromarray(pixels[1]).save("two/b.png")
    Image.fromarray(pixels[2]).save("two/c.png")
    given = ["a.png", pathlib.Path("two"), Image.fromarray(pixels[3]), pixels[4:]]
    found = predict(model, given, batch_size=4)
    for one, image in zip(found, pixels, strict=True):
        np.testing.assert_allclose(
            one.class_probabilities, expected_of(model, image), atol=1e-5
        )
    names = ["a.png", "two/b.png", "two/c.png", None, None, None]
    assert [one.path and one.path.as_posix() for one in found] == names
    assert predict(model, []) == []


def test_what_cannot_be_read_has_an_error_and_stops_no_other(model, rng):
    pixels = rng.integers(0, 256, (16, 24, 3), dtype=np.uint8)
    pathlib.Path("broken.jpg").write_bytes(b"\xff\xd8\xff cut")
    floats = Image.fromarray(np.float32([[0.5, 1000.0]]))
    found = predict(model, ["broken.jpg", b"no image", floats, pixels])
    assert found[0].error.startswith("broken.jpg: not a readable image")
    assert found[1].error.startswith("images[1]: not a readable image")
    assert "black and white is unknown" in found[2].error
    for one in found[:3]:
        assert one.label is None and one.top(3) == [] and math.isnan(one.probability)
    np.testing.assert_allclose(
        found[3].class_probabilities, expected_of(model, pixels), atol=1e-5
    )


def test_models_are_given_as_themselves_paths_or_classifiers(model, rng):
    from keras_vit.model_files import save_model

    pathlib.Path("run").mkdir()
    save_model(model, "run/model.keras", NAMES)
    image = rng.integers(0, 256, (16, 24, 3), dtype=np.uint8)
    (expected,) = predict(model, image, class_names=NAMES)
    for given in (
        "run",
        pathlib.Path("run/model.keras"),
        "~/run",
        Classifier.of("run"),
    ):
        (found,) = predict(given, image)
        assert found.label == expected.label
        np.testing.assert_allclose(
            found.class_probabilities, expected.class_probabilities, atol=1e-6
        )
    (found,) = predict(Classifier.of("run"), image, class_names=[*"xyz"])
    assert found.label == "xyz"[NAMES.index(expected.label)]


@pytest.mark.parametrize(
    ("images", "error", "says"),
    [
        ("x.png", FileNotFoundError, "No such file or folder: x.png"),
        (["a/*.png", "y"], FileNotFoundError, "No such file or folder: a/\\*.png, y"),
        (5, TypeError, "arrays \\(H, W, 3\\) .* Received: int"),
        ([None], TypeError, "Expected the image to be .*Received: NoneType"),
        ([[1, 2], "x"], FileNotFoundError, "x"),
        ([[1, 2]], TypeError, "bytes of image files.*Received: list"),
        ({"a": 1}, TypeError, "Received: dict"),
        (io.BytesIO(b"1\n2\n"), TypeError, r"BytesIO. Pass its bytes: file.read\(\)"),
        ([io.BytesIO(b"1")], TypeError, r"BytesIO. Pass its bytes: file.read\(\)"),
        ("", FileNotFoundError, 'Received: ""'),
        (np.zeros((2, 16, 24), np.uint8), ValueError, r"\(2, 16, 24\). Grey images in"),
        (np.zeros((3, 16, 24), np.uint8), ValueError, r"np.moveaxis\(array, 0, -1\)"),
        (np.zeros((5, 3, 8, 9), np.uint8), ValueError, r"np.moveaxis\(array, 1, -1\)"),
        (np.zeros((16, 24, 4), np.uint8), ValueError, r"PIL.Image.fromarray\(array\)"),
        (np.zeros((0, 24, 3), np.uint8), ValueError, r"shape \(0, 24, 3\)$"),
        (np.zeros(3, np.uint8), ValueError, r"shape \(3,\)"),
        (np.full((4, 4, 3), np.nan), ValueError, "NaN"),
    ],
)
def test_what_is_no_image_is_refused_before_the_model_is_asked(
    model, images, error, says
):
    with pytest.raises(error, match=says):
        iter_predictions(model, images)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"batch_size": 0}, "at least 1. Received: batch_size=0"),
        ({"batch_size": 1.5}, "an integer.* Received: batch_size=1.5"),
        ({"batch_size": None}, "an integer.* Received: batch_size=None"),
        ({"max_pixels": "many"}, "Received: max_pixels='many'"),
        ({"preprocessing": {"crop": 1}}, "crop_fraction.* Received: 'crop'"),
        ({"preprocessing": {"crop_fraction": "1"}}, "Received: crop_fraction='1'"),
        ({"pixel_range": "auto"}, "found in a data set"),
        ({"background": "green"}, "white, black, ignore"),
        ({"preprocessing": "nothing"}, "Unknown preprocessing"),
        ({"class_names": ["a", "b"]}, "3 class names.* Received: 2"),
    ],
)
def test_options_are_refused_before_the_model_is_asked(model, options, says):
    with pytest.raises(ValueError, match=says):
        iter_predictions(model, np.zeros((16, 24, 3), np.uint8), **options)


def test_iter_predictions_reads_images_as_it_is_asked_for_them(model, rng):
    for number in range(6):
        Image.fromarray(rng.integers(0, 256, (16, 24, 3), dtype=np.uint8)).save(
            f"{number}.png"
        )
    found = iter_predictions(model, ".", batch_size=2)
    assert next(found).path == pathlib.Path("0.png")
    for number in range(6):
        pathlib.Path(f"{number}.png").unlink()
    seen = [one.error for one in found]
    assert seen[0] is None  # of the first batch
    assert seen[-2:] == [f"{n}.png: No such file or directory" for n in (4, 5)]


def test_what_is_read_ahead_ends_with_the_iterator(model, rng):
    image = rng.integers(0, 256, (16, 24, 3), dtype=np.uint8)
    before = threading.active_count()
    found = iter_predictions(model, [image] * 6, batch_size=2)
    next(found)
    found.close()
    assert threading.active_count() == before


def test_old_fields_go_on_with_a_warning(model, rng):
    image = rng.integers(0, 256, (16, 24, 3), dtype=np.uint8)
    with pytest.warns(DeprecationWarning, match=r"use Prediction.top\(k\)"):
        (found,) = keras_vit.predict(model, image, class_names=NAMES, top=2)
    with pytest.warns(DeprecationWarning, match="Prediction.classes goes"):
        assert found.classes == tuple(one.label for one in found.top(2))
    with pytest.warns(DeprecationWarning, match="Prediction.probabilities goes"):
        assert found.probabilities == tuple(one.probability for one in found.top(2))


def test_a_prediction_is_shown_in_a_line():
    seen = Prediction(None, ("cat", "dog"), np.float32([0.25, 0.75]))
    assert repr(seen) == "Prediction(path=None, dog 75.0 %, cat 25.0 %)"
    failed = Prediction(pathlib.PurePosixPath("x"), error="x: cut")
    assert repr(failed) == "Prediction(path=PurePosixPath('x'), error='x: cut')"


@pytest.mark.parametrize("k", [0, -1, 2.5, None, "2"])
def test_top_takes_whole_numbers_from_1(k):
    seen = Prediction(None, NAMES, np.float32([0.25, 0.5, 0.25]))
    with pytest.raises(ValueError, match=f"k must be an integer.*Received: k={k!r}"):
        seen.top(k)


def test_the_full_range_of_unsigned_integers_is_that_of_files(model, rng):
    grey = rng.integers(0, 65536, (16, 24), dtype=np.uint16)
    of_array = predict(model, grey, pixel_range="full")[0].class_probabilities
    of_image = predict(model, Image.fromarray(grey))[0].class_probabilities
    np.testing.assert_allclose(of_array, of_image, atol=1e-6)


def test_arrays_that_have_no_full_range_are_pixels_still(model, rng):
    images = rng.integers(0, 256, (16, 24, 3), dtype=np.uint8)
    plain = predict(model, images)[0].class_probabilities
    for dtype in (np.uint8, np.float32):
        (seen,) = predict(model, images.astype(dtype), pixel_range="full")
        np.testing.assert_array_equal(seen.class_probabilities, plain)
