"""The JSON files that publishers put beside weights."""

import json
import pathlib
from typing import Any

from keras_vit.weights.files import WeightsFileError


def read_settings(path: pathlib.Path) -> dict[str, Any] | None:
    """Return the settings in a JSON file; `None` where there is no file.

    Raises:
        WeightsFileError: if it is no JSON, or no object.
    """
    if not path.is_file():
        return None
    try:
        settings = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise WeightsFileError(f"{path}: not readable ({error})") from error
    if not isinstance(settings, dict):
        raise WeightsFileError(f"{path}: expected a JSON object")
    return settings
