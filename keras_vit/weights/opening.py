"""A file of weights, and what is written beside it and in it of its model."""

import os
import pathlib
from typing import Any

from keras_vit.weights import metadata
from keras_vit.weights.files import Stored, open_arrays
from keras_vit.weights.keras_hub_files import is_preset, open_preset
from keras_vit.weights.settings import read_settings
from keras_vit.weights.sources.source import NAMED

CONFIG = "config.json"
PROCESSOR = "preprocessor_config.json"
PUBLISHED = "model.safetensors"  # as a repository calls its weights
FILES = "weights_files"  # in a `config.json` of ours: the files that it is of


def find(path: str | os.PathLike[str]) -> tuple[pathlib.Path, dict[str, Any]]:
    """Return the file of weights at a path, and the settings beside it.

    Args:
        path: of the file, or of a folder as a repository lays it out.

    Returns:
        The file's path and a dict: `config.json`, and under `"preprocessing"`
        what `preprocessor_config.json` says. It is empty where they belong to
        another file of the folder.
    """
    path = pathlib.Path(path).expanduser()
    if path.is_dir():
        path = path / PUBLISHED
    if path.suffix != ".safetensors":
        return path, {}
    config = read_settings(path.parent / CONFIG) or {}
    if not _is_of(config, path):
        return path, {}
    processor = read_settings(path.parent / PROCESSOR)
    if processor is not None:  # whose nulls say nothing
        said = {key: value for key, value in processor.items() if value is not None}
        config["preprocessing"] = said
    return path, config


def open_weights(
    path: str | os.PathLike[str], architecture: str | None = None
) -> tuple[pathlib.Path, dict[str, Stored], dict[str, Any]]:
    """Open the weights at a path.

    Args:
        path: of the file, or of a folder as a repository lays it out.
        architecture: the publisher's name of the model, where no `config.json`
            says it.

    Returns:
        The file's path, its arrays as `open_arrays` returns them, and the
        settings beside it, with the file's own metadata under `metadata.KEY`,
        and the caller's word under `NAMED`.

    Raises:
        ValueError: if the settings name another architecture.
    """
    if is_preset(path):
        file, stored, config = open_preset(path)
        return file, stored, config | {metadata.KEY: {}, NAMED: architecture}
    path, config = find(path)
    if architecture is not None:
        stated = config.get("architecture")
        if stated not in (None, architecture):
            raise ValueError(
                f"{path.name}: config.json says which architecture it is. Expected "
                f"architecture={stated!r}, or none. Received: {architecture!r}"
            )
        config = config | {NAMED: architecture}
    stored = open_arrays(path)
    return path, stored, config | {metadata.KEY: metadata.read_metadata(path)}


def _is_of(config, path):
    """Whether the settings in a file's folder are the file's own."""
    alone = all(other == path for other in path.parent.glob("*.safetensors"))
    named = config.get(FILES)
    if named is None:
        return alone or path.name == PUBLISHED
    renamed = alone and not any((path.parent / name).exists() for name in named)
    return path.name in named or renamed
