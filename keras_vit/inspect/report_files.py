"""The files of an inspection: figures, their numbers, the page."""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np

from keras_vit.files import write_json, written_whole
from keras_vit.inspect.facts import facts_of, images_of, table_of
from keras_vit.inspect.figure_specs import FIGURE_SPECS
from keras_vit.inspect.inspection import Inspection
from keras_vit.inspect.model_summary import Summary
from keras_vit.inspect.page import PageFigure, page
from keras_vit.verbosity import progress_bar

PAGE, NUMBERS = "report.html", "inspection.json"
POINTS = 96  # CSS pixels an inch


def write_figures(
    names: Sequence[str], inspection: Inspection, folder: pathlib.Path
) -> tuple[list[PageFigure], dict[str, str]]:
    """Measure, draw and write figures.

    Args:
        names: of `FIGURE_SPECS`.
        inspection: the model and its images.
        folder: of the files.

    Returns:
        The figures that were written; and why others were not, by name.
    """
    written, skipped = [], {}
    for name in _with_progress(names):
        why = FIGURE_SPECS[name].missing(inspection)
        if why is None:
            written.append(_write_figure(name, inspection, folder))
        else:
            skipped[name] = why
    return written, skipped


def _with_progress(names: Iterable[str]) -> Iterator[str]:
    bar = progress_bar(names, unit=" figures")
    for name in bar:
        bar.set_description(name, refresh=False)
        yield name


def _write_figure(
    name: str, inspection: Inspection, folder: pathlib.Path
) -> PageFigure:
    from keras_vit import figures

    spec = FIGURE_SPECS[name]
    arrays = spec.measure(inspection)
    with written_whole(folder / f"{name}.npz") as scratch:
        np.savez(scratch, allow_pickle=False, **arrays)
    figure = spec.draw(arrays, inspection)
    for suffix in ("svg", "png"):
        figures.write(figure, folder / f"{name}.{suffix}")
    width, height = figure.get_size_inches()
    return PageFigure(
        name,
        spec.title,
        spec.meaning,
        description=spec.describe(arrays, inspection),
        png=(folder / f"{name}.png").read_bytes(),
        size=(round(POINTS * width), round(POINTS * height)),
        files=tuple(f"{name}.{suffix}" for suffix in ("png", "svg", "npz")),
    )


def write_page(
    inspection: Inspection,
    source: str,
    costs: Summary,
    written: Sequence[PageFigure],
    skipped: Mapping[str, str],
    *,
    folder: pathlib.Path,
) -> None:
    """Write `report.html`.

    Args:
        inspection: the model and its images.
        source: where the images are from.
        costs: of the model.
        written: the figures.
        skipped: why others are not there, by name.
        folder: of the file.
    """
    text = page(
        f"Inside {inspection.name}",
        (images_of(inspection, source), inspection.image_names),
        facts=facts_of(inspection, costs),
        figures=written,
        skipped={FIGURE_SPECS[name].title: why for name, why in skipped.items()},
        table=table_of(costs),
    )
    with written_whole(folder / PAGE) as scratch:
        scratch.write_text(text, encoding="utf-8")


def write_numbers(
    inspection: Inspection,
    source: str,
    costs: Summary,
    descriptions: Mapping[str, str],
    skipped: Mapping[str, str],
    *,
    folder: pathlib.Path,
) -> None:
    """Write `inspection.json`.

    Args:
        inspection: the model and its images.
        source: where the images are from.
        costs: of the model.
        descriptions: of the figures, by name.
        skipped: why others are not there, by name.
        folder: of the file.
    """
    numbers = {
        "model": inspection.name,
        "source": source,
        "images": list(inspection.image_names),
        "pictures": min(inspection.pictures, len(inspection.images)),
        "compared_with": inspection.other_name,
        "rollout": inspection.rollout,
        "figures": dict(descriptions),
        "skipped": dict(skipped),
        "summary": dataclasses.asdict(costs),
    }
    write_json(folder / NUMBERS, numbers, indent=1)
