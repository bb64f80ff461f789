"""An image that is named, wherever it lies, and how its bytes are read."""

from __future__ import annotations

import functools
import os
import struct
import threading
import zipfile
from typing import IO, NamedTuple

from keras_vit.batch import filesystem
from keras_vit.data.images import MOST_BYTES, UnreadableImageError

_LENGTH = 12  # bytes of a record's header: its length, and a checksum of that
IMAGE_KEYS = (  # what the feature of the image is called in records
    *("image/encoded", "image", "image_raw", "image_bytes", "encoded"),
    *("jpeg", "jpg", "png", "img", "data"),
)


class Item(NamedTuple):
    """One image of a job.

    Attributes:
        name: what people find it by, and its row's path.
        file: of the archive or of the records that it lies in; `""`: it is a
            file of its own, at `name`.
        member: its name in the archive; or, of a record, that of the feature
            which is the image.
        offset: the byte at which its record begins; -1: it is no record.
    """

    name: str
    file: str = ""
    member: str = ""
    offset: int = -1


class Reader:
    """Reads the bytes of items; archives and records stay open for the next ones.

    May be called from several threads.

    Example:

    >>> with zipfile.ZipFile("two.zip", "w") as archive:
    ...     archive.writestr("a.png", b"bytes of an image")
    >>> Reader().read(Item("two.zip/a.png", "two.zip", "a.png"))
    b'bytes of an image'
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._archive = functools.lru_cache(4)(self._opened_archive)
        self._records = functools.lru_cache(4)(filesystem.opened)

    def read(self, item: Item) -> bytes:
        """Return the bytes of an image file.

        Raises:
            UnreadableImageError: naming the item and saying why.
        """
        if not item.file:
            return filesystem.read_bytes(item.name)
        try:
            if item.offset >= 0:
                with self._lock:
                    record = record_at(self._records(item.file), item.offset)
                return image_of_record(record, item.member)
            with self._lock:
                archive = self._archive(item.file)
                entry = archive.getinfo(item.member)
                _check_entry(entry)
                with archive.open(entry) as file:
                    return file.read()
        except UnreadableImageError as error:
            raise UnreadableImageError(f"{item.name}: {error}") from None
        except Exception as error:  # damage leads zipfile and protobuf to anything
            reason = " ".join(str(error).split()) or type(error).__name__
            raise UnreadableImageError(f"{item.name}: {reason}") from error

    @staticmethod
    def _opened_archive(path: str) -> zipfile.ZipFile:
        return zipfile.ZipFile(filesystem.opened(path))


def _check_entry(entry: zipfile.ZipInfo) -> None:
    if entry.flag_bits & 1:
        raise UnreadableImageError("is encrypted")
    if entry.file_size > MOST_BYTES:
        raise UnreadableImageError(
            f"{entry.file_size:,} bytes are more than the limit of {MOST_BYTES:,}"
        )


def record_at(file: IO[bytes], offset: int) -> bytes:
    """Return the data of the record of a TFRecord file that begins at a byte.

    Raises:
        UnreadableImageError: if the file ends within it, or its length does not
            agree with its checksum.
    """
    from keras_vit.data.tfrecord import is_header

    file.seek(offset)
    header = file.read(_LENGTH)
    if len(header) < _LENGTH or not is_header(header):
        raise UnreadableImageError("the record's length is damaged")
    (length,) = struct.unpack("<Q", header[:8])
    if length > 2 * MOST_BYTES:
        raise UnreadableImageError(
            f"{length:,} bytes are more than the limit of {2 * MOST_BYTES:,}"
        )
    data = file.read(length)
    if len(data) < length:
        raise UnreadableImageError("the file ends within the record")
    return data


def image_of_record(data: bytes, key: str) -> bytes:
    """Return the bytes of the image in a record, a `tf.train.Example`.

    Args:
        data: the record's data.
        key: of the feature that is the image; `""`: the first of `IMAGE_KEYS`
            that the record has, or its only feature of bytes.

    Raises:
        UnreadableImageError: if there is no such feature.
    """
    import tensorflow as tf

    features = tf.train.Example.FromString(data).features.feature
    of_bytes = {k: v.bytes_list.value for k, v in features.items()}
    of_bytes = {k: v for k, v in of_bytes.items() if len(v) == 1}
    known = [one for one in IMAGE_KEYS if one in of_bytes] or list(of_bytes)
    if key in of_bytes:
        return of_bytes[key][0]
    if key or not known or (known[0] not in IMAGE_KEYS and len(known) > 1):
        expected = f"a feature {key!r}" if key else f"one of {', '.join(IMAGE_KEYS)}"
        raise UnreadableImageError(
            f"expected {expected} of bytes in the record. Received: "
            f"{', '.join(sorted(features)) or 'none'}"
        )
    return of_bytes[known[0]][0]


def fsdecoded(name: bytes | str) -> str:
    """Return a name as text that can be encoded as UTF-8, whatever its bytes are."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")
