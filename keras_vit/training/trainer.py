"""A run: its model, data, optimizer and step, and how they become a trained model."""

from __future__ import annotations

import contextlib
import logging
from typing import TYPE_CHECKING, Any

import keras
import tensorflow as tf

from keras_vit import distribution
from keras_vit.data.augmentation import Augmentation
from keras_vit.data.augmentation_layers import image_changes
from keras_vit.data.caching import files_of, is_cached
from keras_vit.data.pipeline import check_batch_size
from keras_vit.history import HistoryRow
from keras_vit.training.adapters.adapted import adapted
from keras_vit.training.adapters.lora import num_trained
from keras_vit.training.artifacts.batch_picture import write_batch_picture
from keras_vit.training.artifacts.run_checkpoints import RunCheckpoints
from keras_vit.training.batches import TrainBatches
from keras_vit.training.devices import described_devices
from keras_vit.training.evaluation_loop import EvaluationLoop
from keras_vit.training.interruption import Interruption, StopSignalError
from keras_vit.training.memory import memory_of
from keras_vit.training.progress import Plan, Progress
from keras_vit.training.progressive_sizes import size_of_step, smaller_models
from keras_vit.training.replicas import OF_LOST_WORKERS, lost_worker
from keras_vit.training.step import TrainingState, training_step
from keras_vit.training.tasks import Task, TaskContext
from keras_vit.training.training_loop import TrainingLoop

if TYPE_CHECKING:
    from keras_vit.data.splits import Labelled
    from keras_vit.evaluation import Evaluation
    from keras_vit.training.artifacts.folder import RunFolder
    from keras_vit.training.config import RunConfig
    from keras_vit.training.evaluated_splits import EvaluatedSplits
    from keras_vit.training.tasks.evaluators import LossEvaluation


LOG = logging.getLogger(__name__)


