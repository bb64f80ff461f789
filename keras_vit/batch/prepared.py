"""A data set of files -> records that TensorFlow Datasets opens, by a pipeline."""

from __future__ import annotations

import functools
import os
import pathlib
import re
import tempfile
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from keras_vit.batch import filesystem
from keras_vit.batch.parquet import Groups, write_groups
from keras_vit.batch.pipeline import check_options, run_shards
from keras_vit.batch.plan import LARGEST_SHARD, ShardId, check_job, write_job
from keras_vit.batch.recording import (
    Found,
    Recording,
    ShardRecorder,
    list_of,
    read_found,
)
from keras_vit.batch.results import Prepared
from keras_vit.batch.running import as_output, held, progress, versions, write_json
from keras_vit.data import tfds
from keras_vit.data.dataset import Dataset
from keras_vit.data.inspection.inspection import inspected
from keras_vit.data.inspection.scanning import ROW, Scan
from keras_vit.data.prepared_records import INDEX, NOTES
from keras_vit.data.splits import Files, Labelled
from keras_vit.model_arguments import check_counts

REPORT = "_inspection"
SMALLEST_SHARD = 16
SHARDS = 16  # of a split at least, where it has enough images
_TYPES = {
    "name": "binary",
    "index": "int64",
    "labels": "list:int64",
    "group": "binary",
}
INFO = "dataset_info.json"


def prepare_dataset(
    dataset: Dataset,
    output: str | os.PathLike[str],
    *,
    name: str | None,
    short_side: int | None,
    shard_size: int | None,
    runner: str,
    options: Sequence[str],
) -> Prepared:
    """Run the job that `keras_vit.batch.prepare`, which describes it, is."""
    check_options(options)
    for key, value in (("short_side", short_side), ("shard_size", shard_size)):
        if value is not None:
            named: dict[str, Any] = {key: value}
            check_counts(**named)
    _check_files(dataset)
    output = as_output(output)
    sizes = {
        split: shard_size or _shard_size(len(images))
        for split, images in dataset.splits().items()
    }
    job = _recording(dataset, output, _name(name or dataset.name), short_side, sizes)
    with held(output):
        _plan(job, dataset, sizes)
        every = _shards(job)
        there = filesystem.names_in(output)
        missing = [one for one in every if job.file(one) not in there]
        if missing:
            filesystem.remove(filesystem.join(output, INFO))
            names = {job.file(one): one.images for one in every}
            with progress(output, names):
                make = functools.partial(ShardRecorder, job)
                run_shards(missing, make, runner, options)
        return _finished(job, dataset, every)


def _check_files(dataset: Dataset) -> None:
    others = [
        f"{name} is {type(split).__name__}"
        for name, split in dataset.splits().items()
        if not isinstance(split, Files)
    ]
    if others:
        raise ValueError(
            "Expected a data set of image files: a folder, an archive or a table. "
            f"Received: {dataset.name!r}, of which {', '.join(others)}"
        )


def _name(text: str) -> str:
    """What TensorFlow Datasets can call a data set, and its files."""
    last = pathlib.Path(text).resolve().name
    words = re.sub(r"[^a-z0-9]+", "_", last.lower()).strip("_")
    return words if words[:1].isalpha() else f"dataset_{words}".strip("_")


