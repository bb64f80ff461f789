"""TFRecord files -> any of their records, at once.

A file is a row of records: the length of the data in 8 bytes, a checksum of
these, the data, a checksum of the data in 4 bytes. There is no table of
contents, so that one is made by walking from length to length.
"""

import contextlib
import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import tensorflow as tf

_HEADER, _FOOTER = 12, 4  # bytes around the data of a record
_FILES_AT_ONCE = 32  # a walk waits for the disk most of the time


class RecordFiles:
    """The records of several TFRecord files, numbered through.

    Where the records of a file begin is found out when the first of them is
    asked for, and kept.

    Attributes:
        paths: of the files. Paths such as `gs://` are read by TensorFlow.
        counts: how many records each of them has.

    Example:

    >>> with tf.io.TFRecordWriter("letters.tfrecord") as writer:
    ...     for letter in (b"a", b"b", b"c"):
    ...         writer.write(letter)
    >>> read = RecordFiles(["letters.tfrecord"], [3]).reader([2, 0])
    >>> read(tf.constant(0)).numpy()
    b'c'
    """

    def __init__(
        self,
        paths: Iterable[str | os.PathLike[str]],
        counts: Sequence[int],
        offsets: np.ndarray | None = None,
    ) -> None:
        self.paths = [os.fspath(path) for path in paths]
        self.counts = np.array(counts, np.int64)
        self._ends = np.cumsum(self.counts)
        self._offsets = np.full(len(self), -1)
        if offsets is not None:
            self._offsets[:] = offsets

    def __len__(self) -> int:
        return int(self.counts.sum())

    def places(
        self, indices: np.ndarray | Sequence[int]
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the file of each record, and its number in that file.

        Args:
            indices: of records, `(N,)`.

        Returns:
            Two arrays `(N,)` of numbers from 0.
        """
        files = np.searchsorted(self._ends, indices, side="right")
        return files, indices - (self._ends - self.counts)[files]

    def offsets(
        self, indices: np.ndarray | Sequence[int]
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the file of each record, and the byte at which it begins.

        Args:
            indices: of records, `(N,)`.

        Returns:
            Two arrays `(N,)`.

        Raises:
            OSError: if a file is missing or damaged, or has more or fewer
                records than it should.
        """
        files, _ = self.places(indices)
        unknown = np.unique(files[self._offsets[indices] < 0])
        with ThreadPoolExecutor(_FILES_AT_ONCE) as pool:
            walked = [*pool.map(self._walked, unknown)]
        for file, offsets in zip(unknown, walked, strict=True):
            end = self._ends[file]
            self._offsets[end - len(offsets) : end] = offsets
        return files, self._offsets[indices]

    def _walked(self, file):
        offsets = record_offsets(self.paths[file])
        if len(offsets) != self.counts[file]:
            raise OSError(
                f"Expected {self.counts[file]} records in {self.paths[file]}. "
                f"Received: {len(offsets)}. Prepare the data set again"
            )
        return offsets

    def reader(
        self, indices: np.ndarray | Sequence[int]
    ) -> Callable[[tf.Tensor], tf.Tensor]:
        """Return a function for the graph that reads some of the records.

        Args:
            indices: of records, `(N,)`.

        Returns:
            A function of a number n below N that returns the data of record
            `indices[n]`. It raises `tf.errors.DataLossError` for data that
            do not agree with their checksum.

        Raises:
            OSError: as `offsets` does.
        """
        with tf.device("CPU"):
            paths = tf.constant(self.paths)
            files, offsets = map(tf.constant, self.offsets(indices))

        def read(number):
            # Enters a file at a byte; `tf.data.TFRecordDataset` cannot.
            variant = tf.raw_ops.TFRecordDatasetV2(
                filenames=[tf.gather(paths, tf.gather(files, number))],
                compression_type="",
                buffer_size=tf.constant(0, tf.int64),
                byte_offsets=[tf.gather(offsets, number)],
            )
            records = tf.data.experimental.from_variant(
                variant, tf.TensorSpec((), tf.string)
            )
            return records.take(1).get_single_element()

        return read


def record_offsets(path: str) -> np.ndarray:
    """Return the byte at which each record of a file begins, `(N,)`.

    Raises:
        OSError: if the file is missing or damaged; of the data, no more than
            their lengths are looked at.
    """
    headers, offsets, at = [], [], 0
    with _opened(path) as (read, size):
        while at < size:
            header = read(at)
            headers.append(header.ljust(_HEADER, b"\0"))
            offsets.append(at)
            at += _HEADER + int.from_bytes(header[:8], "little") + _FOOTER
    headers = np.frombuffer(b"".join(headers), np.uint8).reshape(-1, _HEADER)
    stated = headers[:, 8:].copy().view("<u4")[:, 0]
    wrong = np.flatnonzero(_masked_crc32c(headers[:, :8]) != stated)
    if len(wrong):
        raise OSError(
            f"Expected a whole TFRecord file. Received: {path}, which is damaged: the "
            f"length of record {wrong[0]}, at byte {offsets[wrong[0]]}, does not agree "
            "with its checksum. Prepare the data set again"
        )
    if at != size:
        raise OSError(
            f"Expected a whole TFRecord file. Received: {path}, which is damaged: it "
            f"ends within record {len(offsets) - 1}. Prepare the data set again"
        )
    return np.array(offsets, np.int64)


@contextlib.contextmanager
def _opened(path):
    """Yield a function that reads a header at a byte of a file, and the file's size."""
    if "://" in path:
        with tf.io.gfile.GFile(path, "rb") as file:

            def read(at):
                file.seek(at)
                return file.read(_HEADER)

            yield read, file.size()
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        yield (
            lambda at: os.pread(descriptor, _HEADER, at),
            os.fstat(descriptor).st_size,
        )
    finally:
        os.close(descriptor)


def is_header(data: bytes) -> bool:
    """Return whether the first 12 bytes of a record agree with their checksum.

    Example:

    >>> is_header(bytes(12))
    False
    """
    header = np.frombuffer(data[:_HEADER], np.uint8)[np.newaxis]
    return int(_masked_crc32c(header[:, :8])[0]) == int.from_bytes(data[8:12], "little")


def _crc32c_table():
    table = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        table = (table >> 1) ^ np.where(table & 1, np.uint32(0x82F63B78), np.uint32(0))
    return table


_CRC32C = _crc32c_table()


def _masked_crc32c(rows):
    """The checksum, as TFRecord files have it, of each row of bytes `(N, 8)`."""
    crc = np.full(len(rows), 0xFFFFFFFF, np.uint32)
    for column in rows.T:
        crc = _CRC32C[(crc ^ column) & 0xFF] ^ (crc >> 8)
    crc = ~crc
    return ((crc >> 15) | (crc << 17)) + np.uint32(0xA282EAD8)
