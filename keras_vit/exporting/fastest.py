"""Which file answers fastest on this machine: every candidate is written and timed."""

from __future__ import annotations

import dataclasses
import json
import logging
import pathlib
import shutil
import statistics
import tempfile
import textwrap
from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Any

import numpy as np

from keras_vit.export_formats import FORMATS, schemes_here
from keras_vit.exporting import accuracy_check, checking, runtime_check
from keras_vit.exporting.export_model import export
from keras_vit.exporting.report import Report, percent, read_report, report_paths
from keras_vit.files import written_whole

LOG = logging.getLogger(__name__)
# Formats of one file, whose runtimes start in a fraction of a second.
CANDIDATES = ("tflite", "onnx", "openvino")
ROUNDS = 3  # in each of which all files are timed, one after the other


@dataclass
class Tried:
    """A file that might be chosen, and a way to load it.

    Attributes:
        name: of the format, the quantisation and the precision.
        path: of the file.
        runtime: that loads it, a key of `runtime_check.RUNTIMES`.
        report: of the file.
        mode: the one of the report's `modes` that the runtime is.
        reason: why it is not chosen; `""`: nothing is against it.
        times: medians of milliseconds for one image, one a round.
    """

    name: str
    path: pathlib.Path | None = None
    runtime: str = ""
    _: KW_ONLY
    report: Report | None = None
    mode: dict[str, Any] = dataclasses.field(default_factory=dict)
    reason: str = ""
    times: list[float] = dataclasses.field(default_factory=list)

    @property
    def milliseconds(self) -> float:
        """The median of the rounds; infinity for what was not timed."""
        return statistics.median(self.times) if self.times else float("inf")

    def row(self) -> dict[str, Any]:
        """Return what a report says of it."""
        known = self.report is not None
        return {
            "file": self.name,
            "milliseconds": round(self.milliseconds, 3) if self.times else None,
            "top1_agreement": self.mode["top1_agreement"] if known else None,
            "accuracy": self.mode["accuracy"] if known else None,
            "size_bytes": self.report.size_bytes if self.report else None,
            "reason": self.reason,
        }


def export_fastest(
    model: Any, path: pathlib.Path, *, image_size: tuple[int, int], **options: Any
) -> pathlib.Path:
    """Write the file that answers one image fastest here and keeps the accuracy.

    Args:
        model: as `export` takes it.
        path: of the file, without a suffix, which says the format.
        image_size: (height, width) of the model's images.
        **options: of `export`, for all formats.

    Returns:
        The path that was written.

    Raises:
        RuntimeError: if there is no file that keeps the accuracy.
    """
    with tempfile.TemporaryDirectory() as folder:
        tried: list[Tried] = []
        for format in CANDIDATES:
            for scheme in ("none", *schemes_here(format)):
                if scheme != "float16":  # which computes in float32, no faster
                    room = pathlib.Path(folder, f"{format}-{scheme}")
                    target = room / f"{path.name}{FORMATS[format].suffix}"
                    tried += _written(model, target, format, scheme, options)
        _time([one for one in tried if not one.reason], image_size)
        best = min(tried, key=lambda one: one.milliseconds)
        if best.path is None or not best.times:
            raise RuntimeError(
                "No file keeps the model's accuracy, so none was written.\n"
                + table([one.row() for one in tried])
            )
        for one in tried:
            if one.times and one is not best:
                one.reason = f"{one.milliseconds / best.milliseconds:.2f} times as long"
        best.reason = f"chosen: {best.mode['code']}"
        return _kept(best, tried, path)


def table(rows: Sequence[dict[str, Any]]) -> str:
    """Return what was tried as a Markdown table, the fastest first.

    Args:
        rows: of a report's `chosen_from`.
    """
    lines = [
        "| file | ms, batch 1 | top-1 agreement | accuracy | MB | |",
        "| --- | ---: | ---: | ---: | ---: | --- |",
    ]
    for row in sorted(rows, key=lambda row: row["milliseconds"] or float("inf")):
        time = "" if row["milliseconds"] is None else f"{row['milliseconds']:.2f}"
        size = "" if row["size_bytes"] is None else f"{row['size_bytes'] / 1e6:.2f}"
        cells = [row["file"], time, percent(row["top1_agreement"])]
        cells += [percent(row["accuracy"]), size, row["reason"]]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _written(
    model: Any,
    path: pathlib.Path,
    format: Any,
    scheme: Any,
    options: dict[str, Any],
) -> list[Tried]:
    """Write a candidate; return it, and each other way to load it."""
    name = format if scheme == "none" else f"{format} {scheme}"
    judged = options.get("split") is not None
    if scheme != "none" and not judged:
        return [Tried(name, reason="not tried: no images to judge it by, --dataset")]
    if scheme != "int8":
        options = options | {"calibration": None}
    LOG.info("writing and checking %s", name)
    try:
        export(model, path, format, quantize=scheme, **options)
    except (ValueError, ImportError, RuntimeError) as error:
        short = textwrap.shorten(str(error), 120, placeholder="...")
        return [Tried(name, reason=f"not written: {short}")]
    report = read_report(path)
    runtimes = [format]
    if len(report.modes) > 1 and report.modes[1]["precision"] != "float32":
        runtimes.append(runtime_check.BY_DEFAULT[format])
    found = []
    for runtime, mode in zip(runtimes, report.modes, strict=False):
        own = name if runtime == format else f"{name}, {mode['precision']}"
        lost = _lost(report, mode) if judged else ""
        found.append(Tried(own, path, runtime, report=report, mode=mode, reason=lost))
    return found


def _lost(report: Report, mode: dict[str, Any]) -> str:
    """Why a file does not keep the accuracy; `""` if it does."""
    found = {
        "agreement": mode["top1_agreement"],
        "accuracy": mode["accuracy"],
        "accuracy_of_origin": report.accuracy_of_origin,
    }
    if accuracy_check.holds(found):
        return ""
    return (
        f"refused: {percent(found['agreement'])} agree, top-1 "
        f"{percent(found['accuracy'])} after {percent(found['accuracy_of_origin'])}"
    )


def _time(candidates: Sequence[Tried], image_size: tuple[int, int]) -> None:
    """Time one image in each file, in turn, in processes of their own."""
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (1, *image_size, 3)).astype(np.float32)
    for _ in range(ROUNDS):
        for one in candidates:
            assert one.path is not None
            _, measured = checking.run_in_fresh_process(
                one.runtime, one.path, image, batches=(1,)
            )
            one.times.append(measured["latency_ms"]["1"])


def _kept(best: Tried, tried: Sequence[Tried], path: pathlib.Path) -> pathlib.Path:
    """Move the best file, its companions and its report to their place."""
    source = best.path
    assert source is not None
    numbers, card = report_paths(source)
    rows = [one.row() for one in tried]
    fields = json.loads(numbers.read_text()) | {"chosen_from": rows}
    numbers.write_text(json.dumps(fields, indent=2) + "\n")
    why = f"\nChosen on this machine, by the median of {ROUNDS} rounds:\n\n"
    with card.open("a", encoding="utf-8") as file:
        file.write(f"{why}{table(rows)}\n")
    target = path.with_name(source.name)
    with written_whole(target) as scratch:
        for one in source.parent.iterdir():
            shutil.copyfile(one, scratch.with_name(one.name))
    return target
