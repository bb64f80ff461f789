"""The loop around the step: intervals, evaluations, callbacks, checkpoints."""

from __future__ import annotations

import logging
import signal
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import keras
import tensorflow as tf
from tqdm import tqdm

from keras_vit.data.images import UnreadableImageError
from keras_vit.distribution import local_replicas, num_workers
from keras_vit.evaluation.forward import ForwardPass
from keras_vit.training.callbacks import without_optimizer
from keras_vit.training.replicas import summed_over_workers

if TYPE_CHECKING:
    from keras_vit.training.interruption import Interruption
    from keras_vit.training.progress import Plan, Progress
    from keras_vit.training.step import TrainingState
    from keras_vit.training.train_batches import TrainBatches


LOG = logging.getLogger(__name__)
MOST_FAILED_CHECKPOINTS = 3


class LostWorkerError(RuntimeError):
    """Another worker of this run is gone."""

    exit_status = 43  # of the command


class _InterruptedError(Exception):
    """A signal asks the run to stop; raised between steps."""


class Loop:
    """Takes the steps of a run.

    Args:
        plan: a `Plan`.
        state: a `TrainingState`.
        step: as `training_step` returns it.
        strategy: under which both were made.
        batches: a `TrainBatches`.
        progress: a new `Progress`, or that of a checkpoint.
        save: writes a checkpoint of state and progress.
        callbacks: Keras callbacks.
        interruption: an `Interruption`.
        bar: whether a progress bar is drawn.
    """

    def __init__(
        self,
        plan: Plan,
        state: TrainingState,
        step: Callable[..., dict[str, Any]],
        strategy: tf.distribute.Strategy,
        batches: TrainBatches,
        progress: Progress,
        save: Callable[[int, dict[str, Any]], None],
        callbacks: list[keras.callbacks.Callback],
        interruption: Interruption,
        bar: bool = True,
    ) -> None:
        self.plan, self.state, self.step = plan, state, step
        self.strategy, self.batches, self.progress = strategy, batches, progress
        self.interruption, self._draws_bar = interruption, bar
        self._save, self._failures, self._saved = save, 0, None
        self._alone = num_workers(strategy) == 1
        self._forward = ForwardPass(plan.evaluator.answer, strategy)
        self.callbacks = keras.callbacks.CallbackList(
            callbacks,
            model=state.model,
            epochs=-(-plan.total_steps // plan.interval_steps),
            steps=plan.interval_steps,
        )

    def run(self) -> Any:
        """Train to the end of the run.

        Returns:
            The last evaluation.

        Raises:
            FloatingPointError: if a loss or gradient is not finite. Nothing
                of that step has been applied.
            LostWorkerError: if another worker is gone.
            OSError: if three checkpoints in a row could not be written, or too
                many images not be read.
            KeyboardInterrupt, SystemExit: after a signal, when a checkpoint
                has been written.
        """
        model = self.state.model
        model.stop_training = False
        self._begun = time.perf_counter() - self.progress.seconds
        done = self.state.steps_taken()
        try:
            bar = _progress_bar(self.plan, done, self._draws_bar)
            with without_optimizer(model), bar as self._bar:
                if self._ended(done):  # before, and was then ended while finishing
                    return self.evaluate()
                self.callbacks.on_train_begin()
                done, evaluation = self._interval(done)
                while not self._ended(done):
                    done, evaluation = self._interval(done)
                if self._changed_by_the_end():
                    evaluation, self._saved = self.evaluate(), None
                    self._checkpoint()
                return evaluation
        except _InterruptedError:
            self._checkpoint()
            self.interruption.end()
        except _OF_LOST_WORKERS as error:
            if self._alone:
                raise
            raise LostWorkerError(
                "Another worker of this run is gone. Start all of them again: they "
                f"resume from the last checkpoint. ({str(error).splitlines()[0]})"
            ) from error

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
                self._checkpoint()
        images = (done - first) * plan.batch_size
        rate = images / (time.perf_counter() - begun)
        try:
            evaluation = self.evaluate(self.callbacks)
        except UnreadableImageError:
            self._checkpoint()  # so that the steps need not be run again
            raise
        self._record(done, evaluation, rate)
        self.callbacks.on_epoch_end(epoch, self.progress.last_logs())
        progress.stopped |= bool(self.state.model.stop_training)
        self._checkpoint()
        if self._alone:  # else all stop together, in the next step
            self._raise_if_stopping()
        return done, evaluation

    def _take_step(self, done: int) -> None:
        progress, column = self.progress, self.progress.lap_steps
        self.callbacks.on_train_batch_begin(column)
        asked = tf.constant(float(bool(self.interruption)))
        numbers = self.step(*self.batches.batch(done), asked)
        numbers = {name: value.numpy() for name, value in numbers.items()}
        if not numbers["updated"]:
            raise FloatingPointError(self._not_finite(done, numbers))
        progress.add(numbers["loss"], numbers["accuracy"])
        means = progress.means()
        self.callbacks.on_train_batch_end(column, means)
        progress.stopped |= bool(self.state.model.stop_training)
        self._bar.set_postfix_str(
            f"loss {means['loss']:.3f}, accuracy {means['accuracy']:.3f}", refresh=False
        )
        self._bar.update(self.plan.batch_size)
        if self._alone:
            self._raise_if_stopping()
        elif numbers["stop"]:  # all of them see it in the same step
            self.interruption.signal = self.interruption.signal or signal.SIGTERM
            raise _InterruptedError

    def evaluate(self, callbacks: keras.callbacks.CallbackList | None = None) -> Any:
        """Evaluate on the whole split, with the average if there is one."""
        callbacks = callbacks or keras.callbacks.CallbackList()
        evaluator, split = self.plan.evaluator, self.plan.eval_split
        sums = evaluator.metric_sums(split)
        local = local_replicas(self.strategy)
        batch_size = -(-min(200, len(split)) // local) * local
        callbacks.on_test_begin()
        self.state.swap_average()
        try:
            batches = evaluator.batches(split, batch_size)
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
            f"{row['eval_accuracy']:.3f}"
        )

    def _checkpoint(self) -> None:
        """Save a checkpoint; twice a full disk is only logged."""
        step = self.state.steps_taken()
        self.progress.seconds = time.perf_counter() - self._begun
        progress = asdict(self.progress)
        if self._saved == (step, progress["lap_steps"]):
            return  # a signal came as that one was written
        try:
            self._save(step, progress)
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


_OF_LOST_WORKERS = (
    tf.errors.UnavailableError,
    tf.errors.AbortedError,
    tf.errors.InternalError,
    tf.errors.CancelledError,
    tf.errors.DeadlineExceededError,
)


def _logs_of(evaluation: Any) -> dict[str, float]:
    return {"accuracy": evaluation.accuracy, "loss": evaluation.loss}


def _progress_bar(plan: Plan, done: int, shown: bool) -> tqdm:
    watched = sys.stderr.isatty()  # a log is no place for ten lines a second
    return tqdm(
        disable=not shown,
        mininterval=0.1 if watched else 15,
        total=plan.total_steps * plan.batch_size,
        initial=done * plan.batch_size,
        unit=" images",
        unit_scale=True,
        smoothing=0.1,
        dynamic_ncols=True,
        bar_format="{percentage:3.0f}%|{bar}| {rate_fmt}, {remaining} left{postfix}",
    )
