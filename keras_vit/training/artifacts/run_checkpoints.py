"""The checkpoints of a run: when they are written, and what is restored of them."""

from __future__ import annotations

import logging
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from keras_vit.distribution import is_chief
from keras_vit.training.progress import Plan, Progress
from keras_vit.training.replicas import same_for_all, wait_for_all

if TYPE_CHECKING:
    from keras_vit.compat import Strategy
    from keras_vit.data.splits import Labelled
    from keras_vit.training.artifacts.folder import RunFolder
    from keras_vit.training.step import TrainingState

LOG = logging.getLogger(__name__)
MAX_FAILURES = 3  # in a row


class RunCheckpoints:
    """Saves and restores what a step of a run changes, and the run's progress.

    Args:
        folder: of the run.
        state: of the run, whose variables a checkpoint holds.
        plan: of the run.
        strategy: a `tf.distribute.Strategy`. Of several workers the chief saves, and
            all restore.
    """

    def __init__(
        self, folder: RunFolder, state: TrainingState, plan: Plan, strategy: Strategy
    ) -> None:
        self._folder, self._state = folder, state
        self._plan, self._strategy = plan, strategy
        self._failures, self._saved = 0, None

    def restore(self, train_split: Labelled) -> Progress:
        """Restore the newest checkpoint, if there is one, and return its progress.

        Args:
            train_split: the images to train on.

        Raises:
            ValueError: if the run began on other images or with another model, or if
                workers find different checkpoints.
        """
        newest, progress = self._folder.checkpoints.newest(), Progress()
        if newest is not None:
            self._folder.check_data(train_split, self._plan.eval_split)
            step, notes = newest
            self._folder.checkpoints.restore(step, self._state.variables())
            progress = Progress.of_checkpoint(notes["journal"], self._plan.eval_name)
            LOG.info(f"Resuming from step {step:,} of {self._plan.total_steps:,}.")
        if not same_for_all(self._strategy, self._state.steps_taken()):
            raise ValueError(
                "All workers must find the same checkpoints, in one folder on a disk "
                f"that they share. Received: {self._folder.path}, where they found "
                "different ones"
            )
        return progress

    def save(self, progress: Progress, *, anew: bool = False) -> None:
        """Save a checkpoint, unless it is there. A full disk is only logged, twice.

        Args:
            progress: of the run.
            anew: whether weights have changed since the last step was saved.

        Raises:
            OSError: if three checkpoints in a row could not be written.
        """
        place = self._state.steps_taken(), progress.lap_steps
        if place == self._saved and not anew:
            return  # a signal came as that one was written
        try:
            if is_chief(self._strategy):  # the other workers would save the same
                self._write(place[0], asdict(progress))
            self._failures, self._saved = 0, place
        except OSError as error:
            self._failures += 1
            LOG.warning(
                f"The checkpoint of step {place[0]} could not be written ({error}). "
                "Earlier checkpoints are kept, and training continues to the next one."
            )
            if self._failures == MAX_FAILURES:
                raise OSError(
                    f"{self._failures} checkpoints in a row could not be written: "
                    f"{error}. Free disk space, then start the run again to resume it"
                ) from error

    def _write(self, step: int, progress: dict[str, Any]) -> None:
        best = progress["best"]
        self._folder.checkpoints.save(
            step,
            self._state.variables(),
            {"journal": progress},
            best=best and best["step"],
        )
        if progress["history"]:
            self._folder.write_history(progress["history"])

    def restore_best(self, progress: Progress, *, changed: bool) -> bool:
        """Restore the weights of the best evaluation, unless the model has them.

        Args:
            progress: of the run.
            changed: whether the model may have others than the last checkpoint.

        Returns:
            Whether they were restored.
        """
        best, checkpoints = progress.best, self._folder.checkpoints
        wait_for_all(self._strategy)  # until the chief has written the last one
        if best is None or not checkpoints.has(best["step"]):
            LOG.warning(
                "The weights of the last step are kept, and not the best ones "
                "(keep=best), as the checkpoint of the best evaluation is missing or "
                "damaged."
            )
            return False
        LOG.info(
            f"Keeping the weights of step {best['step']:,}, of the best evaluation: "
            f"{self._plan.eval_name} accuracy {best['accuracy']:.3f}."
        )
        if best["step"] == self._state.steps_taken() and not changed:
            return False
        checkpoints.restore(best["step"], self._state.variables())
        return True
