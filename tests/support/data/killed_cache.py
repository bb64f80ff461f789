"""Fills a part of a cache, seals it, begins another shard, and is killed.

python -m support.data.killed_cache FOLDER
"""

import os
import pathlib
import signal
import sys

import numpy as np

from keras_vit.data import Dataset, Files, cached


def main(folder):
    """Reads the data set that a test has written, and dies."""
    paths = sorted((folder / "photos").glob("*.jpg"))
    labels = np.arange(len(paths)) % 2
    split = Files(paths[:8], labels[:8])
    dataset = Dataset("photographs", split, split, ("dark", "bright"))
    small = cached(dataset, folder / "cache", short_side=24).train
    for index in (0, 1, 2):
        small.image(index)
    small.cache.seal()
    small.image(3)
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
