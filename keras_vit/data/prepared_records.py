"""Data sets that `keras_vit.batch.prepare` wrote: records with an index beside them."""

import json
import os
import pathlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import tensorflow as tf

from keras_vit.data import tfds
from keras_vit.data.dataset import Dataset
from keras_vit.data.decoding import ACCURATE, decode
from keras_vit.data.images import PLAIN
from keras_vit.data.records import EncodedImages
from keras_vit.data.tfrecord import RecordFiles
from keras_vit.decoding import Decoding

INDEX, NOTES = "_index", "prepared.json"


@dataclass(frozen=True, eq=False)
class PreparedRecords(EncodedImages):
    """Records whose labels, groups and places are known without reading them.

    Their image files are upright JPEG and PNG files of 8 bits, and are decoded
    as `Files` are.

    Attributes:
        files: the `RecordFiles` they are in.
        indices: which records of the files, `(N,)`.
        labels: of the records, as those of other splits.
        groups: the name of each one's group, bytes `(N,)`, or `None`.
        decoding: of which the limit of pixels counts.
    """

    labels: np.ndarray
    groups: np.ndarray | None = None
    decoding: Decoding = PLAIN

    def identity_bytes(self) -> Iterator[bytes]:
        """Yield bytes that distinguish the split from others."""
        yield from super().identity_bytes()
        yield self.labels.tobytes()

    def subset(self, indices: np.ndarray) -> "PreparedRecords":
        """Return the split of those records alone."""
        groups = None if self.groups is None else self.groups[indices]
        labels = self.labels[indices]
        return replace(
            self, indices=self.indices[indices], labels=labels, groups=groups
        )

    def image_file(self, record: tf.Tensor) -> tf.Tensor:
        """Return the bytes of the image file in a record's data, in the graph."""
        image = tf.io.FixedLenFeature((), tf.string)
        found: Any = tf.io.parse_single_example(record, {"image": image})
        return found["image"]

    def reader(self) -> Callable[..., tf.Tensor]:
        """Return a function for the graph: `(index, window=None) -> image`."""
        record = self._record

        def read(index: tf.Tensor, window: Any = None) -> tf.Tensor:
            data = self.image_file(record(index))
            how = {"transform": ACCURATE, "decoding": self.decoding}
            return decode(data, "a record", window, False, **how)

        return read


def load_prepared(folder: str | os.PathLike[str]) -> Dataset:
    """Load a folder of prepared records: of `prepare`, or of TensorFlow Datasets.

    Args:
        folder: that holds `dataset_info.json`.

    Raises:
        ValueError: if TensorFlow Datasets cannot read it, or it is not of images
            and their classes.
        OSError: if a file of the index is damaged.
    """
    folder = pathlib.Path(folder)
    builder, notes = tfds.prepared_in(folder), folder / INDEX / NOTES
    if not notes.is_file():
        return tfds.of_builder(str(folder), builder)
    known = json.loads(notes.read_text(encoding="utf-8"))
    splits: dict[str, Any] = {
        name: _split(builder, name, folder, known) for name in known["splits"]
    }
    names = tuple(known["class_names"])
    return Dataset(str(folder), class_names=names, **splits)


def _split(
    builder: Any, name: str, folder: pathlib.Path, known: dict[str, Any]
) -> PreparedRecords:
    files, indices = tfds.record_files(builder, [(name, ...)])
    path = folder / INDEX / f"{name}.npz"
    try:
        with np.load(path, allow_pickle=False) as arrays:
            found = {key: arrays[key] for key in arrays.files}
    except (OSError, ValueError, EOFError) as error:
        raise OSError(
            f"Expected the index of the records in {path}. Received: {error}. Prepare "
            "the data set again"
        ) from error
    if not len(found["labels"]) == len(found["offsets"]) == len(files):
        raise OSError(
            f"Expected {len(files):,} records in {path}. Received: "
            f"{len(found['labels']):,}. Prepare the data set again"
        )
    return PreparedRecords(
        RecordFiles(files.paths, files.counts.tolist(), found["offsets"]),
        indices,
        found["labels"],
        found.get("groups"),
        Decoding(**known["decoding"]),
    )
