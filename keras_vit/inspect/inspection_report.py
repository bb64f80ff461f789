"""All there is to see in a model, as files and as one page."""

import dataclasses
import json
import pathlib
import sys
from dataclasses import dataclass

import numpy as np

from keras_vit.files import written_whole
from keras_vit.inspect.attention import blocks_of
from keras_vit.inspect.facts import facts_of, images_of, table_of
from keras_vit.inspect.figure_specs import FIGURE_SPECS
from keras_vit.inspect.inspection import Inspection
from keras_vit.inspect.inspector import without_advice
from keras_vit.inspect.model_summary import summary
from keras_vit.inspect.page import PageFigure, page
from keras_vit.inspect.rollouts import check_choices

PAGE, NUMBERS = "report.html", "inspection.json"
POINTS = 96  # CSS pixels an inch


@dataclass(frozen=True)
class Report:
    """What an inspection left.

    Attributes:
        folder: where it is.
        figures: a sentence with the main numbers of each figure, by its name.
        passed_over: why there is no figure, by its name.
    """

    folder: pathlib.Path
    figures: dict[str, str]
    passed_over: dict[str, str]


def report(
    model,
    images,
    folder,
    what="all",
    *,
    image_names=None,
    class_names=None,
    source="given images",
    pictures=8,
    name=None,
    other=None,
    other_name=None,
    fusion="mean",
    discard=0.0,
    residual=True,
):
    """Draws what there is to see in a model, and writes a page about it.

    Each figure of `FIGURE_SPECS` becomes `<name>.png`, `<name>.svg` and its numbers,
    `<name>.npz`. `report.html` holds all of them, with how they are read and
    a table of the model's layers, in one file that asks nothing of a network;
    `inspection.json` holds the same in short.

    Args:
        model: a model of this package; its preprocessing included.
        images: `(B, height, width, 3)`, pixels in [0, 255], of the model's
            size. Averages are over all of them.
        folder: where the files go, in place of earlier ones of the same names.
        what: `"all"`, or names of `FIGURE_SPECS`.
        image_names: a line for each image; numbers by default.
        class_names: in the order of the logits; numbers by default.
        source: where the images are from, for the page.
        pictures: how many of the images are shown.
        name: what the model is called; its own name by default.
        other: another model of the same input, whose layers are compared with
            this one's in `cka`; by default this one's own are.
        other_name: what that is called.
        fusion: of heads in the rollout, as `rollout` takes it.
        discard: of the least attention in the rollout, as `rollout` takes it.
        residual: whether residual connections count there.

    Returns:
        A `Report`.

    Raises:
        ValueError: before any work, for unknown names, or images or another
            model that do not fit.
        OSError: for a folder that cannot be written.

    Example:

    >>> model = keras_vit.ViT_Ti16(num_classes=3, image_size=32)
    >>> written = report(model, np.zeros((1, 32, 32, 3)), "looks", ["distance"])
    >>> sorted(path.name for path in written.folder.iterdir())
    ... # doctest: +NORMALIZE_WHITESPACE
    ['distance.npz', 'distance.png', 'distance.svg', 'inspection.json',
     'report.html']
    """
    from keras_vit.data.inspection.report import check_folder

    keys = chosen(what)
    check_choices(fusion, discard)
    inspection = Inspection(
        model,
        _checked(model, images, pictures),
        _named(image_names, len(images)),
        class_names,
        pictures,
        name or model.name,
        other,
        other_name or (other.name if other is not None else None),
        {"fusion": fusion, "discard": discard, "residual": residual},
    )
    _check_other(model, other)
    with without_advice():
        costs = summary(model)  # first, as it refuses models
    folder = pathlib.Path(folder)
    check_folder(folder)
    with without_advice():
        shown, passed_over = _measure_all(keys, inspection, folder)
    _write_page(inspection, source, costs, shown, passed_over, folder)
    told = {one.name: one.told for one in shown}
    _write_numbers(inspection, source, costs, told, passed_over, folder)
    return Report(folder, told, passed_over)


