"""The results that a run writes to its folder, each file whole."""

from __future__ import annotations

import dataclasses
import pathlib
import warnings
from typing import TYPE_CHECKING, Any, cast

import keras

from keras_vit import figures
from keras_vit.classifier import Classifier
from keras_vit.evaluation import Evaluation
from keras_vit.evaluation.forward import copied
from keras_vit.evaluation.report import numbers_of, write_report
from keras_vit.exporting import export
from keras_vit.exporting.images import spread
from keras_vit.files import write_json, written_whole
from keras_vit.model_files import LABELS, save_model, write_labels
from keras_vit.training.artifacts.folder import FINISHED
from keras_vit.training.artifacts.run_page import write_run_page
from keras_vit.training.artifacts.samples import write_samples
from keras_vit.training.conditions import conditions_of
from keras_vit.training.devices import peak_memory

if TYPE_CHECKING:
    from keras_vit.data import Dataset
    from keras_vit.data.splits import Split
    from keras_vit.training.interruption import Interruption
    from keras_vit.training.tasks.evaluators import LossEvaluation
    from keras_vit.training.trainer import Trainer


EXPORT_IMAGES = 200  # that the export is compared on; all were evaluated before


def write_results(
    run: Trainer,
    model: keras.Model,
    evaluation: Evaluation | LossEvaluation,
    *,
    interruption: Interruption,
    exports: bool,
) -> str | None:
    """Write model, evaluation, figures, sample images and the export.

    Of a model that was trained without labels, only the model, the evaluation,
    the learning curves and the page are written; where it is evaluated by the loss
    of its task, no report on classes. A finished run is not changed,
    unless it was not exported and now is to be.

    Args:
        run: a `Trainer` that has taken its steps.
        model: what is saved of it, as `model_of_one_device` returns it.
        evaluation: of what is saved, on the final split.
        interruption: an `Interruption`, which is checked before the export.
        exports: whether more is written than model and evaluation.

    Returns:
        The folder of the SavedModel as text; `None` where there is none.
    """
    folder, path = run.folder, run.folder.path
    finished, to_export = folder.finished(), exports and run.task.learns_labels
    lacking = finished is None or (to_export and finished["saved_model"] is None)
    if lacking and run.chief:
        steps = run.progress.history[-1]["steps"]
        names = run.data.class_names if run.task.learns_labels else None

        save_model(model, path / "model.keras", names, activation=run.task.activation)
        if names is not None:  # for who reads the folder without Keras
            with written_whole(path / LABELS) as scratch:
                write_labels(scratch, names)
        saved_model = None
        if exports:
            curves = figures.learning_curves(
                run.progress.history,
                conditions=conditions_of(run.trained, run.augmentation),
                loss_conditions=run.task.loss_conditions(),
            )
            figures.write(curves, path / "learning_curves.png")
        of_labels = isinstance(evaluation, Evaluation)  # and not of the objective
        if of_labels and exports:
            write_report(evaluation, run.data.class_names, path)
        else:
            write_json(path / "evaluation.json", _numbers_of(evaluation, run.data))
        if exports:
            write_run_page(run, model, evaluation)
        if to_export:
            saved_model = str(_export(run, model, interruption))
        finished = {
            "saved_model": saved_model,
            "steps": steps,
            "memory": peak_memory(),
        }
        write_json(path / FINISHED, finished)
    return finished["saved_model"] if finished else None


def _numbers_of(
    evaluation: Evaluation | LossEvaluation, data: Dataset
) -> dict[str, Any]:
    """Return an evaluation as JSON can hold it."""
    if isinstance(evaluation, Evaluation):
        return numbers_of(evaluation, data.class_names)
    return {n: getattr(evaluation, n) for n in ("count", "loss", "accuracy")}


def _export(
    run: Trainer, model: keras.Model, interruption: Interruption
) -> pathlib.Path:
    """Write sample images and the export, and return the export's folder.

    The export has the run's name. That it has no warm-up requests where their
    package is not installed is said where an export is asked for, not of every run.
    """
    write_samples(run.folder.path / "images", run.data)
    if interruption:
        interruption.end()
    name = run.folder.path.resolve().name
    classifier = Classifier.of(model, class_names=run.data.class_names)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*no warm-up requests")
        return export(
            dataclasses.replace(classifier, name=name),
            pathlib.Path("savedmodels") / name,
            split=spread(cast("Split", run.plan.final_split), EXPORT_IMAGES),
            source=f"{run.data.name}, {run.plan.final_name}",
        )


def model_of_one_device(run: Trainer, original: Any) -> keras.Model:
    """Return the trained model as it can be saved: the caller's own, or a copy."""
    if run.strategy.num_replicas_in_sync == 1:
        return run.model
    if not isinstance(original, keras.Model) or original is run.model:
        return copied(run.model)
    original.set_weights([weight.numpy() for weight in run.model.weights])
    return original
