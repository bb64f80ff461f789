"""A run: its model, optimizer and step, and the loop around them."""

from __future__ import annotations

import contextlib
import logging
import signal
import time
from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import keras
import tensorflow as tf

from keras_vit import distribution
from keras_vit.data.augmentation import Augmentation
from keras_vit.data.augmentation_layers import image_changes
from keras_vit.data.caching import files_of, is_cached
from keras_vit.data.images import UnreadableImageError
from keras_vit.data.pipeline import check_batch_size
from keras_vit.evaluation.forward import ForwardPass
from keras_vit.history import HistoryRow
from keras_vit.training.adapters.adapted import adapted
from keras_vit.training.adapters.lora import num_trained
from keras_vit.training.artifacts.batch_picture import write_batch_picture
from keras_vit.training.batches import TrainBatches
from keras_vit.training.callbacks import optimizer_shown
from keras_vit.training.devices import described_devices
from keras_vit.training.memory import memory_of
from keras_vit.training.progress import Plan, Progress, progress_bar
from keras_vit.training.replicas import (
    OF_LOST_WORKERS,
    lost_worker,
    same_for_all,
    summed_over_workers,
    wait_for_all,
)
from keras_vit.training.step import TrainingState, training_step
from keras_vit.training.tasks import Task, TaskContext
from keras_vit.training.worker_pace import WorkerPace

if TYPE_CHECKING:
    from keras_vit.data.splits import Labelled
    from keras_vit.training.artifacts.folder import RunFolder
    from keras_vit.training.config import RunConfig
    from keras_vit.training.evaluated_splits import EvaluatedSplits
    from keras_vit.training.interruption import Interruption


LOG = logging.getLogger(__name__)
MOST_FAILED_CHECKPOINTS = 3


class _InterruptedError(Exception):
    """A signal asks the run to stop; raised between steps."""


