"""Which version is served, and which one is next: the states of all versions.

    not whole -> at rest -> LOADING -> AVAILABLE -> END
        ^                      |
        |                      v
        +---- changed ---- END, INTERNAL

A version may be copied into the folder while it is watched, file by file, and the
copy may be cut short. There is no mark that says that a copy has ended, so a
version counts as whole when its necessary files are there, and as at rest when
nothing in it has changed between two looks; what stopped in the middle fails to load,
and is looked at again when it changes. `Versions` alone changes states, in `poll`.
"""

from __future__ import annotations

import gc
import logging
import os
import pathlib
import threading
from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING

from keras_vit.serving.folder import ModelFolder
from keras_vit.serving.servable import Servable
from keras_vit.serving.warming import warm

if TYPE_CHECKING:
    from keras_vit.serving.metrics import Metrics

LOG = logging.getLogger(__name__)
Files = dict[str, tuple[int, int, int]] | None  # as `look` returns them
LOADING, AVAILABLE, END = "LOADING", "AVAILABLE", "END"


@dataclass(frozen=True)
class State:
    """The state of a version, in TensorFlow Serving's words.

    Attributes:
        name: `LOADING`, `AVAILABLE`, or `END` of a version that is not served.
        code: `OK`, or `INTERNAL` of a version that could not be loaded.
        message: why it could not be loaded.
    """

    name: str
    code: str = "OK"
    message: str = ""


@dataclass
class _Version:
    """What is known of a version: its files at the last look, and its state."""

    files: Files = None
    failed: Files = None  # its files when they could not be loaded
    state: State | None = None  # before it is loaded


class Versions:
    """The newest version of a model that can be loaded.

    `poll` looks into the folder once; `watch` does so in a thread of its own. A
    new version is loaded and warmed while the old one is served. One that cannot be
    loaded is tried again when its files have changed. While nothing can be loaded
    from the folder, the loaded version is still served.

    Args:
        folder: the folder of the versions.
        metrics: the counters of the server.
        batch_size: of all versions; measured for each if `None`.

    Attributes:
        current: the `Servable` that is served; `None` before the first.
        states: a `State` for each version that was loaded or tried, newest first.
    """

    current: Servable | None
    states: dict[int, State]

    def __init__(
        self, folder: ModelFolder, metrics: Metrics, batch_size: int | None = None
    ) -> None:
        self._folder, self._metrics, self._batch_size = folder, metrics, batch_size
        self._known: dict[int, _Version] = {}
        self._ended, self._thread = threading.Event(), None
        self.current, self.states = None, {}

    def load_first(self, seconds: float) -> None:
        """Load the newest version that can be loaded, before any is served.

        Args:
            seconds: between two looks.

        Raises:
            ValueError: if there is no such version.
        """
        self.poll()
        self._ended.wait(seconds)
        self.poll()
        if self.current is None:
            found = [
                f"version {number}: {state.message}"
                for number, state in self.states.items()
            ]
            raise ValueError(
                f"No version in {self._folder.path} can be loaded. "
                + ("; ".join(found) or "None is whole.")
            )

    def watch(self, seconds: float) -> None:
        """Poll every so many seconds until `close`."""

        def work() -> None:
            while not self._ended.wait(seconds):
                try:
                    self.poll()
                except Exception:  # the next look may fare better
                    LOG.exception("looking for versions failed")

        self._thread = threading.Thread(target=work, name="versions", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop watching; wait for a version that is being loaded."""
        self._ended.set()
        if self._thread is not None:
            self._thread.join()

    def poll(self) -> None:
        """Look once, and load the newest version that is whole and new."""
        found = self._folder.versions()
        if self.current is not None and not found:
            return
        self._forget(found)
        for number in sorted(found, reverse=True):
            if self.current is not None and number == self.current.version:
                return
            if self._is_due(number, found[number]) and self._load(
                number, found[number]
            ):
                return

    def _forget(self, found: Collection[int]) -> None:
        """Drop what is known of versions that are gone, but for the state of ours."""
        for number in set(self._known) - set(found):
            if self.current is not None and number == self.current.version:
                self._known[number].files = None
            else:
                del self._known[number]
        self._publish()

    def _is_due(self, number: int, path: pathlib.Path) -> bool:
        """Return whether a version is whole, at rest, and has not failed as it is."""
        files = look(path)
        if files is None and number not in self._known:
            LOG.info("version %d is not whole yet", number)
        version = self._known.setdefault(number, _Version())
        at_rest = files is not None and files == version.files
        version.files = files
        return at_rest and files != version.failed

    def _load(self, number: int, path: pathlib.Path) -> bool:
        """Load a version and serve it; return whether that succeeded."""
        version = self._known[number]
        self._enter(version, State(LOADING))
        try:
            servable = Servable(path, number)
            warm(servable, self._batch_size)
            if look(path) != version.files:
                raise ValueError("its files changed while they were read")
        except Exception as error:  # of any kind: what is on disk is not ours
            reason = " ".join(str(error).split())[:300] or type(error).__name__
            version.failed = version.files
            self._enter(version, State(END, "INTERNAL", reason))
            self._metrics.failed_to_load()
            LOG.error("version %d cannot be loaded: %s", number, reason)
            return False
        before, self.current = self.current, servable
        self._enter(version, State(AVAILABLE))
        self._metrics.loaded(number)
        if before is not None:
            LOG.info("version %d is served instead of %d", number, before.version)
            self._enter(self._known[before.version], State(END))
            del before
            gc.collect()
        return True

    def _enter(self, version: _Version, state: State) -> None:
        version.state = state
        self._publish()

    def _publish(self) -> None:
        """Replace `states`, which other threads read meanwhile."""
        known = sorted(self._known.items(), reverse=True)
        self.states = {number: one.state for number, one in known if one.state}


def look(version: pathlib.Path) -> Files:
    """Return every file of a version with its size and times.

    Args:
        version: the path of its folder.

    Returns:
        What is equal at two looks if nothing has changed in between; `None` if a
        necessary file is missing.
    """
    found: dict[str, tuple[int, int, int]] = {}
    try:
        for folder, _, names in os.walk(version, followlinks=True):
            for name in names:
                status = os.stat(os.path.join(folder, name))
                key = os.path.relpath(os.path.join(folder, name), version)
                found[key] = status.st_size, status.st_mtime_ns, status.st_ctime_ns
    except OSError:  # a file that has gone since it was listed
        return None
    shards = [name for name in found if "variables.data-" in name and found[name][0]]
    needed = ("saved_model.pb", os.path.join("variables", "variables.index"))
    if shards and all(name in found and found[name][0] for name in needed):
        return found
    return None
