"""Checkpoints of a run: whole or absent, found again, never mixed up.

A checkpoint is one `.npz` file: every variable that a step changes, and the
run's notes as JSON. Its checksums show a damaged one.
"""

from __future__ import annotations

import json
import os
import pathlib
import re
import warnings
import zipfile
from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from keras_vit.files import written_whole
from keras_vit.weights.files import ZIP_ERRORS, WeightsFileError, open_arrays

NOTES = "notes"


class Checkpoints:
    """Checkpoints in a folder, of which the newest and the best are kept.

    Args:
        folder: `step_<number>.npz` lie there. It need not exist.
        keep: how many of the newest are kept.
    """

    def __init__(self, folder: str | os.PathLike[str], keep: int = 3) -> None:
        self.folder = pathlib.Path(folder)
        self.keep = keep

    def steps(self) -> list[int]:
        """Return the steps of all checkpoints, ascending."""
        names = (path.name for path in self.folder.glob("step_*.npz"))
        return sorted(int(m[1]) for name in names if (m := _NAME.fullmatch(name)))

    def path(self, step: int) -> pathlib.Path:
        """Return the path of a step's checkpoint."""
        return self.folder / f"step_{step:09d}.npz"

    def save(
        self,
        step: int,
        variables: Mapping[str, Any],
        notes: Any,
        best: int | None = None,
    ) -> None:
        """Write a checkpoint, read it back, and remove old ones.

        Args:
            step: its number.
            variables: `{name: variable}`.
            notes: what JSON can hold.
            best: the step of another checkpoint to be kept.

        Raises:
            OSError: if it cannot be written, as on a full disk. What was
                there before is still there.
        """
        with written_whole(self.path(step)) as scratch:
            with zipfile.ZipFile(scratch, "w") as archive:
                text = json.dumps(notes).encode()
                _write(archive, NOTES, np.frombuffer(text, np.uint8))
                for name, variable in variables.items():
                    _write(archive, name, variable.numpy())
            try:
                _verify(scratch)
            except WeightsFileError as error:  # the disk's fault, as any other
                raise OSError(
                    f"The checkpoint was damaged when it was read back: {error}"
                ) from error
        for old in self.steps()[: -self.keep]:
            if old not in (best, step):
                self.path(old).unlink()

    def newest(self) -> tuple[int, dict[str, Any]] | None:
        """Find the newest checkpoint that is whole.

        A damaged one is skipped with a warning.

        Returns:
            Its step and its notes, or `None` if there is none.
        """
        for step in reversed(self.steps()):
            try:
                _verify(self.path(step))
                notes = open_arrays(self.path(step))[NOTES].read()
                return step, json.loads(notes.tobytes())
            except (WeightsFileError, KeyError, ValueError) as error:
                warnings.warn(
                    f"The checkpoint {self.path(step)} is damaged and is skipped: "
                    f"{error}",
                    stacklevel=2,
                )
        return None

    def has(self, step: int) -> bool:
        """Return whether the checkpoint of a step is there, and whole."""
        try:
            _verify(self.path(step))
        except WeightsFileError:
            return False
        return True

    def restore(self, step: int, variables: Mapping[str, Any]) -> None:
        """Assign variables the values that they had at a step.

        Raises:
            ValueError: listing every variable that is missing, unexpected or
                of another shape. None is changed then.
        """
        stored = open_arrays(self.path(step))
        del stored[NOTES]
        problems = [f"{name} is missing" for name in variables if name not in stored]
        problems += [
            f"{name} is unexpected" for name in stored if name not in variables
        ]
        problems += [
            f"{name} has shape {array.shape}, not {tuple(variables[name].shape)}"
            for name, array in stored.items()
            if name in variables and array.shape != tuple(variables[name].shape)
        ]
        if problems:
            raise ValueError(
                "Expected a checkpoint of the same model and recipe. Received: "
                f"{self.path(step)}: {'; '.join(problems)}. Name another folder, or "
                "remove this one to begin again"
            )
        for name, array in stored.items():
            variables[name].assign(tf.cast(array.read(), variables[name].dtype))


_NAME = re.compile(r"step_(\d+)\.npz")


def _write(archive: zipfile.ZipFile, name: str, array: np.ndarray) -> None:
    with archive.open(f"{name}.npy", "w", force_zip64=True) as stream:
        np.lib.format.write_array(stream, array, allow_pickle=False)


def _verify(path: pathlib.Path) -> None:
    """Compare every checksum of a zip file."""
    try:
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()
    except (*ZIP_ERRORS, OSError) as error:
        raise WeightsFileError(f"{path.name}: {error}") from error
    if damaged:
        raise WeightsFileError(f"{path.name}: the checksum of {damaged} is wrong")
