"""Files that appear whole or not at all, and where those are kept that come again."""

import contextlib
import os
import pathlib
import shutil
import tempfile


def cache_folder():
    """`$KERAS_HOME/keras_vit`, in Keras's own folder by default."""
    home = os.environ.get("KERAS_HOME") or pathlib.Path.home() / ".keras"
    return pathlib.Path(home) / "keras_vit"


@contextlib.contextmanager
def written_whole(path):
    """Yields a scratch path beside `path` that takes its place at the end.

    What is written there, a file or a folder, is synced and renamed when the
    block ends, and removed when it raises: nobody ever sees a part of it. An
    existing file is replaced; an existing folder is not. Whatever else was
    written beside the scratch path takes its place first.

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
        for companion in set(room.iterdir()) - {scratch}:
            os.replace(companion, path.parent / companion.name)
        os.replace(scratch, path)
    finally:
        shutil.rmtree(room, ignore_errors=True)


def _sync(path):
    """Waits until every file of a folder has reached the disk."""
    for file in [p for p in path.rglob("*") if p.is_file()]:
        with open(file, "rb") as stream:
            os.fsync(stream.fileno())
