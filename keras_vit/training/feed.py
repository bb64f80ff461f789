"""The batches of a run, step by step, whatever its files are like."""

import numpy as np

from keras_vit.data.pipeline import CHUNK, examples_of_step
from keras_vit.data.unreadable import READING_ERRORS, replacements, unreadable_among
from keras_vit.training.replicas import distributed_batches

LOOKED_AHEAD = 512  # images: each new one costs building the stream anew


class Feed:
    """Gives the batch of each step.

    An image that cannot be read is told, noted in the journal and gives its
    place to the next one that can. What a run is fed therefore depends on its
    files alone, and not on when it met which of them. Where several workers
    are fed, each notes what it meets itself.

    Args:
        strategy: whose replicas are fed.
        split: N training images.
        batch_size: of the global batch.
        journal: a `Journal`, which knows the unreadable images met before.
        max_unreadable_fraction: the share of the split at which the run ends.
        tell: what takes a line for the user.
        **options: of `training_batches`, besides these.
    """

    def __init__(
        self,
        strategy,
        split,
        batch_size,
        journal,
        max_unreadable_fraction,
        tell,
        **options,
    ):
        self._strategy, self._split, self._options = strategy, split, options
        self._batch_size, self._journal = batch_size, journal
        self._most = max_unreadable_fraction * len(split)
        self._tell, self._stream = tell, None

    def batch(self, step):
        """The batch of a step, that of the one before having been taken before.

        Raises:
            OSError: if more images are unreadable than may be, or a batch
                cannot be read although each of its images can.
        """
        while True:
            try:
                self._stream = self._stream or iter(self._from(step))
                return next(self._stream)
            except READING_ERRORS as error:
                self._stream = None
                self._pass_over(step, error)

    def names(self, step):
        """What people find the images of a step by."""
        return [self._split.name(index) for index in self._examples(step)]

    def _from(self, step):
        unreadable = self._journal.unreadable
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

    def _examples(self, step):
        """The indices in the split of a step's images, after any change of places."""
        indices = examples_of_step(
            self._split,
            self._batch_size,
            self._options["seed"],
            step,
            self._options["augmentation"].repeats,
        )
        return replacements(len(self._split), self._journal.unreadable)[indices]

    def _pass_over(self, step, error):
        """Notes which images of the step are unreadable, and of some that follow."""
        split, known = self._split, self._journal.unreadable
        steps = range(step, step + 1 + -(-LOOKED_AHEAD // self._batch_size))
        ahead = np.concatenate([self._examples(one) for one in steps])
        # No farther than a step and its last chunk, or not much.
        ahead = ahead[: max(LOOKED_AHEAD, self._batch_size + CHUNK)]
        found = unreadable_among(split, ahead)
        if not found:
            raise OSError(
                f"Step {step + 1} could not be read, though each of its images can "
                f"({str(error).splitlines()[0]}). The same command goes on from the "
                "last checkpoint."
            ) from error
        known += found
        if len(known) > self._most or len(known) == len(split):
            names = ", ".join(split.name(index) for index in known[-3:])
            raise OSError(
                f"{len(known)} of {len(split):,} training images cannot be read, more "
                f"than max_unreadable_fraction allows, among them {names} "
                f"({next(iter(found.values()))}). keras-vit inspect-data finds all of "
                "them"
            )
        others = replacements(len(split), known)
        for index, reason in found.items():
            self._tell(
                f"Cannot be read: {reason}. {split.name(others[index])} is shown in "
                f"its place ({len(known)} so far)."
            )
