"""A shard of images -> a Parquet file of what the model computes of them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, replace
from typing import Any

import numpy as np

from keras_vit.ahead import one_ahead
from keras_vit.batch import filesystem
from keras_vit.batch.items import Item, Reader, fsdecoded
from keras_vit.batch.parquet import write_columns
from keras_vit.batch.plan import Plan, ShardId
from keras_vit.batch.scoring import (
    ATTENTION,
    FEATURES,
    PROBABILITIES,
    Scorer,
    open_classifier,
)
from keras_vit.choices import BATCH_RESULTS
from keras_vit.classifier import Classifier
from keras_vit.data.images import UnreadableImageError, decode_image
from keras_vit.data.preprocessing import preprocess
from keras_vit.preprocessing import resolve

CLASSES = "classes"
WHAT = BATCH_RESULTS
# The beginnings of reasons why an image cannot be read, and what they are counted as.
KINDS = {
    "missing": r"No such file|not found|does not exist|no item named",
    "too large": r"more (pixels|bytes|than)|than the limit",
    "not readable": r"not a readable image|damaged|ends within|is encrypted|not a file",
}


@dataclass(frozen=True)
class Job:
    """What is done with each image; small, as it is sent to every worker.

    Attributes:
        output: the folder of the results.
        model: the path of the model.
        what: some of `WHAT`.
        top: how many classes are named.
        class_names: instead of the model's own; `None`: those.
        preprocessing: how images become the model's size; `None`: the model's own.
        decoding: changes of the model's own `Decoding`.
        exif_orientation: whether the camera's note on the orientation counts.
        features_dtype: `"float32"` or `"float16"`.
        batch_size: images at a time.
        batch_bytes: the most bytes of their pixels.
    """

    output: str
    model: str
    _: KW_ONLY
    what: tuple[str, ...] = (CLASSES,)
    top: int = 5
    class_names: tuple[str, ...] | None = None
    preprocessing: str | None = None
    decoding: Mapping[str, Any] | None = None
    exif_orientation: bool = True
    features_dtype: str = "float32"
    batch_size: int = 32
    batch_bytes: int = 1 << 26

    def classifier(self, path: str) -> Classifier:
        """Return the model at a path on this machine, with the job's changes."""
        found = open_classifier(path, self.class_names)
        names = found.class_names or tuple(
            f"class {number}" for number in range(found.num_classes)
        )
        changes: dict[str, Any] = {"class_names": names}
        if self.preprocessing is not None:
            changes["preprocessing"] = resolve(self.preprocessing)
        if self.decoding:
            changes["decoding"] = replace(found.decoding, **self.decoding)
        return replace(found, **changes)

    def outputs(self) -> tuple[str, ...]:
        """Return what a `Scorer` has to compute."""
        of_classes = CLASSES in self.what or PROBABILITIES in self.what
        others = tuple(one for one in (FEATURES, ATTENTION) if one in self.what)
        return (PROBABILITIES, *others) if of_classes else others


