"""Files on disk and, by Beam's file systems, in buckets: read, listed, written whole.

A path with `://`, such as `gs://bucket/photos`, goes to the file system of Beam's
that has its scheme; any other is a path on this machine.
"""

from __future__ import annotations

import contextlib
import os
import pathlib
import posixpath
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from typing import IO, Any

from keras_vit.data.images import MOST_BYTES, UnreadableImageError
from keras_vit.data.images import read_bytes as read_local
from keras_vit.files import written_whole


def is_remote(path: str) -> bool:
    """Return whether a path is read by a file system of Beam's."""
    return "://" in path


def join(folder: str, *names: str) -> str:
    """Return the path of what lies in a folder."""
    return (posixpath if is_remote(folder) else os.path).join(folder, *names)


def opened(path: str) -> IO[bytes]:
    """Open a file to read its bytes, as they are stored.

    Raises:
        OSError: if it cannot be opened.
    """
    if not is_remote(path):
        return open(path, "rb")
    systems, compression = _beam()
    return systems.open(path, compression_type=compression.UNCOMPRESSED)


def read_bytes(path: str) -> bytes:
    """Read an image file of at most `MOST_BYTES`.

    Raises:
        UnreadableImageError: if it cannot be read or is larger.
    """
    if not is_remote(path):
        return read_local(path)
    try:
        with opened(path) as file:
            data = file.read(MOST_BYTES + 1)
    except Exception as error:  # of whatever client is behind a scheme
        reason = " ".join(str(error).split()) or type(error).__name__
        raise UnreadableImageError(f"{path}: {reason}") from error
    if len(data) > MOST_BYTES:
        raise UnreadableImageError(
            f"{path}: more bytes than the limit of {MOST_BYTES:,}"
        )
    return data


def exists(path: str) -> bool:
    """Return whether there is a file at a path."""
    return _beam()[0].exists(path) if is_remote(path) else os.path.exists(path)


def size(path: str) -> int:
    """Return the bytes of a file."""
    if not is_remote(path):
        return os.path.getsize(path)
    ((found,),) = (one.metadata_list for one in _beam()[0].match([path]))
    return found.size_in_bytes


def remove(path: str) -> None:
    """Remove the file at a path, if there is one."""
    if is_remote(path):
        if exists(path):
            _beam()[0].delete([path])
    else:
        pathlib.Path(path).unlink(missing_ok=True)


def matching(pattern: str) -> list[str]:
    """Return the files in a bucket that a pattern matches, by name."""
    (found,) = _beam()[0].match([pattern])
    return sorted(one.path for one in found.metadata_list)


def names_in(folder: str) -> set[str]:
    """Return the names of the files that lie in a folder; none if there is none."""
    if is_remote(folder):
        prefix = folder.rstrip("/") + "/"
        inside = (one.removeprefix(prefix) for one in matching(prefix + "*"))
        return {one for one in inside if "/" not in one}
    return {*os.listdir(folder)} if os.path.isdir(folder) else set()


@contextlib.contextmanager
def whole(path: str) -> Iterator[pathlib.Path]:
    """Yield a scratch path on this machine whose file appears at `path`, whole.

    On disk that is `keras_vit.files.written_whole`. In a bucket the file is
    uploaded under another name, which begins with a dot, and then renamed.
    """
    if not is_remote(path):
        with written_whole(path) as scratch:
            yield scratch
        return
    with tempfile.TemporaryDirectory() as room:
        scratch = pathlib.Path(room, posixpath.basename(path))
        yield scratch
        upload(scratch, path)


def upload(file: pathlib.Path, path: str) -> None:
    """Copy a file on this machine to a path in a bucket, under another name first."""
    systems, compression = _beam()
    folder, name = path.rsplit("/", 1)
    scratch = f"{folder}/.{name}.{uuid.uuid4().hex}"
    with (
        open(file, "rb") as source,
        systems.create(scratch, compression_type=compression.UNCOMPRESSED) as target,
    ):
        shutil.copyfileobj(source, target, 1 << 20)
    if systems.exists(path):  # of a call that was stopped, or of another worker
        systems.delete([path])
    systems.rename([scratch], [path])


@contextlib.contextmanager
def on_disk(path: str) -> Iterator[str]:
    """Yield the path of a file or folder, copied to a temporary folder from a bucket.

    Raises:
        FileNotFoundError: if there is nothing at the path.
    """
    if not is_remote(path):
        yield path
        return
    path = path.rstrip("/")
    with tempfile.TemporaryDirectory() as room:
        target = pathlib.Path(room, posixpath.basename(path))
        found = [path] if exists(path) else []
        for one in found or matching(f"{path}/**"):
            inside = target / one.removeprefix(path).lstrip("/")
            inside.parent.mkdir(parents=True, exist_ok=True)
            with opened(one) as source, open(inside, "wb") as file:
                shutil.copyfileobj(source, file, 1 << 20)
        if not target.exists():
            raise FileNotFoundError(f"No such file or folder: {path}")
        yield str(target)


def _beam() -> tuple[Any, Any]:
    from apache_beam.io.filesystem import CompressionTypes
    from apache_beam.io.filesystems import FileSystems

    return FileSystems, CompressionTypes
