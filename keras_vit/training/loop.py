"""The loop around the step: laps, evaluations, callbacks, checkpoints."""

import logging
import signal
import sys
import time
from dataclasses import asdict

import keras
import tensorflow as tf
from tqdm import tqdm

from keras_vit.data.images import UnreadableImageError
from keras_vit.distribution import local_replicas, num_workers
from keras_vit.evaluation.forward import ForwardPass
from keras_vit.training.callbacks import without_optimizer
from keras_vit.training.replicas import summed_over_workers

LOG = logging.getLogger(__name__)
MOST_FAILED_CHECKPOINTS = 3


class LostWorkerError(RuntimeError):
    """Another worker of this run is gone."""

    exit_status = 43  # of the command


class _InterruptedError(Exception):
    """A signal asks the run to end; raised where it can."""


class Loop:
    """Takes the steps of a run.

    Args:
        plan: a `Plan`.
        state: a `TrainingState`.
        step: as `training_step` gives it.
        strategy: under which both were made.
        feed: a `Feed`.
        journal: a new `Journal`, or that of a checkpoint.
        save: writes a checkpoint of state and journal.
        callbacks: Keras callbacks.
        interruption: an `Interruption`.
        bar: whether a progress bar is drawn.
    """

    def __init__(
        self,
        plan,
        state,
        step,
        strategy,
        feed,
        journal,
        save,
        callbacks,
        interruption,
        bar=True,
    ):
        self.plan, self.state, self.step = plan, state, step
        self.strategy, self.feed, self.journal = strategy, feed, journal
        self.interruption, self._draws_bar = interruption, bar
        self._save, self._failures, self._saved = save, 0, None
        self._alone = num_workers(strategy) == 1
        self._forward = ForwardPass(plan.examination.answer, strategy)
        self.callbacks = keras.callbacks.CallbackList(
            callbacks,
            model=state.model,
            epochs=-(-plan.total_steps // plan.lap_steps),
            steps=plan.lap_steps,
        )

    def run(self):
        """Goes on to the end of the run.

        Returns:
            The last evaluation.

        Raises:
            FloatingPointError: if a loss or gradient is not finite. Nothing
                of that step has been applied.
            LostWorkerError: if another worker is gone.
            OSError: if three checkpoints in turn could not be written, or too
                many images not be read.
            KeyboardInterrupt, SystemExit: after a signal, when a checkpoint
                has been written.
        """
        model = self.state.model
        model.stop_training = False
        self._begun = time.perf_counter() - self.journal.seconds
        done = self.state.steps_taken()
        try:
            bar = _progress_bar(self.plan, done, self._draws_bar)
            with without_optimizer(model), bar as self._bar:
                if self._ended(done):  # before, and was then ended while finishing
                    return self.evaluate()
                self.callbacks.on_train_begin()
                done, evaluation = self._lap(done)
                while not self._ended(done):
                    done, evaluation = self._lap(done)
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
                "Another worker of this run is gone. Start all of them again: they go "
                f"on from the last checkpoint. ({str(error).splitlines()[0]})"
            ) from error

    def _changed_by_the_end(self):
        """Tells callbacks the end, at which some put other weights in place."""
        weights = self.state.optimizer.weights
        before = [weight.numpy() for weight in weights if self.callbacks.callbacks]
        self.callbacks.on_train_end(self.journal.last_logs())
        pairs = zip(before, weights, strict=bool(before))
        if all((old == weight.numpy()).all() for old, weight in pairs):
            return False
        for weight, average in zip(weights, self.state.average, strict=False):
            average.assign(weight.value)
        return True

    def _ended(self, done):
        """Whether nothing is left, not even the evaluation of the last lap."""
        steps_end = done == self.plan.total_steps or self.journal.stopped
        return steps_end and not self.journal.lap_steps

    def _lap(self, done):
        """Steps up to the next evaluation, that, and a checkpoint."""
        plan, journal, lap = self.plan, self.journal, len(self.journal.history)
        lap_end = min(done - journal.lap_steps + plan.lap_steps, plan.total_steps)
        self.callbacks.on_epoch_begin(lap)
        lap_begun, lap_done = time.perf_counter(), done
        while done < lap_end and not journal.stopped:
            self._take_step(done)
            done += 1
            if done < lap_end and done % plan.checkpoint_steps == 0:
                self._checkpoint()
        images = (done - lap_done) * plan.batch_size
        rate = images / (time.perf_counter() - lap_begun)
        try:
            evaluation = self.evaluate(self.callbacks)
        except UnreadableImageError:
            self._checkpoint()  # so that the lap need not be run again
            raise
        self._record(done, evaluation, rate)
        self.callbacks.on_epoch_end(lap, self.journal.last_logs())
        journal.stopped |= bool(self.state.model.stop_training)
        self._checkpoint()
        if self._alone:  # else all heed it together, in the next step
            self._heed()
        return done, evaluation

    def _take_step(self, done):
        journal, column = self.journal, self.journal.lap_steps
        self.callbacks.on_train_batch_begin(column)
        asked = tf.constant(float(bool(self.interruption)))
        numbers = self.step(*self.feed.batch(done), asked)
        numbers = {name: value.numpy() for name, value in numbers.items()}
        if not numbers["updated"]:
            raise FloatingPointError(self._not_finite(done, numbers))
        journal.add(numbers["loss"], numbers["accuracy"])
        means = journal.means()
        self.callbacks.on_train_batch_end(column, means)
        journal.stopped |= bool(self.state.model.stop_training)
        self._bar.set_postfix_str(
            f"loss {means['loss']:.3f}, accuracy {means['accuracy']:.3f}", refresh=False
        )
        self._bar.update(self.plan.batch_size)
        if self._alone:
            self._heed()
        elif numbers["stop"]:  # all of them see it in the same step
            self.interruption.signal = self.interruption.signal or signal.SIGTERM
            raise _InterruptedError

    def evaluate(self, callbacks=None):
        """Evaluates on the whole split, with the average if there is one."""
        callbacks = callbacks or keras.callbacks.CallbackList()
        examination, split = self.plan.examination, self.plan.eval_split
        tally = examination.tally(split)
        local = local_replicas(self.strategy)
        batch_size = -(-min(200, len(split)) // local) * local
        callbacks.on_test_begin()
        self.state.swap_average()
        try:
            batches = examination.batches(split, batch_size)
            for number, (inputs, labels, weights) in enumerate(batches):
                if not self._forward.is_mine(number):
                    continue
                callbacks.on_test_batch_begin(number)
                real = weights > 0
                tally.add(self._forward(*inputs)[real], labels[real])
                callbacks.on_test_batch_end(number, _logs_of(tally.result()))
                if self._alone:
                    self._heed()
        except FloatingPointError as error:
            step = self.state.steps_taken()
            raise FloatingPointError(f"After step {step}: {error}") from error
        finally:
            self.state.swap_average()
        summed_over_workers(tally, self.strategy)
        evaluation = tally.whole()
        callbacks.on_test_end(_logs_of(evaluation))
        return evaluation

    def _record(self, done, evaluation, rate):
        """Ends the lap in the journal, and tells it."""
        self.journal.seconds = time.perf_counter() - self._begun
        row = self.journal.end_lap(
            evaluation,
            steps=done,
            epoch=done / self.plan.steps_per_epoch,
            eval_split=self.plan.eval_name,
            learning_rate=float(self.state.optimizer.schedule(done)),
            images_per_second=rate,
        )
        precision = row.get("eval_mean_average_precision")
        told = "" if precision is None else f"mAP {precision:.3f}, "
        LOG.info(
            f"epoch {row['epoch']}: loss {row['loss']:.3f}, accuracy "
            f"{row['accuracy']:.3f}, {self.plan.eval_name} {told}accuracy "
            f"{row['eval_accuracy']:.3f}"
        )

    def _checkpoint(self):
        """Saves; a full disk is told and forgiven twice."""
        step = self.state.steps_taken()
        self.journal.seconds = time.perf_counter() - self._begun
        journal = asdict(self.journal)
        if self._saved == (step, journal["lap_steps"]):
            return  # a signal came as that one was written
        try:
            self._save(step, journal)
            self._failures, self._saved = 0, (step, journal["lap_steps"])
        except OSError as error:
            self._failures += 1
            LOG.warning(
                f"The checkpoint of step {step} could not be written ({error}). Those "
                "before it are untouched; the next one is tried all the same."
            )
            if self._failures == MOST_FAILED_CHECKPOINTS:
                raise OSError(
                    f"{self._failures} checkpoints in turn could not be written: "
                    f"{error}"
                ) from error

    def _heed(self):
        if self.interruption:
            raise _InterruptedError

    def _not_finite(self, done, numbers):
        rate = float(self.state.optimizer.schedule(done))
        return (
            f"Step {done + 1} was not taken: its loss is {numbers['loss']}, its "
            f"gradient's norm {numbers['gradient_norm']}, the rate {rate:.3g}. "
            "A smaller base_lr, a longer warm-up or a smaller clip_norm may help. "
            f"The images of the step: {', '.join(self.feed.names(done))}"
        )


_OF_LOST_WORKERS = (
    tf.errors.UnavailableError,
    tf.errors.AbortedError,
    tf.errors.InternalError,
    tf.errors.CancelledError,
    tf.errors.DeadlineExceededError,
)


def _logs_of(evaluation):
    return {"accuracy": evaluation.accuracy, "loss": evaluation.loss}


def _progress_bar(plan, done, shown):
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
