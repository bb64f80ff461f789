"""Makes fashion_mnist_sample.npz from the official files of Fashion-MNIST.

    python make_sample.py FOLDER

FOLDER holds the four `*-ubyte.gz` files of the data set. The sample is
1,200 training and 200 test images of each class, drawn without replacement
from the official splits by the seed below; running this again writes the same
arrays. Fashion-MNIST: arXiv:1708.07747, MIT licence (see LICENSE here).
"""

import gzip
import os
import pathlib
import sys

import numpy as np

SEED = 2010_11929
PER_CLASS = {"train": 1200, "test": 200}
OFFICIAL = {"train": "train", "test": "t10k"}
HERE = pathlib.Path(__file__).parent


def read_idx(path: str | os.PathLike[str], header_bytes: int) -> np.ndarray:
    """Return the bytes of a gzipped IDX file behind its header."""
    with gzip.open(path) as file:
        return np.frombuffer(file.read(), np.uint8, offset=header_bytes)


def main(folder: pathlib.Path) -> None:
    """Draw the sample and write it beside this script."""
    rng = np.random.default_rng(SEED)
    sample = {}
    for split, prefix in OFFICIAL.items():
        images = read_idx(folder / f"{prefix}-images-idx3-ubyte.gz", 16)
        images = images.reshape(-1, 28, 28)
        labels = read_idx(folder / f"{prefix}-labels-idx1-ubyte.gz", 8)
        drawn = [
            rng.choice(np.flatnonzero(labels == label), PER_CLASS[split], replace=False)
            for label in np.unique(labels)
        ]
        index = np.sort(np.concatenate(drawn))
        sample[f"{split}_images"] = images[index]
        sample[f"{split}_labels"] = labels[index]
        sample[f"{split}_index"] = index.astype(np.uint16)  # in the official split
    np.savez_compressed(HERE / "fashion_mnist_sample.npz", **sample)


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
