import itertools
import os
import pathlib
import shutil
import socket

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds

from keras_vit.data import Split, load
from keras_vit.data import tfds as tfds_door
from keras_vit.data.augmentation import Augmentation
from keras_vit.data.pipeline import training_batches
from keras_vit.data.records import Records
from keras_vit.data.tfrecord import RecordFiles
from keras_vit.data.unreadable import replacements, unreadable_among
from keras_vit.evaluation import evaluate
from support.models import tiny_vit
from support.prepared import of_pictures, pictures, prepare


@pytest.fixture(autouse=True)
def _no_network(monkeypatch):
    def refuse(*arguments, **options):
        raise AssertionError("the network was asked")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Data sets of three kinds of image, and of several kinds of split."""
    folder = tmp_path_factory.mktemp("prepared")
    rng = np.random.default_rng(0)
    train, test = pictures(57, rng), pictures(21, rng)
    splits = {"train": train, "test": test}
    prepare(folder, "photographs", of_pictures("jpeg"), splits, shards=4)
    splits = {
        "train": pictures(13, rng, channels=1),
        "validation": pictures(6, rng, channels=1),
        "test": pictures(7, rng, channels=1),
    }
    prepare(folder, "grey", of_pictures(channels=1), splits)
    splits = {
        "train": pictures(8, rng),
        "validation": pictures(6, rng),
        "test": pictures(7, rng, label=-1),
    }
    prepare(folder, "secret", of_pictures(), splits, shards=2)
    prepare(folder, "alone", of_pictures(), {"train": pictures(5, rng)})
    return str(folder)


def test_records_that_are_written_anew_are_others(tmp_path):
    path, found = tmp_path / "a.tfrecord", []
    for second, letter in ((1, b"a"), (1, b"a"), (2, b"b")):
        with tf.io.TFRecordWriter(str(path)) as writer:
            writer.write(letter)
        os.utime(path, (second, second))
        split = Records(RecordFiles([path], [1]), np.array([0]), None, 5)
        found.append((split.fingerprint(), split.images_fingerprint()))
    assert found[0] == found[1]
    assert found[1][0] == found[2][0]  # the names are the same
    assert found[1][1] != found[2][1]


def stored(folder, name, split):
    """What TensorFlow Datasets reads, in the order of its files."""
    config = tfds.ReadConfig(interleave_cycle_length=1)
    images = tfds.load(
        name, split=split, data_dir=folder, read_config=config, download=False
    )
    return [*images.as_numpy_iterator()]


@pytest.mark.parametrize(
    "part",
    ["train", "test", "train[:98%]", "train[90%:]", "train[30%:50%]", "train[7:9]"],
)
@pytest.mark.parametrize("name", ["photographs", "grey"])
def test_a_part_has_the_images_that_tensorflow_datasets_gives(folder, name, part):
    split = load(name, data_dir=folder).split(part)
    expected = stored(folder, name, part)
    assert len(split) == len(expected)
    np.testing.assert_array_equal(split.labels, [one["label"] for one in expected])
    for index, one in enumerate(expected):
        pixels = np.broadcast_to(one["image"], (12, 16, 3))
        np.testing.assert_array_equal(split.image(index), pixels)


def test_names_and_classes_are_told(folder):
    dataset = load("tfds:photographs", data_dir=folder)
    assert dataset.class_names == ("a", "b", "c", "d", "e")
    assert dataset.validation is None
    names = [dataset.train.name(index) for index in range(57)]
    assert len({*names}) == 57
    assert names[-1].startswith("photographs-train.tfrecord-00003-of-00004, record ")


def test_data_sets_are_found_where_the_environment_says(folder, monkeypatch):
    monkeypatch.setenv("TFDS_DATA_DIR", folder)
    assert len(load("photographs:1.0.0").test) == 21


def test_validation_stands_in_for_a_test_whose_labels_are_secret(folder):
    dataset = load("secret", data_dir=folder)
    assert len(dataset.test) == 6
    assert dataset.validation is None  # or it would be looked at twice
    assert dataset.test.labels.min() >= 0
    labelled = load("grey", data_dir=folder)
    assert (len(labelled.test), len(labelled.validation)) == (7, 6)


def test_nothing_is_read_before_it_is_asked_for(folder, tmp_path):
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    for path in tmp_path.rglob("photographs-train.tfrecord*"):
        path.unlink()
    dataset = load("photographs", data_dir=tmp_path)
    assert len(dataset.test.labels) == 21
    with pytest.raises(OSError, match="photographs-train.tfrecord"):
        dataset.train.image(0)


EVERYTHING = Augmentation(crop="inception", flip=True, randaugment=(1, 10), mixup=0.3)


def batches(split, count, **options):
    options = {"seed": 3, "augmentation": EVERYTHING} | options
    stream = training_batches(split, 19, (12, 16), 5, **options)
    return [*itertools.islice(stream.as_numpy_iterator(), count)]


def test_each_epoch_sees_each_record_once_with_its_label(folder):
    split = load("photographs", data_dir=folder).train
    label_of = {split.image(i).tobytes(): split.labels[i] for i in range(57)}
    orders = []
    for epoch in range(2):
        plain = batches(split, 3, augmentation=Augmentation(), first_step=3 * epoch)
        images, targets = (
            np.concatenate(arrays) for arrays in zip(*plain, strict=True)
        )
        images = [image.astype(np.uint8).tobytes() for image in images]
        assert {*images} == {*label_of}
        assert [label_of[image] for image in images] == [*targets.argmax(1)]
        orders.append(images)
    assert orders[0] != orders[1]


@pytest.mark.parametrize("step", [pytest.param(1, marks=pytest.mark.slow), 4])
def test_a_stream_of_records_can_be_entered_at_any_step(folder, step):
    whole = batches(load("photographs", data_dir=folder).train, 6)
    entered = load("photographs", data_dir=folder).train
    for one, other in zip(
        batches(entered, 6 - step, first_step=step), whole[step:], strict=True
    ):
        np.testing.assert_array_equal(one[0], other[0])
        np.testing.assert_array_equal(one[1], other[1])


def test_a_training_example_reads_its_record_once(folder):
    split = load("photographs", data_dir=folder).train
    read = split.examples(5)

    @tf.function(input_signature=[tf.TensorSpec((), tf.int64)])
    def example(index):
        image, target = read(index)
        return image(lambda height, width: (1, 2, 8, 6)), target

    graph = example.get_concrete_function().graph
    assert [op.type for op in graph.get_operations()].count("TFRecordDatasetV2") == 1
    for index in (0, 33, 5):
        image, label = example(index)
        whole = split.image(index).astype(int)
        # A decoder may smooth colours over the edge of what it decodes.
        assert np.abs(image - whole[1:9, 2:8])[1:-1, 1:-1].max() <= 8
        np.testing.assert_array_equal(label, np.eye(5)[split.labels[index]])


def test_what_is_not_needed_is_not_parsed(folder):
    """A record without the feature `number` is still an example."""
    dataset = load("photographs", data_dir=folder)
    bytes_list = tf.train.BytesList(value=[b"any"])
    label = tf.train.Feature(int64_list=tf.train.Int64List(value=[3]))
    feature = {"image": tf.train.Feature(bytes_list=bytes_list), "label": label}
    record = tf.train.Example(features=tf.train.Features(feature=feature))
    image, label = dataset.train.parse(record.SerializeToString())
    assert (image, label) == (b"any", 3)


@pytest.fixture
def damaged(folder, tmp_path):
    """The data set of photographs, one byte in a training record changed."""
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    [path] = tmp_path.rglob("photographs-train.tfrecord-00002*")
    data = bytearray(path.read_bytes())
    data[100] ^= 1
    path.write_bytes(data)
    return load("photographs", data_dir=tmp_path)


def test_a_damaged_record_is_told(damaged):
    with pytest.raises(
        OSError, match="tfrecord-00002-of-00004, record 0, which is dam"
    ):
        damaged.train.labels  # noqa: B018
    with pytest.raises(tf.errors.DataLossError):
        batches(damaged.train, 3)
    assert len(damaged.test.labels) == 21


def test_a_label_that_is_no_class_is_told(tmp_path, rng):
    splits = {"train": pictures(9, rng, label=-1), "test": pictures(5, rng)}
    prepare(tmp_path, "mislabelled", of_pictures(), splits)
    split = load("mislabelled", data_dir=tmp_path).train
    with pytest.raises(ValueError, match=r"\[0, 5\). Received: -1 in mislabelled"):
        split.labels  # noqa: B018
    with pytest.raises(tf.errors.InvalidArgumentError, match="has the label"):
        split.targets(5)(2)


def test_more_classes_than_a_model_has_are_refused(folder):
    split = load("photographs", data_dir=folder).train
    split.check_classes(5)
    with pytest.raises(ValueError, match=r"\[0, 4\).*labels of 5 classes"):
        split.check_classes(4)


def test_records_are_evaluated_as_images_in_memory_are(folder):
    split = load("photographs", data_dir=folder).test
    images = np.stack([split.image(index) for index in range(len(split))])
    model = tiny_vit()
    of_records = evaluate(model, split, 8)
    of_images = evaluate(
        model, Split(tf.image.resize(images, (16, 24)).numpy(), split.labels)
    )
    assert of_records.count == 21
    np.testing.assert_allclose(of_records.loss, of_images.loss, rtol=1e-5)
    np.testing.assert_array_equal(of_records.confusion, of_images.confusion)


def test_the_image_and_the_label_are_those_of_the_supervised_keys(tmp_path, rng):
    features = of_pictures() | {
        "kind": tfds.features.ClassLabel(names=["cat", "dog"]),
        "mask": tfds.features.Image(shape=(None, None, 1)),
    }
    more = {"kind": 1, "mask": np.zeros((3, 3, 1), np.uint8)}
    splits = {
        name: [one | more for one in pictures(3, rng)] for name in ("train", "test")
    }
    prepare(tmp_path, "keyed", features, splits, supervised_keys=("image", "kind"))
    dataset = load("keyed", data_dir=tmp_path)
    assert dataset.class_names == ("cat", "dog")
    assert [*dataset.train.labels] == [1, 1, 1]
    prepare(tmp_path, "keyless", features, splits)
    with pytest.raises(ValueError, match="one ClassLabel.*keyless.*kind: ClassLabel"):
        load("keyless", data_dir=tmp_path)


def test_a_data_set_without_test_and_validation_is_refused(folder):
    with pytest.raises(ValueError, match="test or validation.*with the splits train"):
        load("alone", data_dir=folder)


def test_images_of_16_bits_are_refused(tmp_path):
    features = of_pictures() | {
        "image": tfds.features.Image(shape=(4, 4, 1), dtype=np.uint16)
    }
    one = {"image": np.zeros((4, 4, 1), np.uint16), "label": 0, "number": 0}
    prepare(tmp_path, "deep", features, {"train": [one], "test": [one]})
    with pytest.raises(ValueError, match="must be of uint8 pixels. Received: image of"):
        load("deep", data_dir=tmp_path)


def test_another_format_than_tfrecord_is_refused_with_the_way_out(tmp_path, rng):
    splits = {"train": pictures(3, rng), "test": pictures(3, rng)}
    prepare(tmp_path, "other", of_pictures(), splits, file_format="array_record")
    with pytest.raises(ValueError, match="--file_format=tfrecord. Received: array_rec"):
        load("other", data_dir=tmp_path)


def test_what_is_not_prepared_is_refused_with_the_way_to_it(tmp_path):
    message = f"prepared in {tmp_path}.*cifar100, .*--download.*tfds build cifar100"
    with pytest.raises(FileNotFoundError, match=message):
        load("cifar100", data_dir=tmp_path)


def test_a_version_that_is_not_prepared_is_not_replaced(folder):
    with pytest.raises(FileNotFoundError, match="photographs:2.0.0, which is not"):
        load("photographs:2.0.0", data_dir=folder)


def test_the_newest_version_is_taken_and_of_several_configs_none(folder, tmp_path):
    one = pathlib.Path(folder, "photographs", "1.0.0")
    for version in ("1.9.0", "1.10.0"):
        shutil.copytree(one, tmp_path / "a" / version)
        text = (tmp_path / "a" / version / "dataset_info.json").read_text()
        (tmp_path / "a" / version / "dataset_info.json").write_text(
            text.replace('"1.0.0"', f'"{version}"')
        )
    for config in ("small", "large"):
        shutil.copytree(one, tmp_path / "b" / config / "1.0.0")
    assert str(tfds_door.prepared("a", data_dir=tmp_path).version) == "1.10.0"
    with pytest.raises(ValueError, match="Expected one of b/large, b/small"):
        load("b", data_dir=tmp_path)
    assert len(load("b/small", data_dir=tmp_path).train) == 57


@pytest.mark.parametrize("name", ["tfds:cifra100", "tfds:a/b/c", "tfds:"])
def test_a_name_that_tensorflow_datasets_does_not_know_is_refused(name, tmp_path):
    with pytest.raises(ValueError, match="such as cifar100.*Received: "):
        load(name, data_dir=tmp_path)


def test_download_is_asked_for_and_its_failure_told(tmp_path, monkeypatch):
    asked = []

    def fail(self, **options):
        asked.append(self.name)
        raise ConnectionError("no route")

    monkeypatch.setattr(tfds.core.DatasetBuilder, "download_and_prepare", fail)
    with pytest.raises(OSError, match="download cifar100 .*no route"):
        load("cifar100", data_dir=tmp_path, download=True)
    assert asked == ["cifar100"]


def test_an_unreadable_record_is_named_and_others_stand_in_for_it(damaged):
    found = unreadable_among(damaged.train, range(len(damaged.train)))
    assert 0 < len(found) < len(damaged.train)
    for index, reason in found.items():
        assert reason.startswith(damaged.train.name(index))
    others = replacements(len(damaged.train), found)
    stream = batches(damaged.train, 3, replacements=others)
    assert len(stream) == 3
