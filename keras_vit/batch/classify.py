"""Images and a model -> a folder of Parquet files, by a pipeline over shards."""

from __future__ import annotations

import dataclasses
import functools
import json
import os
import pathlib
import posixpath
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import keras

from keras_vit.batch import filesystem
from keras_vit.batch.classifying import WHAT, Job, ShardClassifier
from keras_vit.batch.listing import listed
from keras_vit.batch.plan import FOLDER, add_images, check_job, listings, write_job
from keras_vit.batch.results import BatchResults
from keras_vit.batch.running import (
    MANIFEST,
    as_output,
    counted,
    held,
    progress,
    shown,
    summed,
    to_do,
    versions,
    write_json,
)
from keras_vit.batch.scoring import Scorer
from keras_vit.choices import FEATURES_DTYPES
from keras_vit.classifier import Classifier
from keras_vit.decoding import AUTO, Decoding
from keras_vit.equal_files import fingerprint
from keras_vit.model_arguments import check_counts
from keras_vit.preprocessing import resolve
from keras_vit.suggestions import unknown

_MODEL = "model.keras"  # in the plan's folder, of a model that has no file
_NOT_IN_PLAN = ("batch_size", "batch_bytes")  # which change no number


def classify(
    model: Any,
    images: Any,
    output: str | os.PathLike[str],
    *,
    runner: str,
    options: Sequence[str],
    shard_size: int | None,
    listing: Mapping[str, Any],
    **wanted: Any,
) -> BatchResults:
    """Run the job that `keras_vit.batch.run`, which describes the arguments, is."""
    from keras_vit.batch.pipeline import check_options, run_shards

    _check(wanted, shard_size)
    check_options(options)
    output = as_output(output)
    with held(output):
        path = _saved(model, output)
        job = Job(output=output, model=path, **wanted)
        with filesystem.on_disk(path) as file:
            digest = fingerprint(file)
            name = Scorer(job.classifier(file), job.outputs()).classifier.name
        planned = _planned(job, digest, images, listing, shard_size)
        begun = check_job(output, planned)
        if not begun:  # a list without it is of a call that was stopped meanwhile
            for one in listings(output):
                filesystem.remove(one)
        add_images(output, shown(listed(images, **listing)), shard_size)
        if not begun:
            write_job(output, planned)
        every, missing = to_do(output)
        if missing:
            # A manifest is of all rows, or it is not there.
            filesystem.remove(filesystem.join(output, MANIFEST))
            with progress(output, {one.file: one.images for one in every}):
                make = functools.partial(ShardClassifier, _reachable(job))
                run_shards(missing, make, runner, options)
        return _finished(output, every, planned | {"model_name": name})


def _check(wanted: Mapping[str, Any], shard_size: int | None) -> None:
    check_counts(**{name: wanted[name] for name in ("top", *_NOT_IN_PLAN)})
    if shard_size is not None:
        check_counts(shard_size=shard_size)
    for word in wanted["what"]:
        if word not in WHAT:
            raise ValueError(unknown("result", word, WHAT))
    if not wanted["what"]:
        raise ValueError(f"Expected some of {', '.join(WHAT)}. Received: none")
    if wanted["features_dtype"] not in FEATURES_DTYPES:
        raise ValueError(unknown("dtype", wanted["features_dtype"], FEATURES_DTYPES))
    if wanted["preprocessing"] is not None:
        resolve(wanted["preprocessing"])
    decoding = wanted["decoding"]
    if decoding.get("pixel_range") == AUTO:
        raise ValueError(
            "pixel_range=auto is found in a data set. Expected full, or two numbers "
            "such as 0:4095, or None for the model's own. Received: auto"
        )
    Decoding(**decoding)


def _saved(model: Any, output: str) -> str:
    """The path of a model; one that is no path is saved in the plan's folder."""
    if isinstance(model, str | os.PathLike):
        path = os.path.expanduser(os.fspath(model))
        if filesystem.is_remote(path):
            return path
        if not os.path.exists(path):
            raise FileNotFoundError(f"No model at {path}: there is no such file.")
        return os.path.abspath(path)
    if not isinstance(model, keras.Model | Classifier):
        raise TypeError(
            "Expected a Keras model, a keras_vit.Classifier, or the path of a saved "
            f"model. Received: {type(model).__name__}"
        )
    path = filesystem.join(output, FOLDER, _MODEL)
    with filesystem.whole(path) as scratch:
        Classifier.of(model).save(scratch)
    return path


def _planned(
    job: Job, digest: str, images: Any, listing: Mapping[str, Any], size: int | None
) -> dict[str, Any]:
    """All that the rows follow from, as JSON has it."""
    several = [images] if isinstance(images, str | os.PathLike) else list(images)
    fields = {
        name: getattr(job, name)
        for name in job.__dataclass_fields__
        if name not in (*_NOT_IN_PLAN, "output", "model")
    }
    named = {k: v if v is None else os.fspath(v) for k, v in listing.items()}
    plan = fields | named | {"model": digest, "shard_size": size}
    plan["images"] = [_normal(os.path.expanduser(os.fspath(one))) for one in several]
    if not all(map(_is_absolute, plan["images"])):
        plan["folder"] = os.getcwd()
    return json.loads(json.dumps(plan))


def _normal(path: str) -> str:
    """A path without `./` and without a slash behind it: the same job."""
    remote = filesystem.is_remote(path) or path[:5] == "tfds:"
    return path if remote else os.path.normpath(path)


def _is_absolute(path: str) -> bool:
    return filesystem.is_remote(path) or os.path.isabs(path) or path[:5] == "tfds:"


def _reachable(job: Job) -> Job:
    """The job with its model in the bucket of the output, where workers find it."""
    if not filesystem.is_remote(job.output) or filesystem.is_remote(job.model):
        return job
    source = pathlib.Path(job.model)
    target = posixpath.join(job.output, FOLDER, "model", source.name)
    files = [source] if source.is_file() else sorted(source.rglob("*"))
    for file in files:
        if file.is_file():
            inside = file.relative_to(source).as_posix()
            path = target if file == source else posixpath.join(target, inside)
            filesystem.upload(file, path)
    return dataclasses.replace(job, model=target)


def _finished(output: str, every: Sequence[Any], planned: dict[str, Any]) -> Any:
    errors: Counter[str] = Counter()
    labels: Counter[str] = Counter()
    rows = counted(output, every, summed({"errors": errors, "labels": labels}))
    manifest = {
        "rows": rows,
        "readable": rows - sum(errors.values()),
        "errors": dict(errors.most_common()),
        "labels": dict(labels.most_common()),
        "files": len(every),
        "model": {"name": planned.pop("model_name"), "digest": planned["model"]},
        "arguments": {k: v for k, v in planned.items() if k != "model"},
        "versions": versions(),
    }
    write_json(output, MANIFEST, manifest)
    return BatchResults(output, rows, manifest["errors"], manifest["labels"], manifest)
