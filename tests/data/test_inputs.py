import numpy as np
import PIL.Image
import pytest
import tensorflow as tf

from keras_vit.data import Dataset, Files, Split, inputs, load, sources, split_of
from keras_vit.decoding import Decoding

PIXELS = np.arange(4 * 6 * 8 * 3, dtype=np.uint8).reshape(4, 6, 8, 3)
LABELS = np.array([0, 1, 0, 1])


@pytest.fixture
def folder(tmp_path):
    """Two classes of two images in train and of one in test."""
    for split, count in (("train", 2), ("test", 1)):
        for number, name in enumerate(("cat", "dog")):
            room = tmp_path / "photos" / split / name
            room.mkdir(parents=True)
            for place in range(count):
                image = PIL.Image.new("RGB", (8, 6), (number, place, 7))
                image.save(room / f"{place}.png")
    return tmp_path / "photos"


def test_a_name_gives_the_test_split_and_the_names_of_the_classes():
    split, class_names = split_of("fashion_mnist_sample")
    assert len(split) == 2000
    assert class_names == sources.FASHION_MNIST_CLASSES
    assert len(split_of("fashion_mnist_sample", split="train[:98%]").split) == 11760


def test_a_folder_a_table_an_archive_and_arrays_give_the_same_split(
    folder, tmp_path, monkeypatch
):
    import shutil

    monkeypatch.setenv("HOME", str(tmp_path))
    shutil.make_archive(str(tmp_path / "packed"), "zip", folder)
    rows = [
        f"{file.relative_to(tmp_path)},{file.parent.name},{file.parts[-3]}"
        for file in sorted(folder.rglob("*.png"))
    ]
    (tmp_path / "table.csv").write_text("\n".join(["path,label,split", *rows]))
    train, test = np.zeros((2, 6, 8, 3), np.uint8), np.zeros((2, 6, 8, 3), np.uint8)
    train[..., 2], test[..., 2], test[1, ..., 0] = 7, 7, 1
    np.savez(
        tmp_path / "arrays.npz",
        train_images=train,
        train_labels=[0, 1],
        test_images=test,
        test_labels=[0, 1],
        class_names=["cat", "dog"],
    )
    kinds = ("~/photos", folder, "~/packed.zip", "~/table.csv", tmp_path / "arrays.npz")
    for data in kinds:
        split, class_names = split_of(data, **_where(data, tmp_path))
        assert class_names == ("cat", "dog"), data
        assert split.labels.tolist() == [0, 1], data
        for index in (0, 1):
            expected = np.broadcast_to(np.uint8([index, 0, 7]), (6, 8, 3))
            np.testing.assert_array_equal(split.image(index), expected)


def _where(data, tmp_path):
    return {"data_dir": tmp_path / "extracted"} if str(data).endswith(".zip") else {}


def test_a_split_is_returned_as_it_is_without_names():
    for split in (Split(PIXELS, LABELS), Files(["a.png", "b.png"], np.array([0, 1]))):
        found = split_of(split)
        assert found.split is split
        assert found.class_names is None


def test_a_data_set_gives_the_split_that_is_asked_for():
    train, test = Split(PIXELS, LABELS), Split(PIXELS[:2], LABELS[:2])
    dataset = Dataset("mine", train, test, ("cat", "dog"))
    assert split_of(dataset).split is test
    assert split_of(dataset, split="train") == (train, ("cat", "dog"))
    with pytest.raises(ValueError, match="'mine': train, test, or .*'validation'"):
        split_of(dataset, split="validation")


@pytest.mark.parametrize(
    ("images", "labels", "expected"),
    [
        (PIXELS, LABELS, PIXELS),
        (PIXELS.astype(np.float32), [*LABELS], PIXELS),
        (PIXELS[..., 0], LABELS[:, None], np.repeat(PIXELS[..., :1], 3, axis=-1)),
        (tf.constant(PIXELS), tf.constant(LABELS), PIXELS),
    ],
)
def test_arrays_become_a_split(images, labels, expected):
    for pair in ((images, labels), [images, labels]):
        split, class_names = split_of(pair)
        np.testing.assert_array_equal(split.images, expected)
        assert split.labels.tolist() == LABELS.tolist()
        assert class_names is None


