"""Files of named arrays, read without running anything in them.

A file is opened by its header alone: names, shapes and dtypes are known, and
every claim of the header is checked against the file's own size, before any
array is allocated.
"""

import json
import math
import os
import pathlib
import struct
import tokenize
import zipfile
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Self

import ml_dtypes
import numpy as np

MOST_HEADER_BYTES = 100_000_000  # the limit of the safetensors format itself

ZIP_ERRORS = EOFError, NotImplementedError, zipfile.BadZipFile, zlib.error
HEADER_ERRORS = SyntaxError, tokenize.TokenError  # of NumPy, which parses it


class WeightsFileError(ValueError):
    """A file of weights that cannot be read; the message says where and why."""


class Axes(tuple[int, ...]):
    """The shape of an array in a file: an axis it lacks is the file's error."""

    name: str

    def __new__(cls, shape: Iterable[int], name: str) -> Self:
        axes = super().__new__(cls, shape)
        axes.name = name
        return axes

    def __getitem__(self, index: Any) -> Any:
        try:
            return super().__getitem__(index)
        except IndexError:
            raise _too_few(self.name, self) from None


@dataclass(frozen=True)
class Stored:
    """An array in a file, not read yet.

    Attributes:
        shape: of the array; an axis that it lacks is a `WeightsFileError`.
        dtype: of the array.
        read: returns the array.
        name: in the file, for messages.
    """

    shape: tuple[int, ...]
    dtype: np.dtype
    read: Callable[[], np.ndarray]
    name: str = "an array"

    def __post_init__(self) -> None:
        object.__setattr__(self, "shape", Axes(self.shape, self.name))

    def changed(self, change: Callable[[np.ndarray], np.ndarray]) -> Self:
        """Return the array that `change` will make of this one when it is read.

        Raises:
            WeightsFileError: if it has too few axes for that, or too little on one.
        """
        empty = np.broadcast_to(np.zeros((), self.dtype), self.shape)
        try:
            made = change(empty)
        except (IndexError, ValueError):
            raise _too_few(self.name, self.shape) from None
        read = self.read
        return type(self)(made.shape, made.dtype, lambda: change(read()), self.name)


def _too_few(name, shape):
    return WeightsFileError(
        f"{name} is misshapen: expected an array of more axes, or of more along them. "
        f"Received: an array of shape {tuple(shape)}"
    )


def open_arrays(path: str | os.PathLike[str]) -> dict[str, Stored]:
    """Open a file of weights.

    Args:
        path: of a `.npz` or a `.safetensors` file.

    Returns:
        A dict of `Stored` arrays by the names they have in the file.

    Raises:
        FileNotFoundError: if there is no such file.
        WeightsFileError: if it is of another kind, is damaged, or claims
            more than it holds.
    """
    path = pathlib.Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"No file of weights at {path}.")
    if path.suffix in REFUSED:
        raise WeightsFileError(
            f"{path.name}: reading a {path.suffix} file can run code that is in it, so "
            f"it is not read. {REFUSED[path.suffix]}"
        )
    if path.suffix not in READERS:
        raise WeightsFileError(
            f"{path.name}: expected a file of {' or '.join(READERS)}. "
            f"Received: {path.suffix or 'no suffix'}"
        )
    try:
        return READERS[path.suffix](path)
    except WeightsFileError:
        raise
    except (
        OSError,
        TypeError,
        ValueError,
        KeyError,
        *HEADER_ERRORS,
        *ZIP_ERRORS,
    ) as error:
        raise WeightsFileError(f"{path.name}: not readable ({error})") from error


def _open_npz(path):
    size = path.stat().st_size
    stored = {}
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            name = member.filename.removesuffix(".npy")
            if member.compress_type == zipfile.ZIP_STORED and member.file_size > size:
                raise WeightsFileError(
                    f"{path.name}: {name!r} claims {member.file_size:,} bytes, more "
                    f"than the file's {size:,}"
                )
            with archive.open(member) as stream:
                shape, _, dtype = _read_npy_header(stream, name)
                expected = stream.tell() + _bytes_of(shape, dtype)
            if expected != member.file_size:
                raise WeightsFileError(
                    f"{path.name}: the header of {name!r} claims {dtype} of shape "
                    f"{shape}, {expected:,} bytes. The file holds {member.file_size:,}"
                )
            stored[name] = Stored(
                shape, _bfloat16(dtype), _npz_reader(path, member), name
            )
    return stored


