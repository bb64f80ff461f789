"""The versions of a model in a folder, and whether one is whole.

A version may be copied into the folder while it is watched, file by file, and the
copy may be cut short. There is no mark that says that a copy has ended, so a
version counts as whole when its necessary files are there and nothing in it has
changed between two looks; what stopped in the middle fails to load, and is looked
at again when it changes.
"""

import os
import pathlib

from keras_vit.model_files import name_of


class ModelFolder:
    """What there is to serve.

    Attributes:
        path: the folder of all versions, or that of one.
        name: of the model, in requests.

    Raises:
        FileNotFoundError: if there is nothing at the path.
        ValueError: if it holds no SavedModel.
    """

    path: pathlib.Path
    name: str

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = pathlib.Path(path)
        self.name = name_of(path)
        if not self.path.exists():
            raise FileNotFoundError(f"No model at {path}. No such file or folder")
        if not self.versions():
            raise ValueError(
                f"No SavedModel at {path}. Expected a folder with a folder for each "
                "version, a number for its name, as keras-vit export writes it; a "
                "run's folder with model.keras; or a .keras file."
            )

    @staticmethod
    def is_one(path: pathlib.Path) -> bool:
        """Return whether a SavedModel, or versions of one, are at a path."""
        if (path / "saved_model.pb").is_file():
            return True
        return path.is_dir() and any(map(_is_number, os.listdir(path)))

    def versions(self) -> dict[int, pathlib.Path]:
        """Return the folder of each version, by number."""
        if (self.path / "saved_model.pb").is_file():
            number = self.path.resolve().name
            return {int(number) if _is_number(number) else 1: self.path}
        try:
            names = os.listdir(self.path)
        except OSError:  # while the folder is being replaced
            return {}
        return {int(name): self.path / name for name in names if _is_number(name)}


def look(version: pathlib.Path) -> dict[str, tuple[int, int, int]] | None:
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


def _is_number(name: str) -> bool:
    return name.isascii() and name.isdigit()