class ShardClassifier:
    """Writes the results of shards: the model, and what else a process needs once.

    Args:
        job: a `Job`.
    """

    def __init__(self, job: Job) -> None:
        self.job, self.plan, self.reader = job, Plan(job.output), Reader()
        with filesystem.on_disk(job.model) as path:
            self.scorer = Scorer(job.classifier(path), job.outputs())
        self.shapes = self.scorer.shapes()
        height, width = self.scorer.classifier.image_size
        per_image = 4 * 3 * height * width
        self.batch = max(1, min(job.batch_size, job.batch_bytes // per_image))

    def write(self, shard: ShardId) -> None:
        """Write the file of a shard's results, whole."""
        columns: dict[str, list[Any]] = {name: [] for name in self.types()}
        counts: Counter[str] = Counter()
        for names, errors, outputs in self._batches(shard):
            columns["path"] += map(fsdecoded, names)
            columns["error"] += errors
            counts.update(kind_of(one) for one in errors if one is not None)
            for name, values in self._values(outputs, errors).items():
                columns[name] += values
        labels = Counter(one for one in columns.get("label", ()) if one is not None)
        notes = {"errors": counts, "labels": labels}
        with filesystem.whole(filesystem.join(self.job.output, shard.file)) as scratch:
            write_columns(scratch, columns, self.types(), notes)

    def types(self) -> dict[str, str]:
        """Return the types of the columns, by name."""
        types = {"path": "string"}
        if CLASSES in self.job.what:
            types |= {"label": "string", "probability": "float32"}
            types |= {"top_labels": "list:string", "top_probabilities": "list:float32"}
        for name in self.job.what:
            if name != CLASSES:
                dtype = self.job.features_dtype if name == FEATURES else "float32"
                types[name] = f"{dtype}[{int(np.prod(self.shapes[name]))}]"
        return types | {"error": "string"}

    def _batches(self, shard: ShardId) -> Iterator[tuple[Any, Any, Any]]:
        """Yield names, errors and outputs of one batch after the other.

        The next batch is read while the model computes this one.
        """
        items = [*self.plan.items(shard)]
        starts = range(0, len(items), self.batch)
        batches = [items[start : start + self.batch] for start in starts]
        for batch, read in zip(batches, one_ahead(self._read, batches), strict=True):
            pixels, errors = read
            outputs = self.scorer(pixels) if len(pixels) else {}
            yield [one.name for one in batch], errors, outputs

    def _read(self, items: Sequence[Item]) -> tuple[np.ndarray, list[str | None]]:
        """Pixels of those that can be read, and for each image its error or `None`."""
        classifier = self.scorer.classifier
        size, pixels, errors = classifier.image_size, [], []
        for item in items:
            try:
                image = decode_image(
                    self.reader.read(item),
                    item.name,
                    self.job.exif_orientation,
                    classifier.decoding,
                )
                image = preprocess(image, size, classifier.preprocessing)
            except UnreadableImageError as error:
                errors.append(fsdecoded(str(error)))
            else:
                errors.append(None)
                pixels.append(np.asarray(image, np.float32))
        return (np.stack(pixels) if pixels else np.zeros(0)), errors

    def _values(
        self, outputs: Mapping[str, np.ndarray], errors: Sequence[str | None]
    ) -> dict[str, list[Any]]:
        """The values of each column but path and error, `None` where there is none."""
        found: dict[str, list[Any]] = {}
        good = np.flatnonzero([one is None for one in errors])

        def spread(values: Iterable[Any]) -> list[Any]:
            rows: list[Any] = [None] * len(errors)
            for row, value in zip(good, values, strict=True):
                rows[row] = value
            return rows

        if CLASSES in self.job.what:
            top = self._top(outputs[PROBABILITIES]) if len(good) else ((), ())
            found["label"] = spread([names[0] for names in top[0]])
            found["probability"] = spread([values[0] for values in top[1]])
            found["top_labels"], found["top_probabilities"] = map(spread, top)
        for name in self.job.what:
            if name != CLASSES:
                values = outputs[name].reshape(len(good), -1) if len(good) else ()
                found[name] = spread(values)
        return found

    def _top(self, probabilities: np.ndarray) -> tuple[list[Any], list[Any]]:
        """Names and probabilities of the likeliest classes, as `Prediction.top`."""
        order = np.argsort(-probabilities, axis=1, kind="stable")[:, : self.job.top]
        names = self.scorer.classifier.class_names or ()
        values = np.take_along_axis(probabilities, order, axis=1)
        return [[names[one] for one in row] for row in order], values.tolist()


def kind_of(error: str) -> str:
    """Return the kind that an error is counted as, a key of `KINDS` or `"other"`.

    Example:

    >>> kind_of("a.jpg: No such file or directory")
    'missing'
    """
    for kind, pattern in KINDS.items():
        if re.search(pattern, error):
            return kind
    return "other"
