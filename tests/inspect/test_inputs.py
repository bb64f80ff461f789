"""What the functions of inspection take as models and as images."""

import io
import pathlib

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

import keras_vit
from keras_vit import inspect
from keras_vit.classifier import Classifier
from keras_vit.data import Dataset, Files, Split
from keras_vit.data.preprocessing import preprocess
from keras_vit.exporting import saved_model
from keras_vit.preprocessing import resolve
from support.models import randomize, tiny_vit

PIXELS = np.random.default_rng(1).integers(0, 256, (6, 16, 24, 3), dtype=np.uint8)
LABELS = np.array([0, 1, 2, 3, 4, 0])
PHOTO = np.random.default_rng(2).integers(0, 256, (40, 30, 3), dtype=np.uint8)
OF_WEIGHTS = (
    inspect.cell_size,
    inspect.filter_shares,
    inspect.patch_filters,
    inspect.position_similarity,
    inspect.position_vectors,
    lambda model: inspect.summary(model).rows,
)
OF_IMAGES = (
    inspect.attention_distance,
    inspect.attention_maps,
    inspect.attention_rollout,
    inspect.grad_cam,
    inspect.gradient_rollout,
    inspect.head_maps,
    inspect.token_norms,
    lambda model, images: inspect.cka_layers(model, model, images),
)


@pytest.fixture(scope="module")
def model():
    return randomize(tiny_vit(num_layers=1), np.random.default_rng(0))


@pytest.fixture(scope="module")
def saved(model, tmp_path_factory):
    """A run's folder with that model."""
    folder = tmp_path_factory.mktemp("home") / "run"
    folder.mkdir()
    model.save(folder / "model.keras")
    return folder


@pytest.fixture(scope="module")
def resizing():
    """A model whose evaluation keeps the aspect of images, and crops them."""
    model = randomize(tiny_vit(num_layers=1), np.random.default_rng(0))
    model.get_layer("preprocessing").evaluation = resolve("timm:0.9")
    return model


def resized(image):
    return np.asarray(preprocess(image, (16, 24), resolve("timm:0.9")), np.float32)


def assert_equal(one, other):
    for a, b in zip(list(one), list(other), strict=True):
        if isinstance(a, np.ndarray):
            np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-7)
        else:
            assert a == b


def test_each_function_of_weights_takes_a_model_a_path_and_a_classifier(
    model, saved, monkeypatch
):
    monkeypatch.setenv("HOME", str(saved.parent))
    sources = saved, str(saved / "model.keras"), "~/run", Classifier.of(model)
    for function in OF_WEIGHTS:
        expected = function(model)
        for source in sources:
            assert_equal(function(source), expected)


@pytest.mark.slow
def test_each_function_of_images_takes_a_path_and_image_files(model, saved, tmp_path):
    for number, image in enumerate(PIXELS):
        Image.fromarray(image).save(tmp_path / f"{number}.png")
    for function in OF_IMAGES:
        assert_equal(function(saved, tmp_path), function(model, PIXELS))


def test_the_stem_of_a_model_from_elsewhere_is_inspected_behind_a_path(tmp_path):
    model = keras.Sequential(
        [
            keras.Input((16, 24, 3)),
            keras_vit.layers.ResNetStem((1,), 0.5),
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dense(3, activation="softmax"),
        ]
    )
    model.save(tmp_path / "own.keras")
    filters = inspect.root_filters(tmp_path / "own.keras")
    np.testing.assert_allclose(filters, inspect.root_filters(model))
    counted = inspect.summary(tmp_path / "own.keras")
    assert counted.parameters == model.count_params()


@pytest.mark.parametrize(
    "images",
    [
        PHOTO,
        PHOTO[None],
        Image.fromarray(PHOTO),
        [Image.fromarray(PHOTO)],
        [PHOTO],
        iter([PHOTO[None]]),
        tf.data.Dataset.from_tensors((PHOTO[None], [0])),
        tf.data.Dataset.from_tensors(PHOTO),
        Split(PHOTO[None], np.array([0])),
        (PHOTO[None], [0]),
        "bytes",
        "file",
        "folder",
    ],
    ids=lambda one: one if isinstance(one, str) else type(one).__name__,
)
def test_images_of_another_size_are_resized_by_the_model_s_preprocessing(
    images, resizing, tmp_path
):
    file = io.BytesIO()
    Image.fromarray(PHOTO).save(file, "PNG")
    (tmp_path / "a.png").write_bytes(file.getvalue())
    text = isinstance(images, str)
    kinds = {"bytes": file.getvalue(), "file": tmp_path / "a.png", "folder": tmp_path}
    images = kinds[images] if text else images
    if isinstance(images, tuple):
        images = images[0], np.array(images[1])
    maps = inspect.attention_rollout(resizing, images)
    expected = inspect.attention_rollout(resizing, resized(PHOTO)[None])
    np.testing.assert_allclose(maps, expected, rtol=1e-5)


def test_arrays_of_the_model_s_size_are_what_it_sees(resizing):
    for images in (PIXELS, PIXELS[0], list(PIXELS), [PIXELS[:2], PIXELS[2:]]):
        found = inspect.read_images(resizing, images)
        expected = PIXELS[:1] if images is PIXELS[0] or len(images) == 16 else PIXELS
        np.testing.assert_array_equal(found.pixels, expected)
    assert found.names[:2] == ("image 1", "image 2")


