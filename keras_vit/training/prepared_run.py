"""What a run is made of, before its first step; its steps."""

import logging
from typing import Any

from keras_vit import distribution
from keras_vit.data.pipeline import check_batch_size
from keras_vit.history import HistoryRow
from keras_vit.training import building
from keras_vit.training.feed import Feed
from keras_vit.training.journal import Journal, Plan
from keras_vit.training.loop import Loop
from keras_vit.training.low_rank import num_trained
from keras_vit.training.pseudo_labels import labels_of_run, write
from keras_vit.training.replicas import same_for_all
from keras_vit.training.step import TrainingState, training_step

LOG = logging.getLogger(__name__)


class PreparedRun:
    """Everything of a run that is made from its arguments, before the first step."""

    def __init__(
        self, recipe, model, teacher, dataset, strategy, folder, seed, jit_compile, bar
    ):
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

    def _planned(self, teacher):
        """Settles what is learnt, and gives how long and how it is looked at."""
        recipe, model = self.recipe, self.model
        eval_split = self.dataset.split(recipe.eval_split)  # refused before labelling
        self.train_split, self.pseudo_labels = self._what_is_learnt(teacher)
        count, replicas = len(self.train_split), self.strategy.num_replicas_in_sync
        # As all of this, refuses what does not fit.
        check_batch_size(self.train_split, recipe.batch_size, replicas, recipe.repeats)
        return Plan(
            total_steps=recipe.total_steps(count),
            lap_steps=recipe.evaluation_interval(count),
            checkpoint_steps=recipe.checkpoint_every or recipe.total_steps(count),
            steps_per_epoch=max(count // recipe.batch_size, 1),
            batch_size=recipe.batch_size,
            eval_split=eval_split,
            eval_name=recipe.eval_split,
            examination=building.build_examination(
                self.trained, model, recipe, self.seed
            ),
        )

    def _build_step(self, teacher, jit_compile):
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

    def _what_is_learnt(self, teacher):
        """The training split and, where a teacher labels a part of it, those labels."""
        split, recipe = self.dataset.split(self.recipe.train_split), self.recipe
        if self.learns_labels():
            _check_loss(split, recipe.loss)
        if recipe.pseudo_labels == "none":
            return split, None
        unlabelled = self.dataset.split(recipe.unlabelled_split)
        told = labels_of_run(
            *(recipe, unlabelled, self.dataset.num_classes),
            *(teacher, self.strategy, self.folder, self.seed, LOG.info),
        )
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
            self.recipe.max_unreadable_fraction,
            LOG.warning,
            image_size=self.model.input_shape[1:3],
            num_classes=self.dataset.num_classes,
            seed=self.seed,
            augmentation=self.augmentation,
            draws=0 if self.learns_labels() else self.trained.num_draws,
        )

    def run(self, callbacks, heard, objects) -> tuple[Any, list[HistoryRow]]:
        """Takes the steps that are left; gives the last evaluation and the history.

        However that ends, the model is plain again.
        """
        with self._undo:
            return self._run(callbacks, heard, objects)

    def _run(self, callbacks, heard, objects):
        journal = self._restore()
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
            self.feed(journal),
            journal,
            self._save,
            callbacks,
            heard,
            bar=self.bar,
        )
        evaluation = loop.run()
        self.state.swap_average()  # the average is what is kept, if there is one
        return evaluation, journal.history

    def _counted(self):
        """The parameters of the model that is left, and how many numbers are trained.

        Tells it where those are few.
        """
        trained = num_trained(self.model)
        if self.recipe.freeze or self.recipe.lora_rank:
            LOG.info(f"Trains {trained:,} of {self.parameters:,} parameters.")
        return {"parameters": self.parameters, "trained": trained}

    def _restore(self):
        """Brings the state to the newest checkpoint, and gives its journal."""
        newest, journal = self.folder.checkpoints.newest(), Journal()
        if newest is not None:
            self.folder.check_data(self.train_split, self.plan.eval_split)
            step, notes = newest
            self.folder.checkpoints.restore(step, self.state.variables())
            journal = Journal.of_checkpoint(notes["journal"], self.plan.eval_name)
            LOG.info(f"Resuming from step {step:,} of {self.plan.total_steps:,}.")
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


def _check_loss(split, loss):
    """Refuses a loss that takes images of several classes for images of one."""
    if loss == "softmax" and split.several and (split.labels.sum(1) != 1).any():
        raise ValueError(
            "Images of several classes, or of none, need a loss for each class: "
            "--set loss=sigmoid. Received: loss=softmax"
        )