class Trainer:
    """Trains a model: takes the steps of a run, evaluates it and saves checkpoints.

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
        self._alone = distribution.num_workers(strategy) == 1
        self._pace = WorkerPace()
        self.parameters = model.count_params()
        with contextlib.ExitStack() as adapters:
            adapters.enter_context(adapted(model, self.recipe.model, config.seed))
            self.trained = task.wrap(model)
            self._check_draws()
            self.plan = self._planned(splits)
            size: Any = model.input_shape
            self.augmentation = Augmentation.of(
                self.recipe.augmentation,
                image_changes(config.augmentation(), size[1:3]),
            )
            self.state, self.step = self._state_and_step()
            self._forward = ForwardPass(self.plan.evaluator.answer, strategy)
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

    def _planned(self, splits: EvaluatedSplits) -> Plan:
        """Choose the training images, and return the run's length and evaluation."""
        recipe, run = self.recipe, self.recipe.run
        eval_split = self.data.split(splits.on_the_way)  # before a teacher labels
        final_split = files_of(self.data.split(splits.at_the_end))
        if splits.at_the_end == splits.on_the_way and not is_cached(eval_split):
            final_split = eval_split
        context = TaskContext(self.strategy, self.folder, self.config.seed)
        self.train_split = self.task.examples(
            self.data.split(recipe.data.train_split), self.data, context
        )
        count, replicas = len(self.train_split), self.strategy.num_replicas_in_sync
        repeats = recipe.augmentation.repeats
        check_batch_size(self.train_split, run.batch_size, replicas, repeats)
        total_steps = run.total_steps(count)
        return Plan(
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

    def _state_and_step(self) -> tuple[TrainingState, Any]:
        recipe = self.recipe
        optimizer = self.config.optimizer(self.trained, self.plan.total_steps)
        averaged = recipe.optimizer.ema is not None
        state = TrainingState(self.trained, optimizer, averaged=averaged)
        step = training_step(
            state,
            self.task.objective(self.trained),
            self.strategy,
            global_batch=recipe.run.batch_size,
            seed=self.config.seed,
            clip_norm=None if optimizer.clips else recipe.optimizer.clip_norm,
            accumulation_steps=recipe.run.accumulation_steps,
            ema=recipe.optimizer.ema or 0.0,
            jit_compile=self.config.jit_compile,
        )
        return state, step

    def fit(
        self,
        callbacks: list[keras.callbacks.Callback],
        interruption: Interruption,
        *,
        pictures: bool = False,
    ) -> tuple[Any, list[HistoryRow]]:
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
            self.interruption, self._failures, self._saved = interruption, 0, None
            self.callbacks = keras.callbacks.CallbackList(
                callbacks,
                model=self.trained,
                epochs=-(-self.plan.total_steps // self.plan.interval_steps),
                steps=self.plan.interval_steps,
            )
            self.progress = self.restore()
            if self.chief:
                self._write_config()
            self.batches = self.train_batches(self.progress)
            if pictures and self.chief and not self.state.steps_taken():
                write_batch_picture(self, self.batches, self.folder.path)
            evaluation = self._run()
            self.state.swap_average()  # what is kept, if there is one
            return evaluation, self.progress.history

    def close(self) -> None:
        """Undo what was adapted of the model, if `fit` has not; again is no harm."""
        self._adapters.close()

    def restore(self) -> Progress:
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

    def _run(self) -> Any:
        """Train to the end of the run, and return the evaluation of what is kept."""
        try:
            return self._final_evaluation(self._train())
        except _InterruptedError:
            self.interruption.end()
        except OF_LOST_WORKERS as error:
            if self._alone:
                raise
            raise lost_worker(error) from error

    def _train(self) -> Any | None:
        """Take the remaining steps, and save a checkpoint of the last.

        Returns:
            The evaluation on the way of the model as it now is; `None` if a run
            before this one was evaluated, or the weights have changed since.
        """
        self.trained.stop_training = False
        self._begun = time.perf_counter() - self.progress.seconds
        done = self.state.steps_taken()
        bar = progress_bar(self.plan, done, self.config.bar)
        config = self.config.optimizer_config()
        shown = optimizer_shown(self.trained, self.state, config)
        try:
            with shown, bar as self._bar:
                if self._ended(done):  # before, and was then ended while finishing
                    return None
                self.callbacks.on_train_begin()
                done, evaluation = self._interval(done)
                while not self._ended(done):
                    done, evaluation = self._interval(done)
                if not self._changed_by_the_end():
                    return evaluation
                if not self._keeps_best:  # else they are not kept
                    self._saved = None
                    self.save()
                return None
        except _InterruptedError:
            self.save()
            raise

    @property
    def _keeps_best(self) -> bool:
        return self.recipe.run.keep == "best"

    def _final_evaluation(self, last: Any | None) -> Any:
        """Evaluate the weights that are kept; no checkpoint is saved from here on.

        Args:
            last: the evaluation on the way of the model as it is; `None`: unknown.
        """
        if self._keeps_best and self._restored_best(last is None):
            last = None
        if last is not None and self.plan.final_split is self.plan.eval_split:
            return last
        return self.evaluate(self.plan.final_split)

    def _restored_best(self, changed: bool) -> bool:
        """Restore the weights of the best evaluation, unless the model has them.

        Args:
            changed: whether the model may have others than the last checkpoint.

        Returns:
            Whether they were restored.
        """
        best, checkpoints = self.progress.best, self.folder.checkpoints
        wait_for_all(self.strategy)  # until the chief has written the last one
        if best is None or not checkpoints.has(best["step"]):
            LOG.warning(
                "The weights of the last step are kept, and not the best ones "
                "(keep=best), as the checkpoint of the best evaluation is missing or "
                "damaged."
            )
            return False
        LOG.info(
            f"Keeping the weights of step {best['step']:,}, of the best evaluation: "
            f"{self.plan.eval_name} accuracy {best['accuracy']:.3f}."
        )
        if best["step"] == self.state.steps_taken() and not changed:
            return False
        checkpoints.restore(best["step"], self.state.variables())
        return True

    def _changed_by_the_end(self) -> bool:
        """Call callbacks at the end, and return whether one changed the weights."""
        weights = self.state.optimizer.weights
        before = [weight.numpy() for weight in weights if self.callbacks.callbacks]
        self.callbacks.on_train_end(self.progress.last_logs())
        pairs = zip(before, weights, strict=bool(before))
        if all((old == weight.numpy()).all() for old, weight in pairs):
            return False
        for weight, average in zip(weights, self.state.average, strict=False):
            average.assign(weight.value)
        return True

    def _ended(self, done: int) -> bool:
        """Return whether nothing is left, not even the last evaluation."""
        steps_end = done == self.plan.total_steps or self.progress.stopped
        return steps_end and not self.progress.lap_steps

    def _interval(self, done: int) -> tuple[int, Any]:
        """Take the steps up to the next evaluation, evaluate, and save a checkpoint."""
        plan, progress, epoch = self.plan, self.progress, len(self.progress.history)
        interval_end = min(
            done - progress.lap_steps + plan.interval_steps, plan.total_steps
        )
        self.callbacks.on_epoch_begin(epoch)
        begun, first = time.perf_counter(), done
        while done < interval_end and not progress.stopped:
            self._take_step(done)
            done += 1
            if done < interval_end and done % plan.checkpoint_steps == 0:
                self.save()
        images = (done - first) * plan.batch_size
        rate = images / (time.perf_counter() - begun)
        try:
            evaluation = self.evaluate(plan.eval_split, self.callbacks)
        except UnreadableImageError:
            self.save()  # so that the steps need not be run again
            raise
        self._record(done, evaluation, rate)
        self.callbacks.on_epoch_end(epoch, self.progress.epoch_logs())
        progress.stopped |= bool(self.trained.stop_training)
        self._stop_if_out_of_patience(done)
        self.save()
        if self._alone:  # else all stop together, in the next step
            self._raise_if_stopping()
        return done, evaluation

    def _stop_if_out_of_patience(self, done: int) -> None:
        """End the run if its evaluations have not got better for too long."""
        patience, best = self.recipe.run.patience, self.progress.best
        if best is None or not self.progress.is_out_of_patience(patience):
            return
        self.progress.stopped = True
        if done < self.plan.total_steps:
            count = "1 evaluation was" if patience == 1 else f"{patience} were"
            LOG.info(
                f"Stopping after step {done:,} of {self.plan.total_steps:,}: the best "
                f"evaluation is that of step {best['step']:,}, and {count} not better "
                f"(patience={patience})."
            )

    def _take_step(self, done: int) -> None:
        progress, column = self.progress, self.progress.lap_steps
        begun = () if self._alone else (self._pace.begin(),)
        self.callbacks.on_train_batch_begin(column)
        asked = tf.constant(float(bool(self.interruption)))
        numbers = self.step(*self.batches.batch(done), asked, *begun)
        numbers = {name: value.numpy() for name, value in numbers.items()}
        if not (numbers["updated"] or numbers.get("skipped")):
            raise FloatingPointError(self._not_finite(done, numbers))
        progress.add(numbers["loss"], numbers["accuracy"])
        if not self._alone:
            self._pace.add(numbers["busy"])
        means = progress.means()
        self.callbacks.on_train_batch_end(column, means)
        progress.stopped |= bool(self.trained.stop_training)
        text = f"loss {means['loss']:.3f}, accuracy {means['accuracy']:.3f}"
        self._bar.set_postfix_str(f"{text}{self._skipped()}", refresh=False)
        self._bar.update(self.plan.batch_size)
        if self._alone:
            self._raise_if_stopping()
        elif numbers["stop"]:  # all of them see it in the same step
            self.interruption.signal = self.interruption.signal or signal.SIGTERM
            raise _InterruptedError

    def evaluate(
        self, split: Labelled, callbacks: keras.callbacks.CallbackList | None = None
    ) -> Any:
        """Evaluate on the whole of a split, with the average if there is one.

        Args:
            split: of the run's data set.
            callbacks: that are called; none by default.
        """
        callbacks = callbacks or keras.callbacks.CallbackList()
        evaluator = self.plan.evaluator
        sums = evaluator.metric_sums(split)
        local = distribution.local_replicas(self.strategy)
        batch_size = -(-min(200, len(split)) // local) * local
        callbacks.on_test_begin()
        self.state.swap_average()
        try:
            batches = evaluator.batches(split, batch_size, self.data.num_classes)
            for number, (inputs, labels, weights) in enumerate(batches):
                if not self._forward.is_mine(number):
                    continue
                callbacks.on_test_batch_begin(number)
                real = weights > 0
                sums.add(self._forward(*inputs)[real], labels[real])
                callbacks.on_test_batch_end(number, _logs_of(sums.result()))
                if self._alone:
                    self._raise_if_stopping()
        except FloatingPointError as error:
            step = self.state.steps_taken()
            raise FloatingPointError(f"After step {step}: {error}") from error
        finally:
            self.state.swap_average()
        summed_over_workers(sums, self.strategy)
        evaluation = sums.whole()
        callbacks.on_test_end(_logs_of(evaluation))
        return evaluation

    def _record(self, done: int, evaluation: Any, rate: float) -> None:
        """Ends the interval with its evaluation, and log it."""
        self.progress.seconds = time.perf_counter() - self._begun
        row = self.progress.end_interval(
            evaluation,
            steps=done,
            epoch=done / self.plan.steps_per_epoch,
            eval_split=self.plan.eval_name,
            learning_rate=float(self.state.optimizer.schedule(done)),
            images_per_second=rate,
        )
        precision = row.get("eval_mean_average_precision")
        more = "" if precision is None else f"mAP {precision:.3f}, "
        LOG.info(
            f"epoch {row['epoch']}: loss {row['loss']:.3f}, accuracy "
            f"{row['accuracy']:.3f}, {self.plan.eval_name} {more}accuracy "
            f"{row['eval_accuracy']:.3f}{self._skipped()}"
        )
        if not self._alone:
            LOG.info(self._pace.line(rate))

    def _skipped(self) -> str:
        """Return how many steps float16 made skip, for a line; empty for none."""
        scale = self.state.loss_scale
        count = 0 if scale is None else int(scale.skipped.numpy())
        return f", {count:,} steps skipped" if count else ""

    def save(self) -> None:
        """Save a checkpoint; twice a full disk is only logged."""
        step = self.state.steps_taken()
        self.progress.seconds = time.perf_counter() - self._begun
        progress = asdict(self.progress)
        if self._saved == (step, progress["lap_steps"]):
            return  # a signal came as that one was written
        try:
            if self.chief:  # the other workers would save the same
                self._write_checkpoint(step, progress)
            self._failures, self._saved = 0, (step, progress["lap_steps"])
        except OSError as error:
            self._failures += 1
            LOG.warning(
                f"The checkpoint of step {step} could not be written ({error}). "
                "Earlier checkpoints are kept, and training continues to the next one."
            )
            if self._failures == MOST_FAILED_CHECKPOINTS:
                raise OSError(
                    f"{self._failures} checkpoints in a row could not be written: "
                    f"{error}. Free disk space, then start the run again to resume it"
                ) from error

    def _write_checkpoint(self, step: int, progress: dict[str, Any]) -> None:
        best = progress["best"]
        self.folder.checkpoints.save(
            step,
            self.state.variables(),
            {"journal": progress},
            best=best and best["step"],
        )
        if progress["history"]:
            self.folder.write_history(progress["history"])

    def _raise_if_stopping(self) -> None:
        if self.interruption:
            raise _InterruptedError

    def _not_finite(self, done: int, numbers: Mapping[str, Any]) -> str:
        rate = float(self.state.optimizer.schedule(done))
        return (
            f"Step {done + 1} was not taken: its loss is {numbers['loss']}, its "
            f"gradient's norm {numbers['gradient_norm']}, the rate {rate:.3g}. "
            "A smaller base_lr, a longer warm-up or a smaller clip_norm may help. "
            f"The images of the step: {', '.join(self.batches.names(done))}"
        )


def _logs_of(evaluation: Any) -> dict[str, float]:
    return {"accuracy": evaluation.accuracy, "loss": evaluation.loss}
