import os
import struct

import numpy as np
import pytest
import tensorflow as tf

from keras_vit.data.tfrecord import RecordFiles, record_offsets


def written(path, records):
    with tf.io.TFRecordWriter(str(path)) as writer:
        for record in records:
            writer.write(record)
    return str(path)


def overwritten(path, at, data):
    with open(path, "r+b") as file:
        file.seek(at)
        file.write(data)


@pytest.fixture
def records(rng):
    """Of all sizes, none and more than a buffer's among them."""
    sizes = [0, 1, 300_000, *rng.integers(2, 5000, 30)]
    return [rng.bytes(size) for size in sizes]


@pytest.fixture
def files(tmp_path, records):
    """The records in three files, the second of which has none."""
    parts = records[:13], [], records[13:]
    paths = [written(tmp_path / f"{n}.tfrecord", part) for n, part in enumerate(parts)]
    return RecordFiles(paths, [len(part) for part in parts])


def test_any_record_is_read_as_tensorflow_reads_it_in_order(files, records, rng):
    whole = [*tf.data.TFRecordDataset(files.paths).as_numpy_iterator()]
    assert whole == records
    order = rng.permutation(len(files))
    numbers = tf.data.Dataset.range(len(files))
    read = numbers.map(files.reader(order), num_parallel_calls=4).as_numpy_iterator()
    assert [*read] == [records[index] for index in order]


def test_records_begin_where_their_lengths_say(tmp_path):
    path = written(tmp_path / "a.tfrecord", [b"", b"abc", b"x" * 1000, b"y"])
    np.testing.assert_array_equal(
        record_offsets(path), np.cumsum([0, 16, 16 + 3, 16 + 1000])
    )


def test_remote_files_are_walked_as_local_ones(files):
    for path in files.paths:
        np.testing.assert_array_equal(
            record_offsets(f"file://{path}"), record_offsets(path)
        )


def test_only_the_files_asked_for_are_opened(files):
    os.remove(files.paths[0])
    assert files.reader([20])(0).numpy()
    with pytest.raises(FileNotFoundError):
        files.reader([5])


def test_a_damaged_length_is_told(files):
    path = files.paths[2]
    offset = record_offsets(path)[4]
    overwritten(path, offset, struct.pack("<Q", 7))
    with pytest.raises(OSError, match=f"2.tfrecord, .* record 4.* {offset},"):
        files.reader([14])


@pytest.mark.parametrize("lost", [1, 4, 30])
def test_a_file_that_was_cut_is_told(tmp_path, lost):
    path = written(tmp_path / "a.tfrecord", [b"abc", b"twelve bytes"])
    os.truncate(path, os.path.getsize(path) - lost)
    with pytest.raises(OSError, match="damaged"):
        record_offsets(path)


def test_records_that_are_missing_are_told(files):
    files.counts[0] += 1
    with pytest.raises(OSError, match="Expected 14 records .* Received: 13"):
        files.reader([0])


def test_damaged_data_are_told_when_they_are_read(files):
    overwritten(files.paths[2], record_offsets(files.paths[2])[4] + 12, b"\0\1\2")
    read = files.reader([16, 17, 18])
    assert read(0).numpy() and read(2).numpy()
    with pytest.raises(tf.errors.DataLossError):
        read(1)
