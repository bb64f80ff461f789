"""A run as one HTML file that loads nothing from a network."""

from __future__ import annotations

import json
import pathlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from keras_vit import figures, recipes
from keras_vit.evaluation import Evaluation
from keras_vit.evaluation.headline import headline, majority, support, without_area
from keras_vit.figures.drawing import DPI
from keras_vit.files import written_whole
from keras_vit.report_page import Gallery, Picture, Section, Table, page
from keras_vit.training.artifacts.batch_picture import BATCH_PICTURE
from keras_vit.training.artifacts.confused_images import (
    ConfusedImage,
    ConfusedPair,
    confused_pairs,
)
from keras_vit.training.header import header_of
from keras_vit.version import VERSION

if TYPE_CHECKING:
    import keras

    from keras_vit.training.progress import Plan
    from keras_vit.training.tasks.evaluators import LossEvaluation
    from keras_vit.training.trainer import Trainer

PAGE = "report.html"
MOST_CLASSES = 1000  # in the table; all of them are in evaluation.json


def write_run_page(
    run: Trainer, model: keras.Model, evaluation: Evaluation | LossEvaluation
) -> None:
    """Write `report.html`, from what else the run's folder holds.

    Args:
        run: a `Trainer` that has taken its steps, and has written
            `learning_curves.png` and, of a confusion matrix, `confusion_matrix.png`.
        model: what is saved of it.
        evaluation: of that model, by the labels or by the loss of its task.
    """
    folder, class_names = run.folder.path, run.data.class_names
    sections = [_curves(folder, run.progress.history)]
    if isinstance(evaluation, Evaluation):
        sections += _of_classes(run, model, evaluation, class_names)
    if (folder / BATCH_PICTURE).is_file():
        text = "Images of the first batch, as the model is trained on them."
        sections.append(_drawn("batch", "First batch", text, folder / BATCH_PICTURE))
    text = page(
        f"Run {folder.resolve().name}",
        _summary(evaluation, run.plan.final_name, class_names),
        _facts(run),
        [*sections, Section("recipe", "Recipe", table=_recipe(run))],
    )
    with written_whole(folder / PAGE) as scratch:
        scratch.write_text(text, encoding="utf-8", errors="replace")


def _of_classes(
    run: Trainer, model: keras.Model, evaluation: Evaluation, names: Sequence[str]
) -> list[Section]:
    """Return the sections on classes."""
    found = []
    if evaluation.confusion is not None:
        found.append(_matrix(run.folder.path, evaluation))
    if evaluation.mistakes is not None:
        pairs = confused_pairs(model, run.plan.final_split, evaluation.mistakes)
        found.append(_confused(pairs, evaluation, names))
    return [*found, Section("classes", "Classes", table=_classes(evaluation, names))]


def _summary(
    evaluation: Evaluation | LossEvaluation, split: str, class_names: Sequence[str]
) -> list[str]:
    """Return the paragraphs that sum an evaluation up."""
    if not isinstance(evaluation, Evaluation):
        return [
            f"{100 * evaluation.accuracy:.2f} % of the {evaluation.predicted} are "
            f"correct (loss {evaluation.loss:.3f}) on {evaluation.count:,} "
            f"{split} images."
        ]
    first, *others = headline(evaluation, class_names)
    name = "Accuracy" if first.metric == "top1" else first.label
    more = [f"{one.label} {one.text}" for one in others]
    notes = [support(evaluation, class_names), without_area(evaluation)]
    return [
        f"{name} {first.text} on {evaluation.count:,} {split} images; "
        f"{majority(evaluation)}.",
        f"{', '.join([*more, f'loss {evaluation.loss:.3f}'])}.",
        *(f"{note[0].upper()}{note[1:]}." for note in notes if note),
    ]


def _facts(run: Trainer) -> dict[str, str]:
    """Return the facts that the page begins with, as texts by their names."""
    header, plan, last = header_of(run), run.plan, run.progress.history[-1]
    height, width = header.image_size
    found = {
        "Model": header.model,
        "Parameters": f"{header.parameters:,}",
        "Input": f"{height} x {width} pixels",
        "Data set": header.dataset,
        "Training": f"{len(run.train_split):,} images",
        **_evaluated(plan),
        "Steps": f"{last['steps']:,} of {header.batch_size:,} images",
        "Epochs": f"{last['epoch']:g}",
        "Devices": header.devices,
        "Precision": header.precision,
        "Time": f"{run.progress.seconds / 60:.1f} minutes",
        "keras_vit": VERSION,
    }
    if run.recipe.run.keep == "best" and run.progress.best is not None:
        found["Weights"] = f"of step {run.progress.best['step']:,}, the best evaluation"
    return found


def _evaluated(plan: Plan) -> dict[str, str]:
    """Return what is evaluated on the way and at the end, once if it is the same."""
    at_the_end = f"{len(plan.final_split):,} {plan.final_name} images"
    if plan.final_name == plan.eval_name:
        return {"Evaluated": at_the_end}
    on_the_way = f"{len(plan.eval_split):,} {plan.eval_name} images"
    return {"Evaluated on the way": on_the_way, "Evaluated at the end": at_the_end}


