"""Files that appear whole or not at all, locks, and the folder of what is kept."""

import contextlib
import csv
import errno
import json
import os
import pathlib
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None


def cache_folder() -> pathlib.Path:
    """Return `$KERAS_HOME/keras_vit`, in Keras's own folder by default."""
    home = os.environ.get("KERAS_HOME") or pathlib.Path.home() / ".keras"
    return pathlib.Path(home) / "keras_vit"


@contextlib.contextmanager
def written_whole(
    path: str | os.PathLike[str],
    instead: Callable[[], str | os.PathLike[str]] | None = None,
) -> Iterator[pathlib.Path]:
    """Yield a scratch path beside `path` that takes its place at the end.

    What is written there, a file or a folder, is synced and renamed when the
    block ends, and removed when it raises: nobody ever sees a part of it. An
    existing file is replaced; an existing folder is not. Whatever else was
    written beside the scratch path takes its place first, by name, and the
    existing file goes before: what stops in between leaves no file at `path`,
    and never an old one among parts of the new.

    Args:
        path: of a file or a folder.
        instead: gives another path for a folder, should there be one at `path`
            when all is written; `None`: that is an OSError.

    Example:

    >>> with written_whole("notes.txt") as scratch:
    ...     _ = scratch.write_text("all of it")
    """
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    room = pathlib.Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
    scratch = room / path.name  # writers look at the suffix
    try:
        yield scratch
        _sync(room)
        companions = sorted(set(room.iterdir()) - {scratch})
        if companions:
            path.unlink(missing_ok=True)
        for companion in companions:
            os.replace(companion, path.parent / companion.name)
        while not _placed(scratch, path, may_be_taken=instead is not None):
            assert instead is not None  # else a taken path is an OSError
            path = pathlib.Path(instead())
    finally:
        shutil.rmtree(room, ignore_errors=True)


def write_json(
    path: str | os.PathLike[str],
    content: Any,
    *,
    indent: int | None = 2,
    allow_nan: bool = True,
) -> None:
    """Write a JSON file, whole or not at all.

    Args:
        path: of the file.
        content: what `json.dumps` takes.
        indent: of each level, in spaces; `None`: all is one line.
        allow_nan: whether there may be NaN, which JSON does not have.

    Raises:
        TypeError, ValueError: as `json.dumps`.

    Example:

    >>> write_json("numbers.json", {"top1": 0.5})
    """
    with written_whole(path) as scratch:
        text = json.dumps(content, indent=indent, allow_nan=allow_nan)
        scratch.write_text(text + "\n")


def write_csv(
    path: str | os.PathLike[str],
    rows: Iterable[Mapping[str, Any]],
    columns: Iterable[str],
) -> None:
    """Write a table with a head as a CSV file, whole or not at all.

    Names of files are written as the file system has them, whatever their bytes are.

    Args:
        path: of the file.
        rows: values by the names of their columns, where a missing one is empty.
        columns: in order.

    Raises:
        ValueError: if a row has another column.

    Example:

    >>> write_csv("points.csv", [{"x": 1, "y": 0.5}, {"x": 2}], ["x", "y"])
    >>> print(pathlib.Path("points.csv").read_text())
    x,y
    1,0.5
    2,
    <BLANKLINE>
    """
    with (
        written_whole(path) as scratch,
        open(
            scratch, "w", newline="", encoding="utf-8", errors="surrogateescape"
        ) as stream,
    ):
        writer = csv.DictWriter(stream, [*columns])
        writer.writeheader()
        writer.writerows(rows)


@contextlib.contextmanager
def locked(path: str | os.PathLike[str], refusal: str) -> Iterator[None]:
    """Lock a file or a folder against other processes until the block ends.

    Where the system has no such locks, nobody is kept out.

    Args:
        path: of a folder; or of a file, which is made where there is none.
        refusal: the message for another process that locks it meanwhile.

    Raises:
        BlockingIOError: with that message, if another process has locked it.
        OSError: if it cannot be opened.

    Example:

    >>> with locked("notes.lock", "Another process writes notes. Wait for its end."):
    ...     _ = pathlib.Path("notes.txt").write_text("mine")
    """
    if fcntl is None:
        yield
        return
    flags = os.O_RDONLY if os.path.isdir(path) else os.O_RDWR | os.O_CREAT
    descriptor = os.open(path, flags, 0o666)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise BlockingIOError(refusal) from error
        yield
    finally:
        os.close(descriptor)


def _placed(scratch, path, may_be_taken):
    """Rename what is written; return whether no other folder was in the way."""
    try:
        os.replace(scratch, path)
    except OSError as error:
        if may_be_taken and error.errno in (errno.ENOTEMPTY, errno.EEXIST):
            return False
        raise
    return True


def _sync(path):
    """Wait until every file of a folder has reached the disk."""
    for file in [p for p in path.rglob("*") if p.is_file()]:
        with open(file, "rb") as stream:
            os.fsync(stream.fileno())
