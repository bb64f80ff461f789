"""A shard of labelled images -> a TFRecord file, and what was found in the images."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass
from typing import Any, NamedTuple

import numpy as np

from keras_vit.batch import filesystem
from keras_vit.batch.parquet import Groups
from keras_vit.batch.plan import FOLDER, ShardId
from keras_vit.batch.storing import stored
from keras_vit.data.images import UnreadableImageError, read_bytes
from keras_vit.data.inspection.scanning import Scan, scan
from keras_vit.data.splits import Files
from keras_vit.decoding import Decoding

_AROUND = 16  # bytes of a record around its data


@dataclass(frozen=True)
class Recording:
    """What is done with each image; small, as it is sent to every worker.

    Attributes:
        output: the folder of the records.
        name: of the data set, and of its files.
        splits: of each the number of its files, in the order of their lists.
        _: what follows is passed by name.
        root: bytes of the folder that paths are kept without.
        several: whether an image may have several labels.
        grouped: whether images have groups.
        short_side: as `storing.stored` takes it.
        exif_orientation: whether the camera's note on the orientation counts.
        decoding: how samples become pixels.
    """

    output: str
    name: str
    splits: Mapping[str, int]
    _: KW_ONLY
    root: str
    several: bool
    grouped: bool
    short_side: int | None
    exif_orientation: bool
    decoding: Decoding

    def file(self, shard: ShardId) -> str:
        """Return the name of a shard's file of records."""
        split = [*self.splits][shard.listing]
        count = self.splits[split]
        return f"{self.name}-{split}.tfrecord-{shard.number:05d}-of-{count:05d}"

    def found(self, shard: ShardId) -> str:
        """Return the path of what was found in a shard's images."""
        return filesystem.join(self.output, FOLDER, f"{self.file(shard)}.npz")


def list_of(output: str, listing: int) -> str:
    """Return the path of the list of a split's images."""
    return filesystem.join(output, FOLDER, f"images-{listing:03d}.parquet")


class ShardRecorder:
    """Writes the records of shards.

    Args:
        job: a `Recording`.
    """

    def __init__(self, job: Recording) -> None:
        self.job, self._groups = job, {}

    def write(self, shard: ShardId) -> None:
        """Write what was found in a shard's images, then its records, each whole."""
        import tensorflow as tf

        columns = self._columns(shard)
        paths, count = np.array(columns["name"], np.bytes_), len(columns["name"])
        how: dict[str, Any] = {
            "exif_orientation": self.job.exif_orientation,
            "decoding": self.job.decoding,
        }
        files = Files(paths, np.zeros(count, int), **how)
        seen = scan(files, np.arange(count), lambda number: None)
        target = filesystem.join(self.job.output, self.job.file(shard))
        offsets, kept, at = [], [], 0
        with filesystem.whole(target) as scratch:
            with tf.io.TFRecordWriter(str(scratch)) as writer:
                for row in range(count):
                    data = self._data(paths[row], seen, row)
                    if data is None:
                        continue
                    record = self._record(data, columns, row)
                    writer.write(record)
                    offsets.append(at)
                    kept.append(row)
                    at += len(record) + _AROUND
            self._write_found(shard, columns, seen, kept, offsets)

    def _columns(self, shard: ShardId) -> dict[str, list[Any]]:
        if shard.listing not in self._groups:
            with filesystem.on_disk(list_of(self.job.output, shard.listing)) as file:
                self._groups[shard.listing] = Groups(file)
        return self._groups[shard.listing].read(shard.number)

    def _data(self, path: bytes, seen: Scan, row: int) -> bytes | None:
        """The bytes to keep of an image; `None` if it cannot be read."""
        if not seen.rows["readable"][row]:
            return None
        name = os.fsdecode(path)
        try:
            return stored(
                read_bytes(path),
                name,
                short_side=self.job.short_side,
                exif_orientation=self.job.exif_orientation,
                decoding=self.job.decoding,
            )
        except UnreadableImageError as error:  # whose header alone was sound
            seen.rows["readable"][row] = False
            seen.errors[row] = str(error).removeprefix(f"{name}: ")
            return None

    def _record(self, data: bytes, columns: dict[str, list[Any]], row: int) -> bytes:
        import tensorflow as tf

        def of_bytes(value: bytes) -> Any:
            return tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))

        root = os.fsencode(self.job.root)
        numbers = tf.train.Int64List(value=columns["labels"][row])
        found = {
            "image": of_bytes(data),
            "labels" if self.job.several else "label": tf.train.Feature(
                int64_list=numbers
            ),
            "path": of_bytes(columns["name"][row].removeprefix(root)),
        }
        if self.job.grouped:
            found["group"] = of_bytes(columns["group"][row])
        example = tf.train.Example(features=tf.train.Features(feature=found))
        return example.SerializeToString()

    def _write_found(
        self,
        shard: ShardId,
        columns: dict[str, list[Any]],
        seen: Scan,
        kept: list[int],
        offsets: list[int],
    ) -> None:
        notes = json.dumps({"kinds": seen.kinds, "errors": seen.errors})
        with filesystem.whole(self.job.found(shard)) as scratch:
            np.savez_compressed(
                scratch,
                rows=seen.rows,
                indices=np.array(columns["index"], np.int64),
                kept=np.array(kept, np.int64),
                offsets=np.array(offsets, np.int64),
                notes=np.frombuffer(notes.encode(), np.uint8),
            )


class Found(NamedTuple):
    """What was found in the images of a shard.

    Attributes:
        scan: a `Scan`, whose indices are those in the split.
        kept: indices in the split of the images that have a record, in order.
        offsets: the bytes at which these begin.
    """

    scan: Scan
    kept: np.ndarray
    offsets: np.ndarray


def read_found(job: Recording, shard: ShardId) -> Found:
    """Read what was found in a shard's images.

    Raises:
        OSError, ValueError: if the file is missing or damaged.
    """
    with (
        filesystem.on_disk(job.found(shard)) as file,
        np.load(file, allow_pickle=False) as arrays,
    ):
        notes = json.loads(arrays["notes"].tobytes())
        indices = arrays["indices"]
        errors = {int(row): why for row, why in notes["errors"].items()}
        kinds = tuple((one, other) for one, other in notes["kinds"])
        scanned = Scan(indices, arrays["rows"], kinds, errors)
        return Found(scanned, indices[arrays["kept"]], arrays["offsets"])