def _shard_size(count: int) -> int:
    return max(min(LARGEST_SHARD, -(-count // SHARDS)), SMALLEST_SHARD)


def _recording(
    dataset: Dataset,
    output: str,
    name: str,
    short_side: int | None,
    sizes: dict[str, int],
) -> Recording:
    splits: dict[str, Any] = dataset.splits()
    counts = {key: -(-len(split) // sizes[key]) for key, split in splits.items()}
    extremes = [
        os.fsdecode(one)
        for split in splits.values()
        for one in (min(split.paths), max(split.paths))
    ]
    return Recording(
        output,
        name,
        counts,
        root=os.path.commonprefix(extremes).rpartition("/")[0] + "/",
        several=dataset.train.several,
        grouped=dataset.train.groups is not None,
        short_side=short_side,
        exif_orientation=splits["train"].exif_orientation,
        decoding=dataset.decoding,
    )


def _plan(job: Recording, dataset: Dataset, sizes: dict[str, int]) -> None:
    """Write the lists of all splits, in a random order that stays the same."""
    asked = {
        "splits": {
            key: split.images_fingerprint() for key, split in dataset.splits().items()
        },
        "class_names": [*dataset.class_names],
        "shard_sizes": sizes,
        "name": job.name,
        "short_side": job.short_side,
        "exif_orientation": job.exif_orientation,
        "decoding": job.decoding.as_json(),
    }
    if check_job(job.output, asked):
        return
    for number, (key, split) in enumerate(dataset.splits().items()):
        with filesystem.whole(list_of(job.output, number)) as scratch:
            write_groups(scratch, _rows(split), _TYPES, sizes[key])
    write_job(job.output, asked)


def _rows(split: Any) -> Iterator[dict[str, Any]]:
    order = np.random.default_rng(0).permutation(len(split))
    for index in order.tolist():
        label = split.labels[index]
        yield {
            "name": bytes(split.paths[index]),
            "index": index,
            "labels": np.flatnonzero(label) if np.ndim(label) else [int(label)],
            "group": None if split.groups is None else bytes(split.groups[index]),
        }


def _shards(job: Recording) -> list[ShardId]:
    found = []
    for number in range(len(job.splits)):
        with filesystem.on_disk(list_of(job.output, number)) as file:
            counts = Groups(file).counts()
        found += [ShardId(number, shard, n) for shard, n in enumerate(counts)]
    return found


def _finished(job: Recording, dataset: Dataset, every: list[ShardId]) -> Prepared:
    """Write the index, the report and what makes it a data set, in this order."""
    scans, infos = {}, {}
    for number, (key, split) in enumerate(dataset.splits().items()):
        shards = [one for one in every if one.listing == number]
        found = [read_found(job, one) for one in shards]
        scans[key] = _joined(found, len(split))
        _write_index(job, key, split, found)
        files = [filesystem.join(job.output, job.file(one)) for one in shards]
        size = sum(map(filesystem.size, files))
        infos[key] = ([len(one.kept) for one in found], size)
    report = None if filesystem.is_remote(job.output) else job.output
    inspection = inspected(
        dataset, scans, None if report is None else os.path.join(report, REPORT)
    )
    notes = {
        "class_names": [*dataset.class_names],
        "splits": [*infos],
        "decoding": {"max_pixels": job.decoding.max_pixels},
        "short_side": job.short_side,
        "versions": versions(),
    }
    write_json(filesystem.join(job.output, INDEX), NOTES, notes)
    _write_info(job, dataset, infos)
    records = {key: sum(lengths) for key, (lengths, _) in infos.items()}
    return Prepared(job.output, job.name, records, inspection)


def _joined(found: list[Found], count: int) -> Scan:
    """The scans of all shards as one of the split, in its order."""
    rows, errors, kinds = np.zeros(count, ROW), {}, {}
    for one in found:
        part = one.scan
        numbers = [kinds.setdefault(kind, len(kinds)) for kind in part.kinds]
        own = part.rows.copy()
        own["kind"] = np.array(numbers, np.uint16)[own["kind"]]
        rows[part.indices] = own
        errors |= {int(part.indices[row]): why for row, why in part.errors.items()}
    # Kinds are numbered as they come, as where all were read one after the other.
    numbers, firsts = np.unique(rows["kind"], return_index=True)
    order = numbers[np.argsort(firsts)]
    again = np.zeros(len(kinds), np.uint16)
    again[order] = np.arange(len(order))
    rows["kind"] = again[rows["kind"]]
    named = [*kinds]
    errors = dict(sorted(errors.items()))
    return Scan(np.arange(count), rows, tuple(named[one] for one in order), errors)


def _write_index(job: Recording, key: str, split: Labelled, found: list[Found]) -> None:
    kept = np.concatenate([one.kept for one in found])
    arrays: dict[str, Any] = {
        "labels": split.labels[kept],
        "offsets": np.concatenate([one.offsets for one in found]),
    }
    if split.groups is not None:
        arrays["groups"] = split.groups[kept]
    path = filesystem.join(job.output, INDEX, f"{key}.npz")
    with filesystem.whole(path) as scratch:
        np.savez(scratch, **arrays)


def _write_info(
    job: Recording, dataset: Dataset, infos: dict[str, tuple[Sequence[int], int]]
) -> None:
    features: dict[str, Any] = {"path": None}
    features["labels" if job.several else "label"] = dataset.class_names
    if job.grouped:
        features["group"] = None
    with tempfile.TemporaryDirectory() as room:
        tfds.write_info(room, job.name, features, infos, where=job.output)
        # The one by which the folder is a data set comes last.
        for file in sorted(pathlib.Path(room).iterdir(), key=lambda f: f.name == INFO):
            with filesystem.whole(filesystem.join(job.output, file.name)) as scratch:
                scratch.write_bytes(file.read_bytes())