def test_images_of_a_data_set_are_drawn_of_its_classes_in_turn(model):
    labels = np.repeat([2, 4], [60, 8])
    images = np.broadcast_to(
        np.arange(68, dtype=np.uint8)[:, None, None, None], (68, 16, 24, 3)
    )
    names = "abcde"
    split = Split(images, labels)
    data = Dataset("letters", split, split, tuple(names))
    found = inspect.read_images(model, data, limit=16)
    drawn = found.pixels[:, 0, 0, 0].astype(int)
    assert sorted(labels[drawn]) == [2] * 8 + [4] * 8
    for name, place in zip(found.names, drawn, strict=True):
        assert name == f"true: {names[labels[place]]} (number {place})"
    assert found.class_names == tuple(names)
    assert found.source == "drawn from letters, test"
    assert len(inspect.read_images(model, data).pixels) == 68
    maps = inspect.attention_rollout(model, data)
    pixels = inspect.read_images(model, data, limit=8).pixels
    np.testing.assert_allclose(maps, inspect.attention_rollout(model, pixels))
    distances = inspect.attention_distance(model, data)
    expected = inspect.attention_distance(model, images.copy())
    np.testing.assert_allclose(distances, expected, rtol=1e-5)


def test_a_name_is_a_data_set_and_a_path_that_exists_is_images(
    model, tmp_path, monkeypatch
):
    found = inspect.read_images(model, "fashion_mnist_sample", limit=3)
    assert found.class_names[0] == "T-shirt/top"
    monkeypatch.chdir(tmp_path)
    pathlib.Path("photos").mkdir()
    Image.fromarray(PHOTO).save("photos/b.png")
    found = inspect.read_images(model, "photos")
    assert found.names == ("b.png",)
    assert found.source == "photos"


def test_a_report_takes_paths_and_reads_at_most_so_many_images(saved, tmp_path):
    for number, image in enumerate(PIXELS):
        Image.fromarray(image).save(tmp_path / f"{number}.png")
    written = inspect.report(saved, tmp_path, tmp_path / "out", "distance", limit=4)
    html = (written.folder / "report.html").read_text()
    assert "Inside run" in html
    assert f"4 images: {tmp_path}" in html
    with np.load(written.folder / "distance.npz") as arrays:
        expected = inspect.attention_distance(saved, PIXELS[:4])
        np.testing.assert_allclose(arrays["pixels"], expected, rtol=1e-5)


def test_the_names_of_a_data_set_are_taken_where_the_model_has_none(
    model, tmp_path, monkeypatch
):
    seen = []
    monkeypatch.setattr(
        "keras_vit.inspect.inspection_report.write_figures",
        lambda names, inspection, folder: seen.append(inspection) or ([], {}),
    )
    split = Split(PIXELS, LABELS)
    data = Dataset("letters", split, split, tuple("abcde"))
    inspect.report(model, data, tmp_path / "a", "distance")
    inspect.report(model, data, tmp_path / "b", "distance", class_names=list("vwxyz"))
    assert [one.class_name(1) for one in seen] == ["b", "w"]


@pytest.mark.parametrize(
    ("images", "error", "message"),
    [
        ("photos/missing.png", FileNotFoundError, "No such file or folder: photos"),
        ("missing.png", FileNotFoundError, "No such file or folder: missing.png"),
        ("fashion_mnst", ValueError, "Unknown data set.*Received: 'fashion_mnst'"),
        (3, TypeError, "Expected images to be image files.*Received: int"),
        ([], ValueError, "at least one image. Received: none"),
        (iter([]), ValueError, "at least one image. Received: none"),
        (PIXELS[:0], ValueError, "at least one image. Received: none"),
        (PHOTO / 255, ValueError, r"pixels in \[0, 1\]: multiply them by 255"),
    ],
)
def test_what_is_no_image_is_refused(images, error, message, model):
    with pytest.raises(error, match=message):
        inspect.attention_rollout(model, images)


def test_an_image_that_cannot_be_read_is_named(model, tmp_path):
    (tmp_path / "broken.png").write_bytes(b"no image")
    files = Files([str(tmp_path / "broken.png")], np.array([0]))
    for images in (tmp_path, files):
        with pytest.raises(ValueError, match="broken.png: not a readable image"):
            inspect.attention_distance(model, images)


def test_what_is_no_model_is_refused(tmp_path):
    for function in (inspect.summary, inspect.cell_size, inspect.patch_filters):
        with pytest.raises(FileNotFoundError, match="runs/missing"):
            function("runs/missing")
        with pytest.raises(TypeError, match="Expected a Keras model.*Received: int"):
            function(3)
    with pytest.raises(ValueError, match="which has no layer 'patches'"):
        inspect.cell_size(keras.Sequential([keras.Input((8,)), keras.layers.Dense(2)]))


def test_a_saved_model_cannot_be_inspected(tmp_path):
    saved_model.write(Classifier.of(tiny_vit(num_layers=1)), tmp_path / "served" / "1")
    for function in (inspect.summary, inspect.cell_size):
        with pytest.raises(ValueError, match="cannot be inspected.*Received: 'served'"):
            function(tmp_path / "served")
    with pytest.raises(ValueError, match="cannot be inspected"):
        inspect.attention_maps(tmp_path / "served", PIXELS)
