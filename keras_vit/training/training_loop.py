"""The steps of a run, with an evaluation and a checkpoint after each interval."""

from __future__ import annotations

import logging
import signal
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import keras
import tensorflow as tf

from keras_vit.data.images import UnreadableImageError
from keras_vit.distribution import num_workers
from keras_vit.training.callbacks import optimizer_shown
from keras_vit.training.interruption import StopSignalError
from keras_vit.training.progress import progress_bar
from keras_vit.training.worker_pace import WorkerPace

if TYPE_CHECKING:
    from keras_vit.evaluation import Evaluation
    from keras_vit.training.batches import TrainBatches
    from keras_vit.training.interruption import Interruption
    from keras_vit.training.progress import Progress
    from keras_vit.training.tasks.evaluators import LossEvaluation
    from keras_vit.training.trainer import Trainer

LOG = logging.getLogger(__name__)


class TrainingLoop:
    """Takes the steps of a run that are left.

    Args:
        run: whose model is trained: its plan, state, step, evaluation and checkpoints.
        batches: of each step.
        progress: of the run so far, which the loop continues.
        callbacks: Keras's, of the model that is trained. An epoch of theirs is the
            interval between two evaluations.
        interruption: whether a signal asks the run to stop.
    """

    def __init__(
        self,
        run: Trainer,
        batches: TrainBatches,
        progress: Progress,
        callbacks: keras.callbacks.CallbackList,
        interruption: Interruption,
    ) -> None:
        self.config, self.plan, self.state = run.config, run.plan, run.state
        self.step_after, self.trained = run.step_after, run.trained
        self.evaluation, self.checkpoints = run.evaluation, run.checkpoints
        self.batches, self.progress = batches, progress
        self.callbacks, self.interruption = callbacks, interruption
        self._alone = num_workers(run.strategy) == 1
        self._pace = WorkerPace()
        self._bar = progress_bar(self.plan, self.state.steps_taken(), self.config.bar)
        self._begun = time.perf_counter() - progress.seconds

    def run(self) -> Evaluation | LossEvaluation | None:
        """Take the remaining steps, and save a checkpoint of the last.

        Returns:
            The evaluation on the way of the model as it now is; `None` if a run
            before this one was evaluated, or the weights have changed since.

        Raises:
            StopSignalError: after a signal, when a checkpoint has been written.
        """
        self.trained.stop_training = False
        config = self.config.optimizer_config()
        try:
            with optimizer_shown(self.trained, self.state, config), self._bar:
                return self._remaining_intervals()
        except StopSignalError:
            self._save()
            raise

    def _remaining_intervals(self) -> Evaluation | LossEvaluation | None:
        done = self.state.steps_taken()
        if self._is_finished(done):  # before, and was then ended while finishing
            return None
        self.callbacks.on_train_begin()
        done, evaluation = self._interval(done)
        while not self._is_finished(done):
            done, evaluation = self._interval(done)
        if not self._changed_by_the_end():
            return evaluation
        if self.config.recipe.run.keep != "best":  # else they are not kept
            self._save(anew=True)
        return None

    def _is_finished(self, done: int) -> bool:
        """Return whether nothing is left, not even the last evaluation."""
        steps_end = done == self.plan.total_steps or self.progress.stopped
        return steps_end and not self.progress.lap_steps

    def _interval(self, done: int) -> tuple[int, Evaluation | LossEvaluation]:
        """Take the steps up to the next evaluation, evaluate, and save a checkpoint.

        Args:
            done: how many steps of the run have been taken.

        Returns:
            How many have now been taken, and the evaluation.
        """
        epoch = len(self.progress.history)
        self.callbacks.on_epoch_begin(epoch)
        begun, first = time.perf_counter(), done
        done = self._steps(done)
        images = (done - first) * self.plan.batch_size
        rate = images / (time.perf_counter() - begun)
        try:
            evaluation = self.evaluation.evaluate(
                self.plan.eval_split, self.interruption, self.callbacks
            )
        except UnreadableImageError:
            self._save()  # so that the steps need not be run again
            raise
        self._record(done, evaluation, rate)
        self.callbacks.on_epoch_end(epoch, self.progress.epoch_logs())
        self.progress.stopped |= bool(self.trained.stop_training)
        self._stop_if_out_of_patience(done)
        self._save()
        if self._alone:  # else all stop together, in the next step
            self.interruption.raise_if_stopping()
        return done, evaluation

    def _steps(self, done: int) -> int:
        """Take the steps of an interval; return how many have then been taken."""
        plan, progress = self.plan, self.progress
        interval_end = min(
            done - progress.lap_steps + plan.interval_steps, plan.total_steps
        )
        while done < interval_end and not progress.stopped:
            self._take_step(done)
            done += 1
            if done < interval_end and done % plan.checkpoint_steps == 0:
                self._save()
        return done

    def _take_step(self, done: int) -> None:
        progress, column = self.progress, self.progress.lap_steps
        begun = () if self._alone else (self._pace.begin(),)
        self.callbacks.on_train_batch_begin(column)
        asked = tf.constant(float(bool(self.interruption)))
        step = self.step_after(done)
        numbers = step(*self.batches.batch(done), asked, *begun)
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
            self.interruption.raise_if_stopping()
        elif numbers["stop"]:  # all of them see it in the same step
            self.interruption.note(signal.SIGTERM)
            self.interruption.raise_if_stopping()

    def _record(
        self, done: int, evaluation: Evaluation | LossEvaluation, rate: float
    ) -> None:
        """End the interval with its evaluation, and log it."""
        self.progress.seconds = time.perf_counter() - self._begun
        row = self.progress.end_interval(
            evaluation,
            steps=done,
            epoch=done / self.plan.steps_per_epoch,
            eval_split=self.plan.eval_name,
            learning_rate=self._learning_rate(done),
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

    def _stop_if_out_of_patience(self, done: int) -> None:
        """End the run if its evaluations have not got better for too long."""
        patience, best = self.config.recipe.run.patience, self.progress.best
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

    def _save(self, *, anew: bool = False) -> None:
        self.progress.seconds = time.perf_counter() - self._begun
        self.checkpoints.save(self.progress, anew=anew)

    def _learning_rate(self, step: int) -> float:
        return float(self.state.optimizer.schedule(step))

    def _skipped(self) -> str:
        """Return how many steps float16 made skip, for a line; empty for none."""
        scale = self.state.loss_scale
        count = 0 if scale is None else int(scale.skipped.numpy())
        return f", {count:,} steps skipped" if count else ""

    def _not_finite(self, done: int, numbers: Mapping[str, Any]) -> str:
        return (
            f"Step {done + 1} was not taken: its loss is {numbers['loss']}, its "
            f"gradient's norm {numbers['gradient_norm']}, the rate "
            f"{self._learning_rate(done):.3g}. "
            "A smaller base_lr, a longer warm-up or a smaller clip_norm may help. "
            f"The images of the step: {', '.join(self.batches.names(done))}"
        )