class Trainer:
    """Trains a model: makes all that a run needs, and takes its steps.

    Make it, and call it, under the scope of the strategy. Everything that does not
    fit is refused when it is made, before the first step. While it exists, the
    model's layers are frozen, adapted or rematerialized as the recipe says; `fit`
    ends with a plain model, and so does `close`.

    Args:
        config: the recipe of the run, its seed and its options.
        model: that the run trains, made under the strategy's scope.
        task: what it learns.
        splits: its data, and which splits it is evaluated on.
        strategy: a `tf.distribute.Strategy`.
        folder: where the run writes.

    Raises:
        ValueError: for a model, data or settings that do not fit each other. The
            model is then unchanged.
    """

    def __init__(
        self,
        config: RunConfig,
        *,
        model: keras.Model,
        task: Task,
        splits: EvaluatedSplits,
        strategy: tf.distribute.Strategy,
        folder: RunFolder,
    ) -> None:
        self.config, self.recipe = config, config.recipe
        self.model, self.task, self.data = model, task, splits.dataset
        self.strategy, self.folder = strategy, folder
        self.chief = distribution.is_chief(strategy)
        self.parameters = model.count_params()
        with contextlib.ExitStack() as adapters:
            adapters.enter_context(adapted(model, self.recipe.model, config.seed))
            self.trained = task.wrap(model)
            self._check_draws()
            self.train_split, self.plan = self._planned(splits)
            size: Any = model.input_shape
            self.augmentation = Augmentation.of(
                self.recipe.augmentation,
                image_changes(config.augmentation(), size[1:3]),
            )
            self.state, self._steps = self._state_and_steps()
            self.evaluation = EvaluationLoop(
                self.plan.evaluator, self.state, self.data.num_classes, strategy
            )
            self.checkpoints = RunCheckpoints(folder, self.state, self.plan, strategy)
            self._adapters = adapters.pop_all()  # `fit` or `close` closes them

    def _check_draws(self) -> None:
        """Refuse mixing where images come with draws, which it would mix as labels."""
        found = {
            name: alpha
            for name in ("mixup", "cutmix")
            if (alpha := getattr(self.recipe.augmentation, name))
        }
        if found and self.task.num_draws(self.trained):
            names = " and ".join(found)
            received = ", ".join(f"{name}={alpha}" for name, alpha in found.items())
            raise ValueError(
                f"{names} must go with a task whose targets are labels. Received: "
                f"{received}, a task of random numbers in their place "
                f"({type(self.task).__name__}.num_draws). Set {names} to none"
            )

    def _planned(self, splits: EvaluatedSplits) -> tuple[Labelled, Plan]:
        """Return the training images, and the run's length and evaluation."""
        recipe, run = self.recipe, self.recipe.run
        eval_split = self.data.split(splits.on_the_way)  # before a teacher labels
        final_split = files_of(self.data.split(splits.at_the_end))
        if splits.at_the_end == splits.on_the_way and not is_cached(eval_split):
            final_split = eval_split
        context = TaskContext(self.strategy, self.folder, self.config.seed)
        train_split = self.task.examples(
            self.data.split(recipe.data.train_split), self.data, context
        )
        count, replicas = len(train_split), self.strategy.num_replicas_in_sync
        repeats = recipe.augmentation.repeats
        check_batch_size(train_split, run.batch_size, replicas, repeats)
        total_steps = run.total_steps(count)
        plan = Plan(
            total_steps=total_steps,
            interval_steps=run.evaluation_interval(count),
            checkpoint_steps=run.checkpoint_every or total_steps,
            steps_per_epoch=max(count // run.batch_size, 1),
            batch_size=run.batch_size,
            eval_split=eval_split,
            eval_name=splits.on_the_way,
            final_split=final_split,
            final_name=splits.at_the_end,
            evaluator=self.task.evaluator(self.trained, self.model, self.config.seed),
        )
        return train_split, plan

    def _state_and_steps(self) -> tuple[TrainingState, dict[int | None, Any]]:
        """Return what steps change, and a step for each size that images have."""
        recipe = self.recipe
        optimizer = self.config.optimizer(self.trained, self.plan.total_steps)
        averaged = recipe.optimizer.ema is not None
        state = TrainingState(self.trained, optimizer, averaged=averaged)
        smaller = smaller_models(
            self.trained, self.model, recipe.schedule.progressive_sizes
        )
        steps = {
            size: training_step(
                state,
                self.task.objective(model),
                self.strategy,
                global_batch=recipe.run.batch_size,
                seed=self.config.seed,
                clip_norm=None if optimizer.clips else recipe.optimizer.clip_norm,
                accumulation_steps=recipe.run.accumulation_steps,
                ema=recipe.optimizer.ema or 0.0,
                jit_compile=self.config.jit_compile,
            )
            for size, model in {None: self.trained, **smaller}.items()
        }
        return state, steps

    def step_after(self, done: int) -> Any:
        """Return the function of the step that follows so many: of its images' size."""
        sizes = self.recipe.schedule.progressive_sizes
        return self._steps[size_of_step(done, self.plan.total_steps, sizes)]

    def fit(
        self,
        callbacks: list[keras.callbacks.Callback],
        interruption: Interruption,
        *,
        pictures: bool = False,
    ) -> tuple[Evaluation | LossEvaluation, list[HistoryRow]]:
        """Take the remaining steps; return the final evaluation and the history.

        Args:
            callbacks: Keras callbacks. An epoch of theirs is the interval between
                two evaluations.
            interruption: whether a signal asks the run to stop.
            pictures: whether the first batch is drawn to the run's folder.

        Raises:
            FloatingPointError: if a loss or gradient is not finite. Nothing
                of that step has been applied.
            LostWorkerError: if another worker is gone.
            OSError: if three checkpoints in a row could not be written, or too
                many images not be read.
            KeyboardInterrupt, SystemExit: after a signal, when a checkpoint
                has been written.
        """
        with self._adapters:
            called = keras.callbacks.CallbackList(
                callbacks,
                model=self.trained,
                epochs=-(-self.plan.total_steps // self.plan.interval_steps),
                steps=self.plan.interval_steps,
            )
            self.progress = self.checkpoints.restore(self.train_split)
            if self.chief:
                self._write_config()
            batches = self.train_batches(self.progress)
            if pictures and self.chief and not self.state.steps_taken():
                write_batch_picture(self, batches, self.folder.path)
            loop = TrainingLoop(self, batches, self.progress, called, interruption)
            try:
                evaluation = self._final_evaluation(loop.run(), interruption)
            except StopSignalError:
                interruption.end()
            except OF_LOST_WORKERS as error:
                if distribution.num_workers(self.strategy) == 1:
                    raise
                raise lost_worker(error) from error
            self.state.swap_average()  # what is kept, if there is one
            return evaluation, self.progress.history

    def close(self) -> None:
        """Undo what was adapted of the model, if `fit` has not; again is no harm."""
        self._adapters.close()

    def _write_config(self) -> None:
        """Write what the run is made of, and what its task needs to resume."""
        self.folder.clear_scratch()
        self.folder.write_config(
            self.config,
            self.model,
            self.data,
            (self.train_split, self.plan),
            counts={"parameters": self.parameters, "trained": num_trained(self.model)},
            devices=described_devices(self.strategy),
            memory=memory_of(self),
        )
        self.task.write(self.folder)

    def train_batches(self, progress: Progress) -> TrainBatches:
        """Return the batches of the run's steps.

        Args:
            progress: which images the run found to be unreadable before.
        """
        return TrainBatches(
            self.strategy,
            self.train_split,
            self.recipe.run.batch_size,
            progress,
            max_unreadable_fraction=self.recipe.data.max_unreadable_fraction,
            tell=LOG.warning,
            image_size=self.model.input_shape[1:3],
            num_classes=self.data.num_classes,
            seed=self.config.seed,
            sampling=self.recipe.data.sampling,
            augmentation=self.augmentation,
            draws=self.task.num_draws(self.trained),
        )

    def _final_evaluation(
        self, last: Evaluation | LossEvaluation | None, interruption: Interruption
    ) -> Evaluation | LossEvaluation:
        """Evaluate the weights that are kept; no checkpoint is saved from here on.

        Args:
            last: the evaluation on the way of the model as it is; `None`: unknown.
            interruption: whether a signal asks the run to stop.
        """
        restored = self.recipe.run.keep == "best" and self.checkpoints.restore_best(
            self.progress, changed=last is None
        )
        same_split = self.plan.final_split is self.plan.eval_split
        if last is not None and same_split and not restored:
            return last
        return self.evaluation.evaluate(self.plan.final_split, interruption)
