"""What was measured of an exported model, for programs and for people."""

import dataclasses
import datetime
import json
import os
import pathlib
import platform
from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from typing import Any, cast

import keras
import numpy as np

from keras_vit import __version__
from keras_vit.classifier import Classifier
from keras_vit.export_formats import FORMATS
from keras_vit.exporting import runtime_check
from keras_vit.exporting.modes import section_of


@dataclass(frozen=True)
class Report:
    """An exported file beside its origin.

    Attributes:
        format: a key of `keras_vit.exporting.FORMATS`.
        quantize: `"none"`, `"float16"`, `"dynamic"` or `"int8"`.
        size_bytes: of all its files.
        images: how many both were asked about.
        source: where the images are from.
        largest_difference: of a logit from the origin's.
        mean_difference: of all logits.
        largest_logit: of the origin, without its sign.
        top1_agreement: the share of images of which both say the same class.
        accuracy: top-1 on these images; `None` without labels.
        accuracy_of_origin: the origin's.
        load_seconds: until the first answer, in a fresh process.
        latency_ms: the median for batches of 1 and of 32 images; of a file
            that is fixed to a batch size, in as many calls as that takes.
        peak_memory_bytes: of that process, its runtime included.
        fixed_batch_size: the only batch size; `None`: any.
        versions: of the runtime's packages, by name.
        gate: what was measured before `"int8"` was allowed, as `int8.first_accurate`
            returns it; `None` for the others.
        copied_from: the dtype policy of the origin, where a copy of it in float32
            was exported and compared with; `None`: the origin itself.
        made_of_another: whether what is called the origin here is the model that
            the exported one was made of, such as the one that merges no tokens.
        equal_to: the `keras_vit.equal_files.fingerprint` of the `.keras` file that
            this one was made from with nothing changed, so that it may answer for
            it; `None`: something was, or it was made from no file.
        sha256: of the exported file; `None` where there are several.
        chosen_from: of the fastest file on a machine, what else was tried, as
            `fastest.table` shows it.
        modes: the ways to load the file that were measured, the first of which all
            else here is of: the line of `code`, the `precision` that the runtime
            computes in then, `largest_difference`, `top1_agreement`, `accuracy` and
            `latency_ms`. The second is the runtime's default, where that may be another
            precision.
    """

    format: str
    quantize: str
    size_bytes: int
    _: KW_ONLY
    images: int
    source: str
    largest_difference: float
    mean_difference: float
    largest_logit: float
    top1_agreement: float
    accuracy: float | None
    accuracy_of_origin: float | None
    load_seconds: float
    latency_ms: dict[str, float]
    peak_memory_bytes: int | None
    fixed_batch_size: int | None
    versions: dict[str, str]
    gate: dict[str, Any] | None = None
    copied_from: str | None = None
    made_of_another: bool = False
    equal_to: str | None = None
    sha256: str | None = None
    chosen_from: list[dict[str, Any]] = field(default_factory=list)
    modes: list[dict[str, Any]] = field(default_factory=list)
    written_by: dict[str, Any] = field(default_factory=lambda: _writers())

    def name(self) -> str:
        """Return the format and the quantisation, for tables."""
        return self.format + ("" if self.quantize == "none" else f" {self.quantize}")


def _writers() -> dict[str, Any]:
    return {
        "keras_vit": __version__,
        "keras": keras.__version__,
        "numpy": np.__version__,
        "python": platform.python_version(),
        "cpu_cores": os.cpu_count(),
        "date": datetime.date.today().isoformat(),
    }


def report_paths(path: pathlib.Path) -> tuple[pathlib.Path, pathlib.Path]:
    """Return where an exported file's, or folder's, report and card are."""
    if path.suffix in {one.suffix for one in FORMATS.values() if one.suffix}:
        return path.with_name(f"{path.name}.json"), path.with_name(f"{path.name}.md")
    return path / "report.json", path / "README.md"


def write_report(report: Report, classifier: Classifier, path: pathlib.Path) -> None:
    """Write the report of an exported file or folder as JSON, and its card."""
    numbers, card = report_paths(path)
    numbers.write_text(json.dumps(dataclasses.asdict(report), indent=2) + "\n")
    card.write_text(_card(report, classifier), encoding="utf-8")


def read_report(path: str | os.PathLike[str]) -> Report:
    """Return the `Report` of what `export` wrote.

    Args:
        path: that `export` returned.
    """
    numbers, _ = report_paths(pathlib.Path(path).expanduser())
    return Report(**json.loads(numbers.read_text()))


_COLUMNS = (
    "format",
    "accuracy",
    "top-1 agreement",
    "largest difference",
    "MB",
    "load s",
    "ms, batch 1",
    "ms, batch 32",
    "peak MB",
)


