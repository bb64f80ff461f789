"""What a run is made of, before its first step; its steps."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from keras_vit import distribution
from keras_vit.data.pipeline import check_batch_size
from keras_vit.history import HistoryRow
from keras_vit.training import building
from keras_vit.training.loop import Loop
from keras_vit.training.low_rank import num_trained
from keras_vit.training.progress import Plan, Progress
from keras_vit.training.pseudo_labels import labels_of_run, write
from keras_vit.training.replicas import same_for_all
from keras_vit.training.step import TrainingState, training_step
from keras_vit.training.train_batches import TrainBatches

if TYPE_CHECKING:
    import keras
    import tensorflow as tf

    from keras_vit.classifier import Classifier
    from keras_vit.data import Dataset
    from keras_vit.data.splits import Labelled
    from keras_vit.recipes import Recipe
    from keras_vit.training.folder import RunFolder
    from keras_vit.training.interruption import Interruption
    from keras_vit.training.pseudo_labels import PseudoLabels


LOG = logging.getLogger(__name__)


class PreparedRun:
    """Everything of a run that is made from its arguments, before the first step."""

    def __init__(
        self,
        recipe: Recipe,
        model: keras.Model,
        teacher: Classifier | None,
        dataset: Dataset,
        strategy: tf.distribute.Strategy,
        folder: RunFolder,
        seed: int,
        jit_compile: bool,
        bar: bool,
    ) -> None:
        self.recipe, self.model, self.dataset = recipe, model, dataset
        self.strategy, self.folder, self.seed = strategy, folder, seed
        self.chief, self.bar = distribution.is_chief(strategy), bar
        self.parameters = model.count_params()
        with building.prepare(model, recipe, seed) as undo:
            building.check_teacher(recipe, teacher)
            self.trained = building.trained_model(model, recipe)
            self.plan = self._planned(teacher)
            self.augmentation = building.augmentation_of(recipe)
            self._build_step(teacher, jit_compile)
            self._undo = undo.pop_all()  # from now on `run` closes it

    def _planned(self, teacher: Classifier | None) -> Plan:
        """Choose the training images, and return the run's length and evaluation."""
        recipe, model = self.recipe, self.model
        eval_split = self.dataset.split(recipe.eval_split)  # refused before labelling
        self.train_split, self.pseudo_labels = self._chosen_images(teacher)
        count, replicas = len(self.train_split), self.strategy.num_replicas_in_sync
        # As all of this, refuses what does not fit.
        check_batch_size(self.train_split, recipe.batch_size, replicas, recipe.repeats)
        return Plan(
            total_steps=recipe.total_steps(count),
            interval_steps=recipe.evaluation_interval(count),
            checkpoint_steps=recipe.checkpoint_every or recipe.total_steps(count),
            steps_per_epoch=max(count // recipe.batch_size, 1),
            batch_size=recipe.batch_size,
            eval_split=eval_split,
            eval_name=recipe.eval_split,
            evaluator=building.build_evaluator(self.trained, model, recipe, self.seed),
        )

    def _build_step(self, teacher: Classifier | None, jit_compile: bool) -> None:
        recipe, steps = self.recipe, self.plan.total_steps
        optimizer = building.build_optimizer(self.trained, recipe, steps)
        self.state = TrainingState(self.trained, optimizer, averaged=recipe.ema > 0)
        self.step = training_step(
            self.state,
            building.build_objective(self.trained, recipe, teacher),
            self.strategy,
            global_batch=recipe.batch_size,
            seed=self.seed,
            clip_norm=building.clip_of(recipe),
            accumulation_steps=recipe.accumulation_steps,
            ema=recipe.ema,
            jit_compile=jit_compile,
        )

    def _chosen_images(self, teacher: Any) -> tuple[Labelled, PseudoLabels | None]:
        """Return the training split and, if a teacher labels images, those labels."""
        split, recipe = self.dataset.split(self.recipe.train_split), self.recipe
        if self.learns_labels():
            _check_loss(split, recipe.loss)
        if recipe.pseudo_labels == "none":
            return split, None
        unlabelled = self.dataset.split(recipe.unlabelled_split)
        labels = labels_of_run(
            *(recipe, unlabelled, self.dataset.num_classes),
            *(teacher, self.strategy, self.folder, self.seed, LOG.info),
        )
        return labels.joined(split, unlabelled), labels

    def learns_labels(self) -> bool:
        """Return whether the run trains a classifier."""
        return self.recipe.masked_patches == "none"

    def train_batches(self, progress: Progress) -> TrainBatches:
        """Return what reads the batches."""
        return TrainBatches(
            self.strategy,
            self.train_split,
            self.recipe.batch_size,
            progress,
            self.recipe.max_unreadable_fraction,
            LOG.warning,
            image_size=self.model.input_shape[1:3],
            num_classes=self.dataset.num_classes,
            seed=self.seed,
            augmentation=self.augmentation,
            draws=0 if self.learns_labels() else self.trained.num_draws,
        )

    def run(
        self,
        callbacks: list[keras.callbacks.Callback],
        interruption: Interruption,
        objects: Iterable[str],
    ) -> tuple[Any, list[HistoryRow]]:
        """Take the remaining steps; return the last evaluation and the history.

        Afterwards, also after an error, the model is plain again.
        """
        with self._undo:
            return self._run(callbacks, interruption, objects)

    def _run(
        self,
        callbacks: list[keras.callbacks.Callback],
        interruption: Interruption,
        objects: Iterable[str],
    ) -> tuple[Any, list[HistoryRow]]:
        progress = self._restore()
        if self.chief:
            self.folder.clear_scratch()
            self.folder.write_config(
                self.recipe,
                self.seed,
                self.model,
                self.dataset,
                (self.train_split, self.plan.eval_split),
                objects=objects,
                counts=self._counted(),
            )
            if self.pseudo_labels is not None:
                unlabelled = self.dataset.split(self.recipe.unlabelled_split)
                write(self.pseudo_labels, unlabelled, self.folder)
        loop = Loop(
            self.plan,
            self.state,
            self.step,
            self.strategy,
            self.train_batches(progress),
            progress,
            self._save,
            callbacks,
            interruption,
            bar=self.bar,
        )
        evaluation = loop.run()
        self.state.swap_average()  # the average is what is kept, if there is one
        return evaluation, progress.history

    def _counted(self) -> dict[str, int]:
        """Return how many parameters the saved model has, and how many are trained.

        Log it if only some are trained.
        """
        trained = num_trained(self.model)
        if self.recipe.freeze or self.recipe.lora_rank:
            LOG.info(f"Training {trained:,} of {self.parameters:,} parameters.")
        return {"parameters": self.parameters, "trained": trained}

    def _restore(self) -> Progress:
        """Restore the newest checkpoint, and return its progress."""
        newest, progress = self.folder.checkpoints.newest(), Progress()
        if newest is not None:
            self.folder.check_data(self.train_split, self.plan.eval_split)
            step, notes = newest
            self.folder.checkpoints.restore(step, self.state.variables())
            progress = Progress.of_checkpoint(notes["journal"], self.plan.eval_name)
            LOG.info(f"Resuming from step {step:,} of {self.plan.total_steps:,}.")
        if not same_for_all(self.strategy, self.state.steps_taken()):
            raise ValueError(
                "All workers must find the same checkpoints, in one folder on a disk "
                f"that they share. Received: {self.folder.path}, where they found "
                "different ones"
            )
        return progress

    def _save(self, step: int, progress: dict[str, Any]) -> None:
        if not self.chief:  # which saves the same
            return
        best = progress["best"]
        self.folder.checkpoints.save(
            step,
            self.state.variables(),
            {"journal": progress},
            best=best and best["step"],
        )
        if progress["history"]:
            self.folder.write_history(progress["history"])


def _check_loss(split: Labelled, loss: str) -> None:
    """Refuse the softmax loss where images have several classes."""
    if loss == "softmax" and split.several and (split.labels.sum(1) != 1).any():
        raise ValueError(
            "Multi-label images, of several classes or of none, need a loss for each "
            "class: --set loss=sigmoid. Received: loss=softmax"
        )
