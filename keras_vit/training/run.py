"""A run: train, evaluate, and leave everything in a folder."""

import contextlib
import dataclasses
import os
import pathlib
from dataclasses import dataclass

import keras

from keras_vit import distribution, figures
from keras_vit.data import Dataset, load
from keras_vit.data.pipeline import check_batch_size
from keras_vit.evaluation import Evaluation
from keras_vit.evaluation.forward import copied
from keras_vit.evaluation.report import write_report
from keras_vit.exporting import export
from keras_vit.exporting.evidence import spread
from keras_vit.model_files import save_model
from keras_vit.training import building, interruption
from keras_vit.training.arguments import (
    Given,
    as_text,
    model_in_scope,
    resolved,
    teacher_in_scope,
)
from keras_vit.training.examination import MaskedPatchEvaluation
from keras_vit.training.feed import Feed
from keras_vit.training.folder import FINISHED, claim, write_json
from keras_vit.training.journal import Journal, Plan
from keras_vit.training.loop import Loop, tell
from keras_vit.training.pseudo_labels import labels_of_run, write
from keras_vit.training.replicas import same_for_all, wait_for_all
from keras_vit.training.samples import write_samples
from keras_vit.training.step import TrainingState, training_step

EXPORT_IMAGES = 200  # that the export is compared on; all were evaluated before


@dataclass(frozen=True)
class Run:
    """What a training run leaves.

    Attributes:
        model: the trained Keras model; without a head where no labels were
            learnt.
        history: a dict of numbers for each evaluation, by default each epoch.
        evaluation: the trained model on the whole evaluation split; of masked
            patches, where those were learnt.
        folder: where the run's files lie.
        saved_model: the folder of the exported SavedModel; `None` where no
            labels were learnt.
    """

    model: keras.Model
    history: list[dict]
    evaluation: Evaluation | MaskedPatchEvaluation
    folder: pathlib.Path
    saved_model: pathlib.Path | None


def train(
    recipe="fashion_mnist",
    *,
    model=None,
    dataset=None,
    data_dir=None,
    download=False,
    exif_orientation=True,
    weights=None,
    teacher=None,
    strategy="one",
    callbacks=(),
    folder=None,
    name=None,
    seed=0,
    jit_compile=False,
    **settings,
):
    """Trains a model by a recipe, evaluates it and exports it.

    Two runs with the same arguments on the same machine give equal numbers. A
    run that ended before its time, by whatever, goes on from its last
    checkpoint when it is called again with the same arguments: nothing but
    the time it took is different then.

    Args:
        recipe: a key of `keras_vit.recipes.RECIPES`, or a `Recipe`.
        model: a Keras model with one logit for each class, a factory's name,
            one of Keras's networks such as `"keras:EfficientNetV2B0"`, or the
            path of a saved model, also of one that was pre-trained without
            labels. The recipe's own by default.
        dataset: what `keras_vit.data.load` takes: a name, a folder of images,
            an archive, a table; or a `keras_vit.data.Dataset`. The recipe's
            own by default.
        data_dir: as `keras_vit.data.load` takes it.
        download: the same.
        exif_orientation: the same.
        weights: what the model begins from, as a factory takes it. The
            recipe's own by default.
        teacher: for distillation or pseudo labels, a Keras model from pixels
            to logits, or the path of one.
        strategy: a name that `keras_vit.distribution.strategy` knows, or a
            `tf.distribute.Strategy`.
        callbacks: Keras callbacks. An epoch of theirs is what lies between
            two evaluations. What they themselves remember is in no
            checkpoint: when a run goes on, `on_train_begin` is called anew.
        folder: what the run writes; `runs/<name>` by default, numbered if
            that holds another run. The SavedModel goes to `savedmodels/` and
            the folder's own name.
        name: of the run; the recipe's by default.
        seed: of the initial weights, the order of the images, their
            augmentation and dropout.
        jit_compile: whether XLA compiles the step.
        **settings: of the recipe, in place of its own, such as `epochs=3`.

    Returns:
        A `Run`.

    Raises:
        ValueError: for arguments that do not fit each other, before any work.
        FileExistsError: if the folder holds something else.
        FloatingPointError: if a loss or gradient is not finite. The last
            checkpoint is from before.
        SystemExit: with status 42 after SIGTERM, when a checkpoint has been
            written. Ctrl-C does the same and raises KeyboardInterrupt.

    Example:

    >>> run = train("fashion_mnist", epochs=10)  # doctest: +SKIP
    >>> run.evaluation.top1  # doctest: +SKIP
    0.869
    """
    if keras.backend.backend() != "tensorflow":
        raise RuntimeError(
            "train runs on Keras's TensorFlow backend. "
            f"Received: {keras.backend.backend()}. Set KERAS_BACKEND=tensorflow"
        )
    given = Given(*map(as_text, (model, dataset, teacher)))
    if weights is not None:
        settings["weights"] = os.fspath(weights)
    name = name or (recipe.replace("/", "-") if isinstance(recipe, str) else "run")
    recipe = resolved(recipe, given, settings)
    if isinstance(strategy, str):
        strategy = distribution.strategy(strategy)
    folder = claim(folder, name, recipe, seed)
    keras.utils.set_random_seed(seed)
    dataset = given.dataset
    if not isinstance(dataset, Dataset):
        if not recipe.dataset:
            raise ValueError("This recipe leaves the data to you. Name a dataset.")
        dataset = load(
            recipe.dataset,
            data_dir=data_dir,
            download=download,
            exif_orientation=exif_orientation,
        )
    with interruption.heard() as heard:
        with strategy.scope():
            training = _Training(
                recipe,
                model_in_scope(given.model, recipe, dataset, strategy),
                teacher_in_scope(given.teacher or recipe.teacher, strategy, dataset),
                dataset,
                strategy,
                folder,
                seed,
                jit_compile,
            )
        with folder.held() if training.chief else contextlib.nullcontext():
            with strategy.scope():
                results = training.run(list(callbacks), heard, given.objects())
            run = training.finish(given.model, *results, heard)
        wait_for_all(strategy)  # a worker that is gone would look lost
        return run