def table(reports: Sequence[Report], reference: Mapping[str, str] | None = None) -> str:
    """Return several reports side by side, as a Markdown table.

    Args:
        reports: of the same model.
        reference: a row of the origin's own, by the names of the columns.
    """
    rows: list[list[str]] = [list(_COLUMNS)]
    if reference:
        rows.append([str(reference.get(column, "")) for column in _COLUMNS])
    rows += [_row(report) for report in reports]
    first, *others = (max(3, *map(len, column)) for column in zip(*rows, strict=True))
    rows.insert(1, ["-" * first, *("-" * (width - 1) + ":" for width in others)])
    return "\n".join(
        f"| {' | '.join([row[0].ljust(first), *map(str.rjust, row[1:], others)])} |"
        for row in rows
    )


def origin_row(model: keras.Model, report: Report) -> dict[str, str]:
    """Return the row of the Keras model itself, in this process, for `table`.

    Args:
        model: the Keras model.
        report: of one of them, which has the accuracy.
    """
    images = np.full((1, *model.input_shape[1:]), 127.5, np.float32)
    loaded = runtime_check.Loaded(model.predict_on_batch, None, {})
    runtime_check.logits_of(loaded, images)
    one, many = (
        runtime_check.median_milliseconds(loaded, images, batch)
        for batch in runtime_check.BATCHES
    )
    return {
        "format": "Keras, predict_on_batch",
        "accuracy": percent(report.accuracy_of_origin),
        "MB": f"{4 * model.count_params() / 1e6:.2f}",
        "ms, batch 1": f"{one:.2f}",
        "ms, batch 32": f"{many:.1f}",
    }


def _row(report: Report) -> list[str]:
    peak = report.peak_memory_bytes
    return [
        report.name(),
        percent(report.accuracy),
        percent(report.top1_agreement),
        f"{report.largest_difference:.1e}",
        f"{report.size_bytes / 1e6:.2f}",
        f"{report.load_seconds:.2f}",
        f"{report.latency_ms['1']:.2f}",
        f"{report.latency_ms['32']:.1f}",
        "" if peak is None else f"{peak / 1e6:.0f}",
    ]


def percent(share: float | None) -> str:
    """Return a share as people read it; nothing for `None`."""
    return "" if share is None else f"{100 * share:.2f} %"


def _card(report: Report, classifier: Classifier) -> str:
    (height, width), class_names = classifier.image_size, classifier.class_names
    classes = ", ".join(class_names[:10]) if class_names else "not named"
    more = (
        f" and {classifier.num_classes - 10} more"
        if classifier.num_classes > 10 and class_names
        else ""
    )
    batch = report.fixed_batch_size or "any"
    versions = {**report.versions, **report.written_by}
    return "\n".join(
        [
            f"# {classifier.name}",
            "",
            f"- Format: {report.name()}",
            f"- Images: RGB, {height} x {width}, pixels in [0, 255]",
            f"- Batch size: {batch}",
            f"- Classes: {classifier.num_classes} ({classes}{more})",
            f"- Parameters: {cast('keras.Model', classifier.model).count_params():,}",
            "",
            f"Compared with {_origin(report)} on {report.images:,} images "
            f"({report.source}), in a process of its own:",
            "",
            table([report]),
            "",
            "The Keras model's accuracy is "
            f"{percent(report.accuracy_of_origin) or 'not known'}; its logits go up to "
            f"{report.largest_logit:.2f}, and differ by {report.mean_difference:.1e} "
            "in the mean.",
            *_int8(report.gate),
            *section_of(report.format, report.modes),
            "",
            "Written and measured with "
            + ", ".join(f"{name} {value}" for name, value in versions.items())
            + ".",
            "",
        ]
    )


def _origin(report: Report) -> str:
    if report.made_of_another:
        return "the Keras model that this one was made of (of all its tokens, say)"
    if report.copied_from is None:
        return "the Keras model"
    return f"a copy in float32 of the Keras model, which is in {report.copied_from},"


def _int8(gate: Mapping[str, Any] | None) -> list[str]:
    if gate is None:
        return []
    parts = [
        f"{number} of {total} {name}"
        for name, (number, total) in gate["operations_in_int8"].items()
    ]
    return [
        "",
        f"In int8, of its operations: {', '.join(parts)}. The ranges of their values "
        f"are those of {gate['calibration_images']:,} images. On "
        f"{gate['images']:,} others ({gate['source']}): top-1 "
        f"{percent(gate['accuracy'])}, of the Keras model "
        f"{percent(gate['accuracy_of_origin'])}; agreement "
        f"{percent(gate['agreement'])}, where {percent(gate['least_agreement'])} was "
        "asked for.",
    ]
