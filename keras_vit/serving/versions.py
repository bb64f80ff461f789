"""Which version answers, and which one is next."""

import gc
import logging
import threading
from dataclasses import dataclass

from keras_vit.serving.folder import look
from keras_vit.serving.servable import Servable
from keras_vit.serving.warming import warm

LOG = logging.getLogger(__name__)
LOADING, AVAILABLE, END = "LOADING", "AVAILABLE", "END"


@dataclass(frozen=True)
class State:
    """Where a version stands, in TensorFlow Serving's words.

    Attributes:
        name: `LOADING`, `AVAILABLE`, or `END` of what does not answer.
        code: `OK`, or `INTERNAL` of what could not be loaded.
        message: why not.
    """

    name: str
    code: str = "OK"
    message: str = ""


class Versions:
    """Keeps the newest version of a model that can be loaded.

    `poll` looks into the folder once; `watch` does so in a thread of its own. A
    new version is loaded and warmed while the old one answers. One that cannot be
    loaded is tried again when its files have changed. While nothing can be loaded
    from the folder, what is loaded goes on answering.

    Args:
        folder: a `ModelFolder`.
        metrics: a `Metrics`.
        batch_size: of all versions; measured for each if `None`.

    Attributes:
        current: the `Servable` that answers; `None` before the first.
        states: a `State` for each version that was loaded or tried, newest first.
    """

    def __init__(self, folder, metrics, batch_size=None):
        self._folder, self._metrics, self._batch_size = folder, metrics, batch_size
        self._seen, self._failed = {}, {}  # what the last look saw, by version
        self._ended, self._thread = threading.Event(), None
        self.current, self.states = None, {}

    def load_first(self, seconds):
        """Loads the newest version that can be, before there is any.

        Args:
            seconds: between two looks.

        Raises:
            ValueError: if there is none.
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

    def watch(self, seconds):
        """Polls every so many seconds until `close`."""

        def work():
            while not self._ended.wait(seconds):
                try:
                    self.poll()
                except Exception:  # the next look may fare better
                    LOG.exception("looking for versions failed")

        self._thread = threading.Thread(target=work, name="versions", daemon=True)
        self._thread.start()

    def close(self):
        """Ends the watching; a version that is being loaded is waited for."""
        self._ended.set()
        if self._thread is not None:
            self._thread.join()

    def poll(self):
        """Looks once, and loads the newest version that is whole and new."""
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

    def _forget(self, found):
        """Drops what is known of versions that are gone."""
        kept = {*found, self.current.version} if self.current else set(found)
        self.states = {n: one for n, one in self.states.items() if n in kept}
        for known in (self._seen, self._failed):
            for version in set(known) - set(found):
                del known[version]

    def _is_due(self, version, path):
        """Whether a version is whole, at rest, and not what has failed before."""
        seen = look(path)
        if seen is None and version not in self._seen:
            LOG.info("version %d is not whole yet", version)
        at_rest = seen is not None and seen == self._seen.get(version)
        self._seen[version] = seen
        return at_rest and seen != self._failed.get(version)

    def _load(self, version, path):
        """Loads a version and has it answer; says whether that is so."""
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
            LOG.info("version %d answers in place of %d", version, before.version)
            self._note(before.version, State(END))
            del before
            gc.collect()
        return True

    def _note(self, version, state):
        states = self.states | {version: state}
        self.states = dict(sorted(states.items(), reverse=True))
