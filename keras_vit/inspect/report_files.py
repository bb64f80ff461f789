"""The files of an inspection: figures, their numbers, the page."""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Mapping, Sequence

import numpy as np

from keras_vit import figures
from keras_vit.figures.drawing import DPI
from keras_vit.files import write_json, written_whole
from keras_vit.inspect.facts import facts_of, images_of, table_of
from keras_vit.inspect.figure_specs import FIGURE_SPECS
from keras_vit.inspect.inspection import Inspection
from keras_vit.inspect.model_summary import Summary
from keras_vit.report_page import Picture, Section, page
from keras_vit.verbosity import progress_bar

PAGE, NUMBERS = "report.html", "inspection.json"


def write_figures(
    names: Sequence[str], inspection: Inspection, folder: pathlib.Path
) -> tuple[list[Section], dict[str, str]]:
    """Measure, draw and write figures.

    Args:
        names: of `FIGURE_SPECS`.
        inspection: the model and its images.
        folder: of the files.

    Returns:
        The figures that were written; and why others were not, by name.
    """
    written, skipped = [], {}
    bar = progress_bar(names, unit=" figures")
    for name in bar:
        bar.set_description(name, refresh=False)
        why = FIGURE_SPECS[name].missing(inspection)
        if why is None:
            written.append(_write_figure(name, inspection, folder))
        else:
            skipped[name] = why
    return written, skipped


def _write_figure(name: str, inspection: Inspection, folder: pathlib.Path) -> Section:
    spec = FIGURE_SPECS[name]
    arrays = spec.measure(inspection)
    with written_whole(folder / f"{name}.npz") as scratch:
        np.savez(scratch, allow_pickle=False, **arrays)
    figure = spec.draw(arrays, inspection)
    for suffix in ("svg", "png"):
        figures.write(figure, folder / f"{name}.{suffix}")
    return Section(
        name,
        spec.title,
        texts=(spec.meaning,),
        figure=Picture.of_file(folder / f"{name}.png", DPI),
        caption=spec.describe(arrays, inspection),
        files=tuple(f"{name}.{suffix}" for suffix in ("png", "svg", "npz")),
    )


def write_report(
    inspection: Inspection,
    costs: Summary,
    written: Sequence[Section],
    skipped: Mapping[str, str],
    folder: pathlib.Path,
) -> None:
    """Write `report.html` and `inspection.json`.

    Args:
        inspection: the model and its images.
        costs: of the model.
        written: the figures.
        skipped: why others are not there, by name.
        folder: of the files.
    """
    with written_whole(folder / PAGE) as scratch:
        text = _page(inspection, costs, written, skipped)
        scratch.write_text(text, encoding="utf-8")
    numbers = {
        "model": inspection.name,
        "source": inspection.source,
        "images": list(inspection.image_names),
        "pictures": len(inspection.shown),
        "compared_with": inspection.other_name,
        "rollout": inspection.rollout,
        "figures": {one.name: one.caption for one in written},
        "skipped": dict(skipped),
        "summary": dataclasses.asdict(costs),
    }
    write_json(folder / NUMBERS, numbers, indent=1)


def _page(inspection, costs, written, skipped):
    sections = [*written]
    if skipped:
        titles = {name: FIGURE_SPECS[name].title for name in skipped}
        points = [f"{titles[name]}: {why}." for name, why in skipped.items()]
        sections.append(Section("skipped", "Skipped figures", points=points))
    return page(
        f"Inside {inspection.name}",
        [images_of(inspection)],
        facts_of(inspection, costs),
        [*sections, Section("layers", "Layers", table=table_of(costs))],
        image_names=inspection.image_names,
    )
