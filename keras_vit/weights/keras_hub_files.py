"""Folders that KerasHub writes by `save_to_preset`: weights and what they are of."""

import os
import pathlib
from typing import Any

import numpy as np

from keras_vit.weights.files import Stored, WeightsFileError
from keras_vit.weights.settings import read_settings

CONFIG, TASK, CONVERTER = "config.json", "task.json", "image_converter.json"
BACKBONE_WEIGHTS, TASK_WEIGHTS = "model.weights.h5", "task.weights.h5"
SHARDED = "model.weights.json"


def is_preset(path: str | os.PathLike[str]) -> bool:
    """Return whether a folder is one of KerasHub's."""
    folder = pathlib.Path(path).expanduser()
    weights = (folder / BACKBONE_WEIGHTS, folder / SHARDED)
    return (folder / CONFIG).is_file() and any(one.is_file() for one in weights)


def open_preset(
    path: str | os.PathLike[str],
) -> tuple[pathlib.Path, dict[str, Stored], dict[str, Any]]:
    """Open a folder of KerasHub's.

    Returns:
        The path of the backbone's weights; the arrays by their names in it, those
        of a task after `task/`; and `config.json`, under `"task"` and
        `"image_converter"` the `config` of these files.

    Raises:
        WeightsFileError: for weights in several files, or what is damaged.
    """
    folder = pathlib.Path(path).expanduser()
    if (folder / SHARDED).is_file():
        raise WeightsFileError(
            f"{folder}: expected weights in one file. Received: several, as {SHARDED} "
            "says; save_to_preset(folder, max_shard_size=...) of KerasHub writes one"
        )
    weights = folder / BACKBONE_WEIGHTS
    stored, config = open_h5(weights), read_settings(folder / CONFIG) or {}
    for name, key in ((TASK, "task"), (CONVERTER, "image_converter")):
        settings = read_settings(folder / name)
        if settings is not None:
            config[key] = settings
    if (folder / TASK_WEIGHTS).is_file():
        of_task = open_h5(folder / TASK_WEIGHTS)
        stored |= {
            f"task/{name}": array
            for name, array in of_task.items()
            if name.startswith("layers/")
        }
    return weights, stored, config


def open_h5(path: pathlib.Path) -> dict[str, Stored]:
    """Open the arrays of a `.weights.h5` file, which holds no code.

    Raises:
        WeightsFileError: if it is damaged, or if arrays lie in other files.
    """
    import h5py

    stored: dict[str, Stored] = {}

    def add(name: str, one: Any) -> None:  # links to other files are not visited
        if not isinstance(one, h5py.Dataset):
            return
        if one.external is not None or one.is_virtual:
            raise WeightsFileError(f"{path.name}: {name!r} lies in another file")
        if one.dtype.kind in "fiu":
            stored[name] = Stored(one.shape, one.dtype, lambda: _read(path, name), name)

    try:
        with h5py.File(path) as file:
            file.visititems(add)
    except OSError as error:
        raise WeightsFileError(f"{path.name}: not readable ({error})") from error
    return stored


def _read(path: pathlib.Path, name: str) -> np.ndarray:
    import h5py

    with h5py.File(path) as file:
        dataset: Any = file[name]
        return dataset[()]