def chosen(what):
    """The keys of `FIGURE_SPECS` that are meant, in its order.

    Raises:
        ValueError: for names that are none, with the choices.
    """
    names = [what] if isinstance(what, str) else list(what)
    unknown = [str(one) for one in names if one not in ("all", *FIGURE_SPECS)]
    if unknown or not names:
        raise ValueError(
            f"Expected all, or some of {', '.join(FIGURE_SPECS)}. "
            f"Received: {', '.join(unknown) or 'nothing'}"
        )
    return [name for name in FIGURE_SPECS if name in names or "all" in names]


def _checked(model, images, pictures):
    images = np.asarray(images)
    if images.shape[1:] != model.input_shape[1:] or not len(images):
        height, width = model.input_shape[1:3]
        raise ValueError(
            f"Expected one image or more of the model's size, (B, {height}, {width}, "
            f"3). Received: {images.shape}"
        )
    if pictures < 1:
        raise ValueError(f"pictures must be at least 1. Received: {pictures}")
    return images


def _named(names, count):
    if names is None:
        return tuple(f"image {number}" for number in range(1, count + 1))
    if len(names) != count:
        raise ValueError(
            f"Expected a name for each of {count} images. Received: {len(names)}"
        )
    return tuple(names)


def _check_other(model, other):
    if other is None:
        return
    blocks_of(other)
    if other.input_shape != model.input_shape:
        raise ValueError(
            "Expected two models of images of one size, as keras_vit.resize can make "
            f"them. Received: {model.input_shape[1:3]} and {other.input_shape[1:3]}"
        )


def _measure_all(keys, inspection, folder):
    shown, passed_over = [], {}
    for key in _watched(keys):
        why = FIGURE_SPECS[key].missing(inspection)
        if why is None:
            shown.append(_write_figure(key, inspection, folder))
        else:
            passed_over[key] = why
    return shown, passed_over


def _watched(names):
    from tqdm import tqdm

    bar = tqdm(
        names,
        unit=" figures",
        delay=1,
        mininterval=0.1 if sys.stderr.isatty() else 15,
        dynamic_ncols=True,
    )
    for name in bar:
        bar.set_description(name, refresh=False)
        yield name


def _write_figure(name, inspection, folder):
    """Measures, draws and writes one figure."""
    from keras_vit import figures

    look = FIGURE_SPECS[name]
    numbers = look.measure(inspection)
    with written_whole(folder / f"{name}.npz") as scratch:
        np.savez(scratch, **numbers)
    figure = look.draw(numbers, inspection)
    for suffix in ("svg", "png"):
        figures.write(figure, folder / f"{name}.{suffix}")
    return PageFigure(
        name,
        look.title,
        look.meaning,
        look.told(numbers, inspection),
        (folder / f"{name}.png").read_bytes(),
        tuple(round(POINTS * side) for side in figure.get_size_inches()),
        tuple(f"{name}.{suffix}" for suffix in ("png", "svg", "npz")),
    )


def _write_page(inspection, source, costs, shown, passed_over, folder):
    reasons = {FIGURE_SPECS[name].title: why for name, why in passed_over.items()}
    text = page(
        f"Inside {inspection.name}",
        (images_of(inspection, source), inspection.image_names),
        facts_of(inspection, costs),
        shown,
        reasons,
        table_of(costs),
    )
    with written_whole(folder / PAGE) as scratch:
        scratch.write_text(text, encoding="utf-8")


def _write_numbers(inspection, source, costs, told, passed_over, folder):
    numbers = {
        "model": inspection.name,
        "source": source,
        "images": list(inspection.image_names),
        "pictures": min(inspection.pictures, len(inspection.images)),
        "compared_with": inspection.other_name,
        "rollout": inspection.rollout,
        "figures": told,
        "passed_over": passed_over,
        "summary": dataclasses.asdict(costs),
    }
    with written_whole(folder / NUMBERS) as scratch:
        scratch.write_text(json.dumps(numbers, indent=1) + "\n")
