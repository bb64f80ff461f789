"""What a run leaves in its folder at its end, each file whole."""

import dataclasses
import pathlib

import keras

from keras_vit import figures
from keras_vit.evaluation.forward import copied
from keras_vit.evaluation.report import numbers_of, write_report
from keras_vit.exporting import export
from keras_vit.exporting.images import spread
from keras_vit.files import written_whole
from keras_vit.model_files import LABELS, save_model, write_labels
from keras_vit.training.folder import FINISHED, write_json
from keras_vit.training.samples import write_samples

EXPORT_IMAGES = 200  # that the export is compared on; all were evaluated before


def leave(run, model, evaluation, history, heard, exports) -> str | None:
    """Leaves model, evaluation, figures, sample images and the export.

    Of a model that has learnt no labels, and so is no classifier, the model,
    the evaluation and the figure. A finished run is left as it is, unless it
    was not exported and now is to be.

    Args:
        run: a `PreparedRun` that has taken its steps.
        model: what is saved of it, as `model_of_one_device` gives it.
        evaluation: the last one.
        history: of the journal.
        heard: an `Interruption`, which is heeded before the export.
        exports: whether more is left than model and evaluation.

    Returns:
        The folder of the SavedModel as text; `None` where there is none.
    """
    folder, path = run.folder, run.folder.path
    finished, to_export = folder.finished(), exports and run.learns_labels()
    lacking = finished is None or (to_export and finished["saved_model"] is None)
    if lacking and run.chief:
        names = run.dataset.class_names if run.learns_labels() else None
        loss = run.recipe.loss if run.learns_labels() else None
        save_model(model, path / "model.keras", names, activation=loss)
        if names is not None:  # for who reads the folder without Keras
            with written_whole(path / LABELS) as scratch:
                write_labels(scratch, names)
        saved_model = None
        if exports:
            figures.write(
                figures.learning_curves(history), path / "learning_curves.png"
            )
        if to_export and names is not None:
            write_report(evaluation, names, path)
            saved_model = str(_leave_export(run, model, heard))
        else:
            write_json(path / "evaluation.json", _numbers_of(evaluation, names))
        finished = {"saved_model": saved_model, "steps": run.state.steps_taken()}
        write_json(path / FINISHED, finished)
    return finished["saved_model"] if finished else None


def _numbers_of(evaluation, class_names):
    """An evaluation as JSON can hold it."""
    if class_names is None:  # of masked patches
        return dataclasses.asdict(evaluation)
    return numbers_of(evaluation, class_names)


def _leave_export(run, model, heard):
    """Leaves sample images and the export, and tells where the last lies."""
    write_samples(run.folder.path / "images", run.dataset)
    if heard:
        heard.end()
    return export(
        model,
        pathlib.Path("savedmodels") / run.folder.path.resolve().name,
        class_names=run.dataset.class_names,
        split=spread(run.plan.eval_split, EXPORT_IMAGES),
        source=f"{run.dataset.name}, {run.recipe.eval_split}",
    )


def model_of_one_device(run, given):
    """The trained model as it can be saved: a given one, or one made anew."""
    if run.strategy.num_replicas_in_sync == 1:
        return run.model
    if not isinstance(given, keras.Model) or given is run.model:
        return copied(run.model)
    given.set_weights([weight.numpy() for weight in run.model.weights])
    return given
