"""Shards of a cache of images: a TFRecord file each, and an index beside it.

A shard is whole or absent: its records are written under a hidden name, which other
processes pass over, and its index comes last.
"""

import contextlib
import os
import pathlib
import shutil
import time
import uuid
import zlib
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from keras_vit.files import written_whole

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

KEY_BYTES = 16  # of what an image is found by
_BEFORE, _AFTER = 12, 4  # bytes around the data of a record
_RECORDS, _INDEX, _PARTIAL = ".tfrecord", ".npz", ".partial"
_ABANDONED = 3600  # seconds after which nobody still writes what has no index


class Place(NamedTuple):
    """Where the bytes of an image are.

    Attributes:
        path: of the TFRecord file.
        start: the byte at which they begin.
        length: in bytes.
        checksum: zlib's CRC-32 of them.
    """

    path: str
    start: int
    length: int
    checksum: int

    def read(self) -> bytes | None:
        """Return the bytes; `None` if they are gone, or others than were written."""
        try:
            with open(self.path, "rb", buffering=0) as file:
                file.seek(self.start)
                data = file.read(self.length)
        except OSError:
            return None
        whole = len(data) == self.length and zlib.crc32(data) == self.checksum
        return data if whole else None


class ShardWriter:
    """Writes a shard.

    Args:
        folder: of the cache.

    Attributes:
        size: of its records so far, in bytes.
        begun: when it was begun, in seconds, as `time.monotonic` counts.

    Raises:
        OSError: if nothing can be written there.
    """

    def __init__(self, folder: pathlib.Path) -> None:
        self._folder, self._name = folder, f"shard-{uuid.uuid4().hex[:16]}"
        self._partial = folder / f".{self._name}{_PARTIAL}"
        self._rows: dict[bytes, Place] = {}
        self.size, self.begun = 0, time.monotonic()
        self._lock = os.open(self._partial, os.O_CREAT | os.O_WRONLY, 0o666)
        if fcntl is not None:  # as long as it is held, nobody sweeps it away
            fcntl.flock(self._lock, fcntl.LOCK_EX)
        self._writer = tf.io.TFRecordWriter(os.fspath(self._partial))

    def add(self, key: bytes, data: bytes) -> Place:
        """Write a record, and return where it is until the shard is sealed.

        Raises:
            OSError: if the disk is full.
        """
        try:
            self._writer.write(data)
            self._writer.flush()
        except tf.errors.OpError as error:
            raise OSError(error.message) from error
        start, self.size = (
            self.size + _BEFORE,
            self.size + _BEFORE + len(data) + _AFTER,
        )
        place = Place(os.fspath(self._partial), start, len(data), zlib.crc32(data))
        self._rows[key] = place
        return place

    def seal(self) -> dict[bytes, Place]:
        """Give the shard its name, and return the place of each of its images.

        Raises:
            OSError: if the disk is full. The shard is then gone.
        """
        path = self._folder / f"{self._name}{_RECORDS}"
        try:
            with contextlib.suppress(tf.errors.OpError):  # of a full disk, seen before
                self._writer.close()
            with written_whole(path.with_suffix(_INDEX)) as scratch:
                os.truncate(self._partial, self.size)
                os.replace(self._partial, scratch.with_name(path.name))
                np.savez(scratch, **_columns(self._rows))
        finally:
            self._partial.unlink(missing_ok=True)
            os.close(self._lock)
        moved = os.fspath(path)
        return {key: one._replace(path=moved) for key, one in self._rows.items()}


def _columns(rows):
    places = rows.values()
    return {
        "keys": np.frombuffer(b"".join(rows), np.uint8).reshape(-1, KEY_BYTES),
        "starts": np.array([one.start for one in places], np.int64),
        "lengths": np.array([one.length for one in places], np.int64),
        "checksums": np.array([one.checksum for one in places], np.uint32),
    }


def read_shard(index: pathlib.Path) -> dict[bytes, Place]:
    """Return the place of each image of a shard; none of one that is not whole.

    Args:
        index: the path of its index.
    """
    records = os.fspath(index.with_suffix(_RECORDS))
    try:
        size = os.path.getsize(records)
        with np.load(index, allow_pickle=False) as columns:
            keys, *numbers = (columns[name] for name in _columns({}))
    except (OSError, ValueError, KeyError, EOFError, zlib.error):
        return {}
    starts, lengths, checksums = (column.tolist() for column in numbers)
    found = zip(map(bytes, keys), starts, lengths, checksums, strict=True)
    return {
        key: Place(records, start, length, checksum)
        for key, start, length, checksum in found
        if start + length <= size
    }


def indexes(folder: pathlib.Path) -> Iterator[pathlib.Path]:
    """Yield the paths of the indexes of a folder's shards."""
    yield from sorted(folder.glob(f"shard-*{_INDEX}"))


def sweep(folder: pathlib.Path) -> None:
    """Remove what processes that were killed had begun to write."""
    for partial in folder.glob(f".shard-*{_PARTIAL}"):
        if _is_abandoned(partial):
            partial.unlink(missing_ok=True)
    for records in folder.glob(f"shard-*{_RECORDS}"):
        if not records.with_suffix(_INDEX).exists() and _is_old(records):
            records.unlink(missing_ok=True)
    for room in folder.glob(f".shard-*{_INDEX}.*"):  # of `written_whole`
        if _is_old(room):
            shutil.rmtree(room, ignore_errors=True)


def _is_abandoned(partial):
    if fcntl is None:
        return _is_old(partial)
    try:
        descriptor = os.open(partial, os.O_RDONLY)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return os.fstat(descriptor).st_size > 0 or _is_old(partial)
    except OSError:  # its writer lives, or the disk has no locks
        return False
    finally:
        os.close(descriptor)


def _is_old(path):
    try:
        return time.time() - path.stat().st_mtime > _ABANDONED
    except OSError:
        return False
