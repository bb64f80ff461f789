"""What a batch job returns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from keras_vit.data.inspection.inspection import Inspection


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


@dataclass(frozen=True)
class Prepared:
    """A data set that has been prepared.

    Attributes:
        output: its folder, which `keras_vit.data.load` and
            `tfds.builder_from_directory` open.
        name: what TensorFlow Datasets calls it.
        records: of each split, how many.
        inspection: what was found in the files, as `keras_vit.data.inspect`
            returns it.
    """

    output: str
    name: str
    records: dict[str, int]
    inspection: Inspection