class _Training:
    """Everything of a run that is made from its arguments, before the first step."""

    def __init__(
        self, recipe, model, teacher, dataset, strategy, folder, seed, jit_compile
    ):
        self.recipe, self.model, self.dataset = recipe, model, dataset
        self.strategy, self.folder, self.seed = strategy, folder, seed
        self.chief = distribution.is_chief(strategy)
        building.prepare(model, recipe)
        building.check_teacher(recipe, teacher)
        self.train_split, self.pseudo_labels = self._what_is_learnt(teacher)
        count = len(self.train_split)
        self.trained = building.trained_model(model, recipe)
        self.plan = Plan(
            total_steps=recipe.total_steps(count),
            lap_steps=recipe.evaluation_interval(count),
            checkpoint_steps=recipe.checkpoint_every or recipe.total_steps(count),
            steps_per_epoch=max(count // recipe.batch_size, 1),
            batch_size=recipe.batch_size,
            eval_split=dataset.part(recipe.eval_split),
            eval_name=recipe.eval_split,
            examination=building.build_examination(self.trained, model, recipe, seed),
        )
        # As all of this, refuses what does not fit.
        replicas = strategy.num_replicas_in_sync
        check_batch_size(self.train_split, recipe.batch_size, replicas, recipe.repeats)
        self.augmentation = building.augmentation_of(recipe)
        optimizer = building.build_optimizer(
            self.trained, recipe, self.plan.total_steps
        )
        self.state = TrainingState(self.trained, optimizer, averaged=recipe.ema > 0)
        self.step = training_step(
            self.state,
            building.build_objective(self.trained, recipe, teacher),
            strategy,
            global_batch=recipe.batch_size,
            seed=seed,
            clip_norm=building.clip_of(recipe),
            micro_batches=recipe.micro_batches,
            ema=recipe.ema,
            jit_compile=jit_compile,
        )

    def _what_is_learnt(self, teacher):
        """The training split and, where a teacher labels a part of it, those labels."""
        split, recipe = self.dataset.part(self.recipe.train_split), self.recipe
        if self.learns_labels():
            _check_loss(split, recipe.loss)
        if recipe.pseudo_labels == "none":
            return split, None
        told = labels_of_run(
            *(recipe, self.dataset, teacher, self.strategy, self.folder),
            seed=self.seed,
            tell=tell,
        )
        unlabelled = self.dataset.part(recipe.unlabelled_split)
        return told.joined(split, unlabelled), told

    def learns_labels(self):
        """Whether the run trains a classifier."""
        return self.recipe.masked_patches == "none"

    def feed(self, journal):
        """What gives the batches."""
        return Feed(
            self.strategy,
            self.train_split,
            self.recipe.batch_size,
            journal,
            self.recipe.most_unreadable,
            tell,
            image_size=self.model.input_shape[1:3],
            num_classes=self.dataset.num_classes,
            seed=self.seed,
            augmentation=self.augmentation,
            draws=0 if self.learns_labels() else self.trained.num_draws,
        )

    def run(self, callbacks, heard, objects):
        """Takes the steps that are left; gives the last evaluation and the history."""
        journal = self._restore()
        if self.chief:
            self.folder.clear_scratch()
            self.folder.write_config(
                self.recipe,
                self.seed,
                self.model,
                self.dataset,
                self.train_split,
                objects,
            )
            if self.pseudo_labels is not None:
                write(self.pseudo_labels, self.folder)
        loop = Loop(
            self.plan,
            self.state,
            self.step,
            self.strategy,
            self.feed(journal),
            journal,
            self._save,
            callbacks,
            heard,
        )
        evaluation = loop.run()
        self.state.swap_average()  # the average is what is kept, if there is one
        return evaluation, journal.history

    def _restore(self):
        """Brings the state to the newest checkpoint, and gives its journal."""
        newest, journal = self.folder.checkpoints.newest(), Journal()
        if newest is not None:
            self.folder.check_data(self.train_split)
            step, notes = newest
            self.folder.checkpoints.restore(step, self.state.variables())
            journal = Journal(**notes["journal"])
            print(f"Going on from step {step:,} of {self.plan.total_steps:,}.")
        if not same_for_all(self.strategy, self.state.steps_taken()):
            raise ValueError(
                "The workers found different checkpoints. All of them need the same "
                f"folder, on a disk that they share. Received: {self.folder.path}"
            )
        return journal

    def _save(self, step, journal):
        if not self.chief:  # which saves the same
            return
        best = journal["best"]
        self.folder.checkpoints.save(
            step,
            self.state.variables(),
            {"journal": journal},
            best=best and best["step"],
        )
        if journal["history"]:
            self.folder.write_history(journal["history"])

    def finish(self, given, evaluation, history, heard):
        """Leaves model, figures, sample images and export, each whole.

        Of a model that has learnt no labels, and so is no classifier, the
        model, the figure and the evaluation.
        """
        model = self._model_of_one_device(given)
        path, finished = self.folder.path, self.folder.finished()
        if finished is None and self.chief:
            names = self.dataset.class_names if self.learns_labels() else None
            save_model(model, path / "model.keras", names)
            figure = figures.learning_curves(history)
            figures.write(figure, path / "learning_curves.png")
            saved_model = None
            if self.learns_labels():
                saved_model = str(self._leave_classifier(model, evaluation, heard))
            else:
                write_json(path / "evaluation.json", dataclasses.asdict(evaluation))
            finished = {"saved_model": saved_model, "steps": self.state.steps_taken()}
            write_json(path / FINISHED, finished)
        saved_model = finished and finished["saved_model"]
        return Run(
            model, history, evaluation, path, saved_model and pathlib.Path(saved_model)
        )

    def _leave_classifier(self, model, evaluation, heard):
        """Leaves report, sample images and export, and tells where the last lies."""
        path, names = self.folder.path, self.dataset.class_names
        write_report(evaluation, names, path)
        write_samples(path / "images", self.dataset)
        if heard:
            heard.end()
        return export(
            model,
            pathlib.Path("savedmodels") / path.resolve().name,
            class_names=names,
            split=spread(self.plan.eval_split, EXPORT_IMAGES),
            source=f"{self.dataset.name}, {self.recipe.eval_split}",
        )

    def _model_of_one_device(self, given):
        """The trained model as it can be saved: a given one, or one made anew."""
        if self.strategy.num_replicas_in_sync == 1:
            return self.model
        if not isinstance(given, keras.Model) or given is self.model:
            return copied(self.model)
        given.set_weights([weight.numpy() for weight in self.model.weights])
        return given


def _check_loss(split, loss):
    """Refuses a loss that takes images of several classes for images of one."""
    if loss == "softmax" and split.several and (split.labels.sum(1) != 1).any():
        raise ValueError(
            "Images of several classes, or of none, need a loss for each class: "
            "--set loss=sigmoid. Received: loss=softmax"
        )
