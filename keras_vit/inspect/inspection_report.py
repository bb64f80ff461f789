"""All figures of a model, as files and as one page."""

from __future__ import annotations

import os
import pathlib
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace

import keras

from keras_vit.classifier import Classifier
from keras_vit.inspect.blocks import blocks_of
from keras_vit.inspect.figure_specs import FIGURE_SPECS
from keras_vit.inspect.images import Images, ReadImages, read_images
from keras_vit.inspect.inspection import Inspection
from keras_vit.inspect.inspector import without_retracing_warnings
from keras_vit.inspect.model_summary import summary
from keras_vit.inspect.report_files import write_figures, write_report
from keras_vit.inspect.rollouts import Fusion, check_choices
from keras_vit.inspect.similarity import check_sizes
from keras_vit.inspect.sources import opened
from keras_vit.model_source import ModelSource

LIMIT = 128  # images of files and data sets, over which averages are


@dataclass(frozen=True)
class Report:
    """The results of an inspection.

    Attributes:
        folder: of its files.
        figures: a sentence with the main numbers of each figure, by its name.
        skipped: why a figure is not there, by its name.
    """

    folder: pathlib.Path
    figures: dict[str, str]
    skipped: dict[str, str]

    @property
    def passed_over(self) -> dict[str, str]:
        """The old name of `skipped`."""
        warnings.warn(
            "Report.passed_over is called skipped now; the old name goes with the next "
            "version",
            DeprecationWarning,
            stacklevel=2,
        )
        return self.skipped


def report(
    model: ModelSource,
    images: Images,
    folder: str | os.PathLike[str],
    what: str | Sequence[str] = "all",
    *,
    limit: int = LIMIT,
    image_names: Sequence[str] | None = None,
    class_names: Sequence[str] | None = None,
    source: str | None = None,
    pictures: int = 8,
    name: str | None = None,
    other: ModelSource | None = None,
    other_name: str | None = None,
    fusion: Fusion = "mean",
    discard: float = 0.0,
    residual: bool = True,
) -> Report:
    """Draw the figures of a model, and write a page about it.

    Each figure of `FIGURE_SPECS` is written to `<name>.png`, `<name>.svg` and
    its numbers to `<name>.npz`. `report.html` holds all of them, how they are
    read, and a table of the model's layers, in one file that loads nothing from
    a network; `inspection.json` holds the numbers in short.

    Args:
        model: a model of this package; or the path of a saved one, a run's
            folder or a `.keras` file; or a `Classifier`.
        images: `(B, height, width, 3)`, pixels in [0, 255]; image files; a data
            set; or whatever else `read_images` takes. Averages are over all of
            them.
        folder: where the files are written. Earlier ones of these names are
            replaced.
        what: `"all"`, or names of `FIGURE_SPECS`.
        limit: the most images to read from files, or to draw from a data set. All
            images of arrays are used.
        image_names: a line for each image; its file's name, its class in the data
            set, or its number by default.
        class_names: in the order of the logits; those of the model by default,
            or those of the data set if it has as many classes.
        source: where the images are from, for the page.
        pictures: how many of the images are shown.
        name: the model's name on the page; its own by default.
        other: another model of one input size with this one, whose layers `cka`
            compares with its own. By default the layers of this model are
            compared with each other.
        other_name: the name of that on the page.
        fusion: how a rollout combines heads, as `rollout` takes it.
        discard: the share of the smallest attention that a rollout leaves out,
            below 1.
        residual: whether a rollout counts residual connections.

    Returns:
        A `Report`.

    Raises:
        ValueError: before any figure is drawn, for unknown names of figures, and
            images, names or another model that do not fit the model.
        OSError: for a folder that cannot be written.

    Example:

    >>> model = keras_vit.ViT_Ti16(num_classes=3, image_size=32)
    >>> images = np.zeros((1, 32, 32, 3))
    >>> written = report(model, images, "inspections/tiny", ["distance"])
    >>> sorted(path.name for path in written.folder.iterdir())
    ... # doctest: +NORMALIZE_WHITESPACE
    ['distance.npz', 'distance.png', 'distance.svg', 'inspection.json',
     'report.html']
    """
    from keras_vit.data.inspection.report import check_folder

    names = figure_names(what)
    check_choices(fusion, discard)
    if pictures < 1:
        raise ValueError(f"pictures must be at least 1. Received: pictures={pictures}")
    keras_model, opened_source = opened(model)
    classifier = Classifier.of(opened_source, class_names=class_names)
    compared, compared_name = _compared(keras_model, other, other_name)
    found = _read(classifier, images, limit)
    inspection = Inspection(
        model=keras_model,
        classifier=replace(
            _with_names(classifier, found), name=name or classifier.name
        ),
        images=found.pixels,
        image_names=_checked_names(image_names, found),
        pictures=pictures,
        other=compared,
        other_name=compared_name,
        rollout={"fusion": fusion, "discard": discard, "residual": residual},
        source=source or found.source,
    )
    with without_retracing_warnings():
        costs = summary(keras_model)  # first, as it refuses models
    folder = pathlib.Path(folder).expanduser()
    check_folder(folder)
    with without_retracing_warnings():
        written, skipped = write_figures(names, inspection, folder)
    write_report(inspection, costs, written, skipped, folder)
    return Report(folder, {one.name: one.caption for one in written}, skipped)


def figure_names(what: str | Sequence[str]) -> list[str]:
    """Return the names of `FIGURE_SPECS` that are asked for, in its order.

    Raises:
        ValueError: for other names, with the choices.
    """
    names = [what] if isinstance(what, str) else list(what)
    unknown = [str(one) for one in names if one not in ("all", *FIGURE_SPECS)]
    if unknown or not names:
        raise ValueError(
            f"Expected all, or some of {', '.join(FIGURE_SPECS)}. "
            f"Received: {', '.join(unknown) or 'nothing'}"
        )
    return [name for name in FIGURE_SPECS if name in names or "all" in names]


def _read(classifier: Classifier, images: Images, limit: int) -> ReadImages:
    """Images for a report: all of an array, of files and data sets the first."""
    if hasattr(images, "shape"):
        return read_images(classifier, images)
    return read_images(classifier, images, limit)


def _with_names(classifier: Classifier, found: ReadImages) -> Classifier:
    """The classifier, with the data set's names if it has none and they are as many."""
    names = found.class_names
    if classifier.class_names or not names or len(names) != classifier.num_classes:
        return classifier
    return classifier.with_names(names)


def _checked_names(names: Sequence[str] | None, found: ReadImages) -> tuple[str, ...]:
    if names is None:
        return found.names
    if len(names) != len(found.pixels):
        raise ValueError(
            f"Expected a name for each of {len(found.pixels)} images. "
            f"Received: {len(names)}"
        )
    return tuple(names)


def _compared(
    model: keras.Model, other: ModelSource | None, name: str | None
) -> tuple[keras.Model | None, str | None]:
    """The model that is compared with another, and its name."""
    if other is None:
        return None, name
    compared, source = opened(other)
    blocks_of(compared)
    check_sizes(model, compared)
    return compared, name or source.name
