"""Where the versions of a model are."""

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


def _is_number(name: str) -> bool:
    return name.isascii() and name.isdigit()
