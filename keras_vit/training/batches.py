"""The batches of a run, step by step, whatever its files are like."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from keras_vit.data.pipeline import CHUNK, examples_of_step
from keras_vit.data.unreadable import READING_ERRORS, replacements, unreadable_among
from keras_vit.training.replicas import distributed_batches

if TYPE_CHECKING:
    import tensorflow as tf

    from keras_vit.data.labelled import Labelled
    from keras_vit.training.progress import Progress


LOOKED_AHEAD = 512  # images: each new one costs building the stream anew


class TrainBatches:
    """Reads the batch of each step.

    An image that cannot be read is reported, noted in the progress and replaced by
    the next one that can. The batches therefore depend on the files alone, and not
    on when a run met which of them. Of several workers, each notes the images that
    it met itself.

    Args:
        strategy: whose replicas take the batches.
        split: N training images.
        batch_size: of the global batch.
        progress: a `Progress`, which knows the unreadable images met before.
        max_unreadable_fraction: the share of the split beyond which the run stops.
        tell: a function that shows a line to the user.
        **options: of `training_batches`, besides these.
    """

    def __init__(
        self,
        strategy: tf.distribute.Strategy,
        split: Labelled,
        batch_size: int,
        progress: Progress,
        *,
        max_unreadable_fraction: float,
        tell: Callable[[str], object],
        **options: Any,
    ) -> None:
        self._strategy, self._split, self._options = strategy, split, options
        self._batch_size, self._progress = batch_size, progress
        self._most = max_unreadable_fraction * len(split)
        self._tell, self._stream = tell, None
        self._peeked: dict[int, tuple[Any, ...]] = {}

    def peek(self, step: int) -> tuple[Any, ...]:
        """Return the batch of a step, which `batch` then returns without reading it.

        Raises:
            OSError: as `batch` does.
        """
        self._peeked = {step: self.batch(step)}
        return self._peeked[step]

    def batch(self, step: int) -> tuple[Any, ...]:
        """Return the batch of a step; steps are asked for in order.

        Raises:
            OSError: if more images are unreadable than may be, or a batch
                cannot be read although each of its images can.
        """
        if step in self._peeked:
            return self._peeked.pop(step)
        while True:
            try:
                self._stream = self._stream or iter(self._from(step))
                return next(self._stream)
            except READING_ERRORS as error:
                self._stream = None
                self._pass_over(step, error)

    def names(self, step: int) -> list[str]:
        """Return the names of a step's images, by which people find them."""
        return [self._split.name(index) for index in self._examples(step)]

    def _from(self, step: int) -> Any:
        unreadable = self._progress.unreadable
        return distributed_batches(
            self._strategy,
            self._split,
            self._batch_size,
            first_step=step,
            replacements=replacements(len(self._split), unreadable)
            if unreadable
            else None,
            **self._options,
        )

    def _examples(self, step: int) -> np.ndarray:
        """Return the indices in the split of a step's images, after replacements."""
        indices = examples_of_step(
            self._split,
            self._batch_size,
            self._options["seed"],
            step,
            self._options["augmentation"].repeats,
            sampling=self._options.get("sampling"),
        )
        return replacements(len(self._split), self._progress.unreadable)[indices]

    def _pass_over(self, step: int, error: Exception) -> None:
        """Note which images of the step, and of some that follow, are unreadable."""
        split, known = self._split, self._progress.unreadable
        steps = range(step, step + 1 + -(-LOOKED_AHEAD // self._batch_size))
        ahead = np.concatenate([self._examples(one) for one in steps])
        # No farther than a step and its last chunk, or not much.
        ahead = ahead[: max(LOOKED_AHEAD, self._batch_size + CHUNK)]
        found = unreadable_among(split, ahead)
        if not found:
            raise OSError(
                f"The batch of step {step + 1} could not be read, although each of its "
                f"images can be ({str(error).splitlines()[0]}). Start the run again: "
                "it resumes from the last checkpoint"
            ) from error
        known += found
        if len(known) > self._most or len(known) == len(split):
            names = ", ".join(split.name(index) for index in known[-3:])
            raise OSError(
                f"{len(known)} of {len(split):,} training images cannot be read, more "
                f"than max_unreadable_fraction allows, among them {names} "
                f"({next(iter(found.values()))}). List all of them with keras-vit "
                "inspect-data, and repair or remove them"
            )
        others = replacements(len(split), known)
        for index, reason in found.items():
            self._tell(
                f"Cannot be read: {reason}. {split.name(others[index])} is used "
                f"instead ({len(known)} so far)."
            )