def _bytes_of(shape, dtype):
    if any(side < 0 for side in shape):
        raise ValueError(f"a shape of {shape}")
    return math.prod(shape) * dtype.itemsize  # in integers that do not overflow


def _read_npy_header(stream, name):
    version = np.lib.format.read_magic(stream)
    readers = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }
    if version not in readers:
        raise ValueError(f"{name!r} is of an unknown version {version}")
    shape, fortran, dtype = readers[version](stream)
    if dtype.hasobject:
        raise ValueError(f"{name!r} holds Python objects, which are not read")
    return shape, fortran, dtype


def _bfloat16(dtype):
    """NumPy writes bfloat16 as two bytes without a meaning."""
    return np.dtype(ml_dtypes.bfloat16) if dtype == np.dtype("V2") else dtype


def _npz_reader(path, member):
    def read():
        try:
            with zipfile.ZipFile(path) as archive, archive.open(member) as stream:
                array = np.lib.format.read_array(stream, allow_pickle=False)
                stream.read(1)  # the end is where the checksum is compared
        except (OSError, ValueError, *HEADER_ERRORS, *ZIP_ERRORS) as error:
            raise WeightsFileError(
                f"{path.name}: {member.filename!r} is damaged ({error})"
            ) from error
        return array.view(_bfloat16(array.dtype))

    return read


SAFETENSORS_DTYPES = {
    "F64": np.float64,
    "F32": np.float32,
    "F16": np.float16,
    "BF16": ml_dtypes.bfloat16,
    "I64": np.int64,
    "I32": np.int32,
    "I16": np.int16,
    "I8": np.int8,
    "U8": np.uint8,
    "BOOL": np.bool_,
}


def _open_safetensors(path):
    size = path.stat().st_size
    with open(path, "rb") as file:
        (length,) = struct.unpack("<Q", file.read(8).ljust(8, b"\0"))
        if length > min(MOST_HEADER_BYTES, size - 8):
            raise WeightsFileError(
                f"{path.name}: claims a header of {length:,} bytes. "
                f"The file has {size:,}"
            )
        header = json.loads(file.read(length))
    if not isinstance(header, dict):
        raise ValueError("expected a JSON object in its header")
    header.pop("__metadata__", None)
    stored, begun, ends = {}, 8 + length, 0
    for name, entry in sorted(header.items(), key=lambda item: item[1]["data_offsets"]):
        dtype = np.dtype(SAFETENSORS_DTYPES[entry["dtype"]])
        shape, (start, end) = tuple(entry["shape"]), entry["data_offsets"]
        expected = _bytes_of(shape, dtype)
        if start != ends or end - start != expected or begun + end > size:
            raise WeightsFileError(
                f"{path.name}: {name!r} claims {entry['dtype']} of shape {shape}, "
                f"{expected:,} bytes, at {start:,} to {end:,} of {size - begun:,}"
            )
        ends = end
        stored[name] = Stored(
            shape,
            dtype,
            _safetensors_reader(path, name, begun + start, shape, dtype),
            name,
        )
    if begun + ends != size:
        raise WeightsFileError(
            f"{path.name}: its header accounts for {begun + ends:,} bytes. "
            f"The file has {size:,}"
        )
    return stored


def _safetensors_reader(path, name, offset, shape, dtype):
    def read():
        count = math.prod(shape)
        array = np.fromfile(path, dtype, count, offset=offset)
        if array.size != count:
            raise WeightsFileError(f"{path.name}: {name!r} is cut short")
        return array.reshape(shape)

    return read


READERS = {".npz": _open_npz, ".safetensors": _open_safetensors}
_TORCH = (
    "Load it where you trust it and write it again: safetensors.torch.save_file("
    "torch.load(path, weights_only=True), 'new.safetensors')"
)
_H5 = (
    "Load it where you trust it and write it again: "
    "numpy.savez('new.npz', **{w.path: w.numpy() for w in model.weights})"
)
REFUSED = {".pt": _TORCH, ".pth": _TORCH, ".bin": _TORCH, ".h5": _H5, ".keras": _H5}
