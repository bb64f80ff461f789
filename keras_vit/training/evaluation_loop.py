"""The evaluation of a run's model on a whole split, by all replicas and workers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import keras

from keras_vit.distribution import local_replicas, num_workers
from keras_vit.evaluation.forward import ForwardPass
from keras_vit.training.replicas import summed_over_workers

if TYPE_CHECKING:
    from keras_vit.compat import Strategy
    from keras_vit.data.splits import Labelled
    from keras_vit.evaluation import Evaluation
    from keras_vit.training.interruption import Interruption
    from keras_vit.training.step import TrainingState
    from keras_vit.training.tasks.evaluators import Evaluator, LossEvaluation

BATCH_SIZE = 200  # images of a worker, or a few more: as many for each replica


class EvaluationLoop:
    """Evaluates the model of a run, with the average of its weights if there is one.

    Args:
        evaluator: of the run's task.
        state: of the run.
        num_classes: K, of the data set.
        strategy: a `tf.distribute.Strategy`, whose scope this is made in.
    """

    def __init__(
        self,
        evaluator: Evaluator,
        state: TrainingState,
        num_classes: int,
        strategy: Strategy,
    ) -> None:
        self._evaluator, self._state = evaluator, state
        self._num_classes, self._strategy = num_classes, strategy
        self._forward = ForwardPass(evaluator.answer, strategy)

    def evaluate(
        self,
        split: Labelled,
        interruption: Interruption,
        callbacks: keras.callbacks.CallbackList | None = None,
    ) -> Evaluation | LossEvaluation:
        """Evaluate the model on all images of a split.

        Args:
            split: of the run's data set.
            interruption: whether a signal asks the run to stop. Several workers
                finish the evaluation: they stop together, in the next step.
            callbacks: that are called; none by default.

        Raises:
            FloatingPointError: if a number of the model is not finite.
            StopSignalError: if a signal asks to stop.
        """
        callbacks = callbacks or keras.callbacks.CallbackList()
        sums = self._evaluator.metric_sums(split)
        local = local_replicas(self._strategy)
        batch_size = -(-min(BATCH_SIZE, len(split)) // local) * local
        batches = self._evaluator.batches(split, batch_size, self._num_classes)
        callbacks.on_test_begin()
        self._state.swap_average()
        try:
            for number, (inputs, labels, weights) in enumerate(batches):
                if not self._forward.is_mine(number):
                    continue
                callbacks.on_test_batch_begin(number)
                real = weights > 0
                sums.add(self._forward(*inputs)[real], labels[real])
                callbacks.on_test_batch_end(number, _logs_of(sums.result()))
                if num_workers(self._strategy) == 1:
                    interruption.raise_if_stopping()
        except FloatingPointError as error:
            step = self._state.steps_taken()
            raise FloatingPointError(f"After step {step}: {error}") from error
        finally:
            self._state.swap_average()
        summed_over_workers(sums, self._strategy)
        evaluation = sums.whole()
        callbacks.on_test_end(_logs_of(evaluation))
        return evaluation


def _logs_of(evaluation: Evaluation | LossEvaluation) -> dict[str, float]:
    """Return the logs that Keras passes to callbacks of an evaluation."""
    return {"accuracy": evaluation.accuracy, "loss": evaluation.loss}