def _curves(folder: pathlib.Path, history: Sequence[Mapping[str, Any]]) -> Section:
    last, best = history[-1], max(history, key=lambda row: row["eval_accuracy"])
    split = last["eval_split"]
    text = (
        f"After epoch {last['epoch']:g}, the loss is {last['loss']:.3f} in training "
        f"and {last['eval_loss']:.3f} on {split}, the accuracy "
        f"{100 * last['accuracy']:.2f} % and {100 * last['eval_accuracy']:.2f} %. The "
        f"best accuracy on {split} is {100 * best['eval_accuracy']:.2f} %, after epoch "
        f"{best['epoch']:g}."
    )
    path = folder / "learning_curves.png"
    return _drawn("curves", "Learning curves", text, path, "history.csv")


def _matrix(folder: pathlib.Path, evaluation: Evaluation) -> Section:
    correct = f"{100 * evaluation.accuracy:.2f} % of {evaluation.count:,} images"
    text = f"A row is a true class, a column a predicted one. {correct} are correct."
    path = folder / "confusion_matrix.png"
    return _drawn("confusion", "Confusion matrix", text, path, "evaluation.json")


def _drawn(
    name: str, title: str, caption: str, path: pathlib.Path, *others: str
) -> Section:
    """Return a section of a figure's PNG file, and links to that and to others."""
    picture = Picture.of_file(path, DPI)
    files = (path.name, *others)
    return Section(name, title, figure=picture, caption=caption, files=files)


def _confused(
    pairs: Sequence[ConfusedPair], evaluation: Evaluation, names: Sequence[str]
) -> Section:
    """Return pairs of classes with images, beside which the attention is shown."""
    title = "Most confused classes"
    if not pairs:
        text = "No image is predicted as another class."
        return Section("confused", title, texts=(text,))
    text = "Images of a class that are predicted as another, most confident first."
    if any(image.attention is not None for pair in pairs for image in pair.images):
        text += (
            " Beside each image is the attention rollout over it: how much of each "
            "patch reaches the input of the head, from dark to bright."
        )
    galleries = []
    for pair in pairs:
        total = int(evaluation.classes[0, pair.label])
        label, predicted = names[pair.label], names[pair.predicted]
        heading = f"{label} as {predicted}: {pair.count:,} of {total:,} images"
        items = [_confused_image(one, label, predicted) for one in pair.images]
        galleries.append(Gallery(heading, items))
    return Section("confused", title, texts=(text,), galleries=galleries)


def _confused_image(
    image: ConfusedImage, label: str, predicted: str
) -> tuple[str, list[tuple[Picture, str]]]:
    """Return an image's name, and pictures of it with what they show."""
    name = image.name if not image.name.isdigit() else f"number {image.name}"
    name = pathlib.PurePath(name).name
    shown = f"{name}: {label}, predicted as {predicted}"
    pictures = [(_picture(image.pixels), shown)]
    if image.attention is not None:
        pictures.append((_picture(image.attention), f"Attention rollout over {name}"))
    return name, pictures


def _picture(pixels: np.ndarray) -> Picture:
    height, width = pixels.shape[:2]
    return Picture(figures.png_of(pixels), (width, height))


def _classes(evaluation: Evaluation, names: Sequence[str]) -> Table:
    """Return a row for each class: its images, and how many are found."""
    ranking = evaluation.ranking
    columns = ("Class", "Images", "Predicted", "Correct", "Accuracy")
    columns += ("95 % interval", "F1")
    curves = {}
    if ranking is not None:
        curves = {
            "AUROC": ranking.auroc,
            "Average precision": ranking.average_precision,
        }
        curves = {name: one for name, one in curves.items() if one is not None}
    rows, intervals = [], evaluation.class_intervals
    for number, name in enumerate(names[:MOST_CLASSES]):
        images, predicted, correct = map(int, evaluation.classes[:, number])
        interval = intervals[number]
        low, high = (100 * bound for bound in interval or (np.nan, np.nan))
        rows.append(
            [
                name,
                images,
                predicted,
                correct,
                float(100 * evaluation.class_accuracy[number]),
                "" if interval is None else f"{low:.2f} to {high:.2f}",
                float(100 * evaluation.f1[number]),
                *(float(100 * one[number]) for one in curves.values()),
            ]
        )
    caption = (
        "Accuracy is the share of a class's images for which it is predicted, its "
        "interval Wilson's; in %."
    )
    if len(names) > MOST_CLASSES:
        caption += (
            f" The first {MOST_CLASSES:,} of {len(names):,} classes; all are in "
            "evaluation.json."
        )
    return Table(caption, [*columns, *curves], rows)


def _recipe(run: Trainer) -> Table:
    """Return the settings of a run, its seed and what was passed as objects."""
    settings = recipes.as_flat(run.recipe) | run.config.described_objects()
    settings |= {"seed": run.config.seed}
    rows = [(name, _setting(value)) for name, value in settings.items()]
    caption = "All settings of the run, as --set takes them."
    return Table(caption, ("Setting", "Value"), rows)


def _setting(value: Any) -> str:
    if value is None:
        return "none"
    return value if isinstance(value, str) else json.dumps(value, default=str)
