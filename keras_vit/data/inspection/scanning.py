"""A split -> a row of facts an image, read on all cores."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np

from keras_vit.data.inspection.reading import DIGEST_BYTES, facts_of
from keras_vit.data.labelled import Labelled

BLOCK = 64  # images that a thread reads at a time
ROW = np.dtype(
    [
        ("digest", f"V{DIGEST_BYTES}"),
        ("width", np.int32),
        ("height", np.int32),
        ("kind", np.uint16),
        ("turned", np.bool_),
        ("too_large", np.bool_),
        ("low", np.float64),
        ("high", np.float64),
        ("clear", np.bool_),
        ("pages", np.uint32),
        ("fourth", np.bool_),
        ("readable", np.bool_),
    ]
)


@dataclass(frozen=True)
class Scan:
    """What was found in a split: n images, in its order.

    Attributes:
        indices: of the images in the split, `(n,)`.
        rows: their facts, `(n,)` of `ROW`.
        kinds: the (format, mode) that a row's `kind` counts to.
        errors: for each row that is not readable, why.
    """

    indices: np.ndarray
    rows: np.ndarray
    kinds: tuple[tuple[str, str], ...]
    errors: dict[int, str]

    def readable(self) -> np.ndarray:
        """Return the readable rows alone."""
        return self.rows[self.rows["readable"]]

    def sizes(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the sizes of readable images, `(s, 2)`, and their counts, `(s,)`."""
        rows = self.readable()
        pairs = np.stack([rows["width"], rows["height"]], axis=1)
        return np.unique(pairs, axis=0, return_counts=True)


def scan(split: Labelled, indices: np.ndarray, progress: Callable[[int], Any]) -> Scan:
    """Read images of a split, each once, in threads.

    Args:
        split: a `Split`, `Files`, or what has their methods; `image(index)`
            may be called from several threads.
        indices: of the images to read.
        progress: is called with how many images more have been read.

    Returns:
        A `Scan`: 60 bytes an image, whatever the images weigh.
    """
    rows, kinds, errors = np.zeros(len(indices), ROW), {}, {}
    blocks = [indices[start : start + BLOCK] for start in range(0, len(rows), BLOCK)]
    pool = ThreadPoolExecutor(os.cpu_count())
    try:
        row = 0
        for block in pool.map(
            lambda block: [facts_of(split, i) for i in block], blocks
        ):
            for facts in block:
                kind = kinds.setdefault((facts.format, facts.mode), len(kinds))
                rows[row] = (
                    facts.digest,
                    facts.width,
                    facts.height,
                    kind,
                    facts.turned,
                    facts.too_large,
                    facts.low,
                    facts.high,
                    facts.clear,
                    facts.pages,
                    facts.fourth,
                    not facts.error,
                )
                if facts.error:
                    errors[row] = facts.error
                row += 1
            progress(len(block))
    finally:
        pool.shutdown(cancel_futures=True)  # after Ctrl-C nothing more is begun
    return Scan(indices, rows, tuple(kinds), errors)
