"""The metadata that this package writes into a file of weights and reads from it.

A file of another publisher's layout has no place for the grid of its position
table, the normalisation of its pixels and the like. Ours carry a JSON object
where the publishers' readers do not look: a `.npz` in the comment of its zip
archive (big_vision refuses an array that it does not expect, and vit_jax would
train one), a `.safetensors` in its header's `__metadata__`.
"""

import json
import pathlib
import struct
import zipfile
import zlib
from collections.abc import Mapping
from typing import Any

import keras

from keras_vit.foreign_arguments import RENAMED  # earlier versions wrote those
from keras_vit.weights import pixels
from keras_vit.weights.architecture import describe
from keras_vit.weights.files import WeightsFileError
from keras_vit.weights.pixels import KEY

COMMENT_LENGTH = struct.Struct("<H")  # the last field of a zip archive before it


def metadata_of(model: keras.Model) -> dict[str, Any]:
    """Return what a file of a model's weights says besides arrays, for JSON."""
    architecture = describe(model)
    rule = architecture.position_interpolation
    return {
        "image_size": list(model.input_shape[1:3]),
        "grid": list(architecture.grid),
        **({} if rule is None else {"position_interpolation": rule}),
        **pixels.note_of(model),
    }


def write_npz(path: pathlib.Path, metadata: Mapping[str, Any]) -> None:
    """Write metadata into an existing `.npz` file."""
    text = json.dumps(metadata).encode()
    with zipfile.ZipFile(path, "a") as archive:  # whose checksums leave comments out
        archive.comment = b"%s %08x %s" % (KEY.encode(), zlib.crc32(text), text)


def for_safetensors(metadata: Mapping[str, Any]) -> dict[str, str]:
    """Return the `metadata=` of safetensors' writers, strings alone."""
    return {"format": "pt", KEY: json.dumps(metadata)}


def read_metadata(path: pathlib.Path) -> dict[str, Any]:
    """Read the metadata of a file that `open_arrays` has accepted.

    Returns:
        A dict; empty for a file that this package did not write.

    Raises:
        WeightsFileError: if there is metadata of ours that is not readable.
    """
    try:
        metadata: Any = _READERS[path.suffix](path)
        if metadata is None:
            return {}
        if not isinstance(metadata, dict):
            raise ValueError("expected a JSON object")
    except (AttributeError, TypeError, ValueError) as error:
        raise WeightsFileError(
            f"{path.name}: its metadata is not readable ({error})"
        ) from error
    entries: dict[str, Any] = metadata
    return {RENAMED.get(key, key): value for key, value in entries.items()}


def _read_npz(path: pathlib.Path) -> Any:
    with zipfile.ZipFile(path) as archive:
        comment = archive.comment
    with open(path, "rb") as file:  # which zipfile does not mind to be cut
        file.seek(-len(comment) - COMMENT_LENGTH.size, 2)
        if COMMENT_LENGTH.unpack(file.read(COMMENT_LENGTH.size)) != (len(comment),):
            raise ValueError("its end is cut off")
    if not comment.startswith(KEY.encode() + b" "):
        return None  # somebody else's
    _, checksum, text = comment.split(b" ", 2)
    if zlib.crc32(text) != int(checksum, 16):
        raise ValueError("it differs from its checksum")
    return json.loads(text)


def _read_safetensors(path: pathlib.Path) -> Any:
    with open(path, "rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(length))
    text = (header.get("__metadata__") or {}).get(KEY)
    return None if text is None else json.loads(text)


_READERS = {".npz": _read_npz, ".safetensors": _read_safetensors}
