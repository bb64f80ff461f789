"""Which version is served, and which one is next."""

from __future__ import annotations

import gc
import logging
import pathlib
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from keras_vit.serving.folder import ModelFolder, look
from keras_vit.serving.servable import Servable
from keras_vit.serving.warming import warm

if TYPE_CHECKING:
    from keras_vit.serving.metrics import Metrics

LOG = logging.getLogger(__name__)
Files = dict[str, tuple[int, int, int]] | None
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
        # The files at the last look, and those that failed to load, by version.
        self._seen: dict[int, Files] = {}
        self._failed: dict[int, Files] = {}
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
        for version in sorted(found, reverse=True):
            if self.current is not None and version == self.current.version:
                return
            if self._is_due(version, found[version]) and self._load(
                version, found[version]
            ):
                return

    def _forget(self, found: Iterable[int]) -> None:
        """Drop the states of versions that are gone."""
        kept = {*found, self.current.version} if self.current else set(found)
        self.states = {n: one for n, one in self.states.items() if n in kept}
        for known in (self._seen, self._failed):
            for version in set(known) - set(found):
                del known[version]

    def _is_due(self, version: int, path: pathlib.Path) -> bool:
        """Return whether a version is whole, at rest, and has not failed as it is."""
        seen = look(path)
        if seen is None and version not in self._seen:
            LOG.info("version %d is not whole yet", version)
        at_rest = seen is not None and seen == self._seen.get(version)
        self._seen[version] = seen
        return at_rest and seen != self._failed.get(version)

    def _load(self, version: int, path: pathlib.Path) -> bool:
        """Load a version and serve it; return whether that succeeded."""
        self._note(version, State(LOADING))
        try:
            servable = Servable(path, version)
            warm(servable, self._batch_size)
            if look(path) != self._seen[version]:
                raise ValueError("its files changed while they were read")
        except Exception as error:  # of any kind: what is on disk is not ours
            reason = " ".join(str(error).split())[:300] or type(error).__name__
            self._failed[version] = self._seen[version]
            self._note(version, State(END, "INTERNAL", reason))
            self._metrics.failed_to_load()
            LOG.error("version %d cannot be loaded: %s", version, reason)
            return False
        before, self.current = self.current, servable
        self._note(version, State(AVAILABLE))
        self._metrics.loaded(version)
        if before is not None:
            LOG.info("version %d is served instead of %d", version, before.version)
            self._note(before.version, State(END))
            del before
            gc.collect()
        return True

    def _note(self, version: int, state: State) -> None:
        states = self.states | {version: state}
        self.states = dict(sorted(states.items(), reverse=True))
