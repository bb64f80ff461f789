"""How long a run is, and what it has seen so far."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

from keras_vit.history import HistoryRow, with_present_names

if TYPE_CHECKING:
    from keras_vit.data.labelled import Labelled
    from keras_vit.evaluation import Evaluation
    from keras_vit.training.tasks.evaluators import Evaluator, LossEvaluation


@dataclass(kw_only=True)
class Progress:
    """What a run remembers besides its variables; part of every checkpoint.

    An interval lies between two evaluations; by default it is an epoch. Checkpoints
    hold the attributes by these names.

    Attributes:
        history: a `HistoryRow` for each evaluation.
        lap_steps: steps taken in the current interval.
        lap_sums: over them, of loss and accuracy.
        seconds: that the run has taken so far.
        best: the step, the accuracy and the loss of the best evaluation: the most
            accurate one, of equals that of the least loss, of these the first.
        stopped: whether the run ends before its time: a callback stopped it, or
            its evaluations no longer got better.
        unreadable: indices of the training images that cannot be read, as far
            as they were met.
    """

    history: list[HistoryRow] = field(default_factory=list)
    lap_steps: int = 0
    lap_sums: list[float] = field(default_factory=lambda: [0.0, 0.0])
    seconds: float = 0.0
    best: dict[str, Any] | None = None
    stopped: bool = False
    unreadable: list[int] = field(default_factory=list)

    def add(self, loss: float, accuracy: float) -> None:
        """Add the numbers of a step."""
        self.lap_steps += 1
        self.lap_sums[0] += float(loss)
        self.lap_sums[1] += float(accuracy)

    def means(self) -> dict[str, float]:
        """Return loss and accuracy of the current interval."""
        loss, accuracy = (total / self.lap_steps for total in self.lap_sums)
        return {"accuracy": accuracy, "loss": loss}

    @classmethod
    def of_checkpoint(cls, notes: Mapping[str, Any], eval_split: str) -> Progress:
        """Return the progress in a checkpoint, also in one of an earlier version.

        Args:
            notes: the attributes of `Progress`, by name.
            eval_split: the name of the split that the run evaluates on.
        """
        history = [
            with_present_names(row, eval_split=eval_split) for row in notes["history"]
        ]
        return cls(**{**notes, "history": history})

    def end_interval(
        self,
        evaluation: Evaluation | LossEvaluation,
        *,
        steps: int,
        epoch: float,
        eval_split: str,
        learning_rate: float,
        images_per_second: float,
    ) -> HistoryRow:
        """End the interval with its evaluation, and return its row of the history."""
        means = self.means()
        row = HistoryRow(
            epoch=int(epoch) if epoch.is_integer() else round(epoch, 3),
            steps=steps,
            learning_rate=learning_rate,
            loss=means["loss"],
            accuracy=means["accuracy"],
            eval_split=eval_split,
            eval_loss=evaluation.loss,
            eval_accuracy=evaluation.accuracy,
            images_per_second=images_per_second,
            seconds=self.seconds,
        )
        precision = getattr(evaluation, "mean_average_precision", None)
        if precision is not None:  # of images that can have several classes
            row["eval_mean_average_precision"] = precision
        self.history.append(row)
        self.lap_steps, self.lap_sums = 0, [0.0, 0.0]
        if self._is_better(evaluation):
            self.best = {
                "step": steps,
                "accuracy": evaluation.accuracy,
                "loss": evaluation.loss,
            }
        return row

    def _is_better(self, evaluation: Evaluation | LossEvaluation) -> bool:
        """Return whether an evaluation is better than all before it."""
        if self.best is None:
            return True
        accuracy = self.best["accuracy"]
        # A checkpoint of an earlier version has no loss: the first of equals is best.
        loss = self.best.get("loss", -math.inf)
        return (evaluation.accuracy, -evaluation.loss) > (accuracy, -loss)

    def evaluations_since_best(self) -> int:
        """Return how many evaluations came after the best one."""
        if self.best is None:
            return 0
        return sum(row["steps"] > self.best["step"] for row in self.history)

    def is_out_of_patience(self, patience: int | None) -> bool:
        """Return whether evaluations have not got better for too long.

        It follows from what every checkpoint holds, so a run that resumes stops
        where the unbroken one does.

        Args:
            patience: how many evaluations may follow the best one; the last of them
                ends the run. `None`: any number.

        Example:

        >>> rows = [{"steps": 10}, {"steps": 20}, {"steps": 30}]
        >>> best = {"step": 10, "accuracy": 0.9, "loss": 0.3}
        >>> Progress(history=rows, best=best).is_out_of_patience(2)
        True
        """
        return patience is not None and self.evaluations_since_best() >= patience

    def last_logs(self) -> dict[str, float]:
        """Return the logs that Keras passes to callbacks at the end of training."""
        if not self.history:
            return {}
        row = self.history[-1]
        return {
            "accuracy": row["accuracy"],
            "loss": row["loss"],
            "val_accuracy": row["eval_accuracy"],
            "val_loss": row["eval_loss"],
        }

    def epoch_logs(self) -> dict[str, float]:
        """Return the logs of the end of an epoch, with its learning rate."""
        return self.last_logs() | {"learning_rate": self.history[-1]["learning_rate"]}


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The length of a run and its intervals, in steps, and what it is evaluated on.

    Attributes:
        total_steps: of the run.
        interval_steps: from one evaluation to the next.
        checkpoint_steps: from one checkpoint to the next, besides that after
            every evaluation.
        steps_per_epoch: that the training split makes.
        batch_size: of the global batch.
        eval_split: what is evaluated on, on the way.
        eval_name: what that is called.
        final_split: what is evaluated once, at the end; often the same one.
        final_name: what that is called.
        evaluator: of both (see `evaluators`).
    """

    total_steps: int
    interval_steps: int
    checkpoint_steps: int
    steps_per_epoch: int
    batch_size: int
    eval_split: Labelled
    eval_name: str
    final_split: Labelled
    final_name: str
    evaluator: Evaluator


def progress_bar(plan: Plan, done: int, shown: bool) -> tqdm:
    """Return a bar of the run's images, `done` steps of which are behind it."""
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
