"""How long a run is, and what it has seen so far."""

from dataclasses import dataclass, field

from keras_vit.history import HistoryRow, with_present_names


@dataclass
class Journal:
    """What a run remembers besides its variables; part of every checkpoint.

    A lap is what lies between two evaluations, by default an epoch.

    Attributes:
        history: a `HistoryRow` for each lap.
        lap_steps: steps taken in the current lap.
        lap_sums: over them, of loss and accuracy.
        seconds: that the run has taken so far.
        best: the step and the accuracy of the best evaluation.
        stopped: whether a callback ended the run.
        unreadable: indices of the training images that cannot be read, as far
            as they were met.
    """

    history: list[HistoryRow] = field(default_factory=list)
    lap_steps: int = 0
    lap_sums: list = field(default_factory=lambda: [0.0, 0.0])
    seconds: float = 0.0
    best: dict | None = None
    stopped: bool = False
    unreadable: list[int] = field(default_factory=list)

    def add(self, loss, accuracy):
        """Notes a step."""
        self.lap_steps += 1
        self.lap_sums[0] += float(loss)
        self.lap_sums[1] += float(accuracy)

    def means(self):
        """Loss and accuracy of the current lap."""
        loss, accuracy = (total / self.lap_steps for total in self.lap_sums)
        return {"accuracy": accuracy, "loss": loss}

    @classmethod
    def of_checkpoint(cls, notes, eval_split):
        """Return the journal of a checkpoint, which an earlier version may have saved.

        Args:
            notes: the journal's attributes, by name.
            eval_split: the name of the split that the run evaluates on.
        """
        history = [
            with_present_names(row, eval_split=eval_split) for row in notes["history"]
        ]
        return cls(**notes | {"history": history})

    def end_lap(
        self, evaluation, *, steps, epoch, eval_split, learning_rate, images_per_second
    ):
        """End the lap with its evaluation, and return its row of the history."""
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
        if self.best is None or evaluation.accuracy > self.best["accuracy"]:
            self.best = {"step": steps, "accuracy": evaluation.accuracy}
        return row

    def last_logs(self):
        """What Keras tells callbacks at the end of an epoch."""
        if not self.history:
            return {}
        row = self.history[-1]
        return {
            "accuracy": row["accuracy"],
            "loss": row["loss"],
            "val_accuracy": row["eval_accuracy"],
            "val_loss": row["eval_loss"],
        }


@dataclass(frozen=True)
class Plan:
    """The length of a run and its intervals, in steps, and what it is evaluated on.

    Attributes:
        total_steps: of the run.
        lap_steps: from one evaluation to the next.
        checkpoint_steps: from one checkpoint to the next, besides that after
            every evaluation.
        steps_per_epoch: that the training split makes.
        batch_size: of the global batch.
        eval_split: what is evaluated on.
        eval_name: what that is called.
        examination: how it is, as `examination` has it.
    """

    total_steps: int
    lap_steps: int
    checkpoint_steps: int
    steps_per_epoch: int
    batch_size: int
    eval_split: object
    eval_name: str
    examination: object