def test_arrays_of_other_numbers_are_mapped_by_their_range():
    images = np.full((2, 4, 4, 3), 4095, np.uint16)
    split, _ = split_of((images, [0, 1]), pixel_range=(0, 4095))
    assert (split.images == 255).all()


def test_files_are_read_as_the_model_reads_them_unless_an_option_says_otherwise(
    folder,
):
    model = Decoding((0, 4095), "black", 10_000)
    assert split_of(folder, decoding=model).split.decoding == model
    said = split_of(folder, decoding=model, background="ignore").split.decoding
    assert said == Decoding((0, 4095), "ignore", 10_000)


class Stream:
    def __iter__(self):
        raise AssertionError("is read")


@pytest.mark.parametrize(
    ("data", "advice"),
    [
        (tf.data.Dataset.from_tensors((PIXELS, LABELS)), "zip"),
        (Stream(), "put its batches together"),
        (PIXELS, "Pass images with their labels"),
        ((PIXELS, LABELS, LABELS), "put its batches together"),
        (None, "Pass images with their labels"),
        ({"images": PIXELS}, "Pass images with their labels"),
    ],
)
def test_anything_else_is_refused_by_what_is_accepted_received_and_to_do(data, advice):
    with pytest.raises(TypeError, match=f"must be a data set's name.*{advice}") as one:
        split_of(data)
    assert f"Received: {inputs._kind(data)}" in str(one.value)


def test_a_stream_becomes_arrays_as_the_message_says():
    stream = tf.data.Dataset.from_tensor_slices((PIXELS, LABELS)).batch(3)
    images, labels = map(np.concatenate, zip(*stream, strict=True))
    np.testing.assert_array_equal(split_of((images, labels)).split.images, PIXELS)


@pytest.mark.parametrize(
    ("data", "options", "message"),
    [
        ("fashion_mnist_sample", {"split": "tests"}, "split must be train, val.*tests"),
        ("gone/", {"split": "train[:x]"}, r"split must be train.*train\[:x\]"),
        ((PIXELS, LABELS), {"split": "train"}, "must go with a data set.*arrays"),
        (Split(PIXELS, LABELS), {"split": "train"}, "must go with.*a split"),
        ((PIXELS, LABELS), {"fold": 1}, "fold must go with a data set's name"),
        (Split(PIXELS, LABELS), {"pixel_range": "0:9"}, "pixel_range must go with"),
        ((["a.png", "b.png"], [0, 1]), {}, r"Received: an array of .*Files\(paths"),
        (([PIXELS[0], PIXELS[1, :3]], [0, 1]), {}, "Resize the images to one size"),
        ((PIXELS / 255, LABELS), {}, r"Received: float64 .*multiply them by 255"),
        ((PIXELS, LABELS[:3]), {}, r"Labels must be integers of shape \(4,\)"),
        ((PIXELS[None], LABELS[:1]), {}, r"of shape \(N, H, W, 3\)"),
    ],
)
def test_what_does_not_fit_is_refused(data, options, message):
    with pytest.raises(ValueError, match=message):
        split_of(data, **options)


def test_the_options_are_those_of_load():
    import inspect

    accepted = {*inspect.signature(load).parameters} - {"name"}
    assert {*inputs.LoadOptions.__annotations__} == accepted
    assert [*inputs.ReadOptions.__annotations__] == [*sources.OPTIONS]


def test_part_is_the_old_name_of_split():
    dataset = Dataset("mine", Split(PIXELS, LABELS), Split(PIXELS, LABELS), ("a", "b"))
    with pytest.warns(DeprecationWarning, match=r"Dataset.part is called .*\.split"):
        part = dataset.part("train[:50%]")
    np.testing.assert_array_equal(part.images, dataset.split("train[:50%]").images)
