"""A plan -> the files of its shards: what is still to do, progress, the manifest."""

from __future__ import annotations

import contextlib
import importlib.metadata
import json
import logging
import os
import pathlib
import platform
import shutil
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from keras_vit.batch import filesystem
from keras_vit.batch.items import Item
from keras_vit.batch.parquet import notes_of
from keras_vit.batch.plan import ShardId, shards
from keras_vit.extras import install
from keras_vit.files import locked
from keras_vit.verbosity import progress_bar

MANIFEST = "_manifest.json"
_POLL = 1.0  # seconds between two looks at what is done
_PACKAGES = ("keras", "tensorflow", "apache-beam", "pyarrow", "pillow", "numpy")


def require_beam() -> None:
    """Refuse to go on without the packages of the extra `beam`.

    Raises:
        ImportError: saying how to install them.
    """
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)  # Beam's on clients of clouds that are not there
    try:
        import apache_beam  # noqa: F401
        import pyarrow  # noqa: F401
    except ImportError as error:
        raise ImportError(
            f"Batch jobs need packages that are not installed ({error}). Install "
            f"them: {install('beam')}"
        ) from error
    finally:
        logging.disable(before)


@contextlib.contextmanager
def held(output: str) -> Iterator[None]:
    """Hold an output folder on this machine, so that no second job writes there.

    What a job that was killed left half written is removed.

    Raises:
        OSError: if another job holds it, or it cannot be written.
    """
    if filesystem.is_remote(output):
        yield
        return
    folder = pathlib.Path(output)
    folder.mkdir(parents=True, exist_ok=True)
    refusal = (
        f"Expected a folder that no other job writes to. Received: {output}, which one "
        "is working on. Wait for its end, or name another folder"
    )
    with locked(folder / ".lock", refusal):
        for inside in (folder, folder / "_plan", folder / "_index"):
            for scratch in inside.glob(".*.*.*"):
                if scratch.is_dir():
                    shutil.rmtree(scratch, ignore_errors=True)
        yield


def to_do(output: str) -> tuple[list[ShardId], list[ShardId]]:
    """Return all shards of a plan, and those that have no file of results yet."""
    there, every = filesystem.names_in(output), shards(output)
    return every, [one for one in every if one.file not in there]


def shown(items: Iterable[Item]) -> Iterator[Item]:
    """Yield items while a bar counts them."""
    yield from progress_bar(items, desc="listing", unit=" images", leave=False)


@contextlib.contextmanager
def progress(output: str, counts: Mapping[str, int]) -> Iterator[None]:
    """Show a bar of images, by the files that appear in the output folder.

    Args:
        output: the folder.
        counts: how many images each file has, by its name.
    """
    stop = threading.Event()

    def done() -> int:
        return sum(counts.get(name, 0) for name in filesystem.names_in(output))

    total = sum(counts.values())
    with progress_bar(total=total, unit=" images", leave=False) as bar:
        bar.initial = bar.n = done()

        def watch() -> None:
            while not stop.wait(_POLL):
                bar.update(done() - bar.n)

        thread = threading.Thread(target=watch, daemon=True)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()
            bar.update(done() - bar.n)


def counted(
    output: str, every: Sequence[ShardId], combine: Callable[[Any], None]
) -> int:
    """Read the notes of all shards' files.

    Args:
        output: the folder.
        every: the shards.
        combine: called with the notes of each.

    Returns:
        The number of rows.

    Raises:
        OSError: if a file has another number of rows than its shard has images.
    """
    rows = 0
    for one in every:
        with filesystem.on_disk(filesystem.join(output, one.file)) as file:
            count, notes = notes_of(file)
        if count != one.images:
            raise OSError(
                f"Expected {one.images:,} rows in {filesystem.join(output, one.file)}. "
                f"Received: {count:,}. Remove the file and run the same job again"
            )
        rows += count
        combine(notes)
    return rows


def summed(into: Mapping[str, Counter[str]]) -> Callable[[Any], None]:
    """Return a function that adds the counts of notes to counters, by name."""

    def combine(notes: Any) -> None:
        for name, counter in into.items():
            counter.update(notes.get(name, {}))

    return combine


def write_json(output: str, name: str, values: Mapping[str, Any]) -> None:
    """Write a file of JSON into an output folder, whole."""
    with filesystem.whole(filesystem.join(output, name)) as scratch:
        scratch.write_text(json.dumps(values, indent=1) + "\n", encoding="utf-8")


def versions() -> dict[str, str]:
    """Return the versions of what results may depend on."""
    from keras_vit import __version__

    found = {"keras_vit": __version__, "python": platform.python_version()}
    for name in _PACKAGES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found[name] = importlib.metadata.version(name)
    return found


def as_output(path: str | os.PathLike[str]) -> str:
    """Return the path of an output folder as text, `~` expanded, without a slash."""
    text = os.path.expanduser(os.fspath(path)).rstrip("/")
    if not filesystem.is_remote(text):
        text = os.path.abspath(text or "/")
        if os.path.lexists(text) and not os.path.isdir(text):
            raise NotADirectoryError(
                f"Expected a folder for the results. Received: {text}, which is not "
                "one. Name another"
            )
    return text
