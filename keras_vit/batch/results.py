"""What a batch job returns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class BatchResults:
    """What a batch job has written.

    Attributes:
        output: the folder.
        rows: of all files, one an image.
        errors: how many images of each kind could not be read.
        labels: how many images have each label; empty without classes.
        manifest: all that `_manifest.json` says.
    """

    output: str
    rows: int
    errors: dict[str, int]
    labels: dict[str, int]
    manifest: dict[str, Any]
