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

    def __init__(self, path):
        self.path = pathlib.Path(path)
        self.name = name_of(path)
        if not self.path.exists():
            raise FileNotFoundError(
                f"No model at {path}: there is no such file or folder."
            )
        if not self.versions():
            raise ValueError(
                f"No SavedModel at {path}. Expected a folder with a folder for each "
                "version, a number for its name, as keras-vit export writes it."
            )

    def versions(self):
        """The folder of each version, by number."""
        if (self.path / "saved_model.pb").is_file():
            number = self.path.resolve().name
            return {int(number) if _is_number(number) else 1: self.path}
        try:
            names = os.listdir(self.path)
        except OSError:  # while the folder is being replaced
            return {}
        return {int(name): self.path / name for name in names if _is_number(name)}


def look(version):
    """Every file of a version with its size and times, or `None` if one is missing.

    Args:
        version: the path of its folder.

    Returns:
        What is equal at two looks if nothing has changed in between.
    """
    found = {}
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


def _is_number(name):
    return name.isascii() and name.isdigit()
