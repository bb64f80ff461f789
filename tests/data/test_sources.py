import gzip
import pathlib

import keras
import numpy as np
import pytest

import keras_vit.data
from keras_vit.data import Dataset, Split, load

OFFICIAL = pathlib.Path("/usr/share/datasets/fashion-mnist")


@pytest.fixture(scope="module")
def sample():
    return load("fashion_mnist_sample")


def test_the_sample_has_12000_and_2000_images_of_10_even_classes(sample):
    for split, count in ((sample.train, 12_000), (sample.test, 2_000)):
        assert split.images.shape == (count, 28, 28, 3)
        assert split.images.dtype == np.uint8
        assert (np.bincount(split.labels) == count // 10).all()
    assert sample.num_classes == 10


def test_no_image_of_the_sample_is_both_trained_and_tested_on(sample):
    train = {image.tobytes() for image in sample.train.images}
    assert not any(image.tobytes() in train for image in sample.test.images)


def test_the_sample_weighs_at_most_7_mb():
    folder = pathlib.Path(keras_vit.data.__file__).parent / "fashion_mnist_sample"
    assert (folder / "fashion_mnist_sample.npz").stat().st_size <= 7_000_000
    assert "MIT License" in (folder / "LICENSE").read_text()


@pytest.mark.skipif(
    not OFFICIAL.is_dir(), reason="needs Debian's package dataset-fashion-mnist"
)
@pytest.mark.parametrize(("split", "prefix"), [("train", "train"), ("test", "t10k")])
def test_the_sample_equals_the_official_images_it_was_drawn_from(sample, split, prefix):
    path = pathlib.Path(keras_vit.data.__file__).parent / "fashion_mnist_sample"
    index = np.load(path / "fashion_mnist_sample.npz")[f"{split}_index"]
    with gzip.open(OFFICIAL / f"{prefix}-images-idx3-ubyte.gz") as file:
        images = np.frombuffer(file.read(), np.uint8, offset=16).reshape(-1, 28, 28)
    with gzip.open(OFFICIAL / f"{prefix}-labels-idx1-ubyte.gz") as file:
        labels = np.frombuffer(file.read(), np.uint8, offset=8)
    assert len(np.unique(index)) == len(index)
    ours = getattr(sample, split)
    for channel in range(3):
        np.testing.assert_array_equal(ours.images[..., channel], images[index])
    np.testing.assert_array_equal(ours.labels, labels[index])


def test_the_whole_set_comes_from_keras(monkeypatch):
    arrays = np.full((6, 28, 28), 7, np.uint8), np.arange(6, dtype=np.uint8)
    monkeypatch.setattr(
        keras.datasets.fashion_mnist, "load_data", lambda: (arrays, arrays)
    )
    dataset = load("fashion_mnist")
    assert dataset.train.images.shape == (6, 28, 28, 3)
    assert (dataset.test.labels == range(6)).all()


def test_without_a_network_the_whole_set_says_where_its_files_go(monkeypatch):
    def fail():
        raise Exception("URL fetch failure")

    monkeypatch.setattr(keras.datasets.fashion_mnist, "load_data", fail)
    with pytest.raises(
        OSError, match="fashion-mnist, into .*/datasets.*URL fetch failure"
    ):
        load("fashion_mnist")


def test_an_unknown_data_set_is_refused_with_the_choices():
    with pytest.raises(ValueError, match="one of fashion_mnist_sample, fashion_mnist"):
        load("imagenet")


GREY, PIXELS = np.zeros((2, 8, 8), np.uint8), np.zeros((2, 8, 8, 3), np.uint8)


@pytest.mark.parametrize(
    ("images", "labels", "message"),
    [
        (GREY, np.zeros(2, int), r"shape \(N, H, W, 3\). Received: uint8 of shape"),
        (PIXELS / 255, np.zeros(2, int), "uint8 or float32. Received: float64"),
        (PIXELS + np.float32(0.5), np.zeros(2, int), "from 0.5 to 0.5; .*by 255"),
        (PIXELS, np.zeros(3, int), r"shape \(2,\)"),
        (PIXELS, np.zeros(2), "must be integers.*float64"),
    ],
)
def test_a_split_of_wrong_arrays_is_refused(images, labels, message):
    with pytest.raises(ValueError, match=message):
        Split(images, labels)


def test_a_label_without_a_name_is_refused():
    split = Split(PIXELS, np.array([0, 2]))
    with pytest.raises(ValueError, match=r"\[0, 2\).*a label of 2"):
        Dataset("mine", split, split, ("a", "b"))


@pytest.mark.parametrize("name", ["gone.csv", "gone.zip", "gone.npz"])
def test_a_file_that_is_not_there_is_refused(name):
    with pytest.raises(FileNotFoundError, match=f"^No such file or folder: {name}"):
        load(name)


@pytest.mark.parametrize("name", ["photos.rar", "", "csv"])
def test_a_name_that_is_nothing_is_told_all_that_is_accepted(name):
    with pytest.raises(ValueError) as refused:
        load(name)
    for word in ("cifar10", "folder", ".zip", ".csv", ".jsonl", ".npz", repr(name)):
        assert word in str(refused.value)


@pytest.mark.parametrize("name", ["runs/x", "~/no folder", "photos/", "a\\b"])
def test_a_path_that_is_not_there_is_called_a_path(name):
    with pytest.raises(FileNotFoundError) as refused:
        load(name)
    assert str(refused.value).startswith(f"No such file or folder: {name}. Expected")


def test_a_file_of_another_kind_is_called_one(tmp_path):
    (tmp_path / "photos.rar").write_bytes(b"Rar!")
    with pytest.raises(ValueError, match=r"photos.rar'.* of another kind. Pass the"):
        load(tmp_path / "photos.rar")


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("fashion-mnist-sample", "fashion_mnist_sample"),
        ("CIFAR10", "cifar10"),
        ("vtab/pet", None),
        ("vtab/svnh", "svhn"),
        ("tfds:eurosatt", "eurosat"),
        ("imagenet_2012", "imagenet2012"),
    ],
)
def test_a_misspelt_name_is_answered_by_the_one_that_was_meant(name, meant):
    with pytest.raises(ValueError) as refused:
        load(name)
    question = f" Did you mean {meant!r}?"
    assert str(refused.value).endswith(question if meant else f"{name!r}.")


def test_shares_of_a_split_are_cut_as_they_are_written():
    labels = np.arange(200) % 4
    pixels = np.broadcast_to(np.arange(200)[:, None, None, None], (200, 2, 2, 3))
    split = Split(pixels.astype(np.uint8), labels)
    dataset = Dataset("x", split, split, tuple("abcd"))
    first, rest = dataset.split("train[:90%]"), dataset.split("train[90%:]")
    assert (len(first), len(rest)) == (180, 20)
    seen = np.concatenate([first.images, rest.images])[:, 0, 0, 0]
    assert sorted(seen) == list(range(200))
    assert len(set(rest.labels)) == 4  # shuffled: stored order would give few
    assert len(dataset.split("test[10:30]")) == 20
    assert dataset.split("test") is split
    for name in ("validation", "train[:x]", "train[", "test[5:5]"):
        with pytest.raises(
            ValueError, match=r"data set 'x': train, test|be train|is empty"
        ):
            dataset.split(name)
