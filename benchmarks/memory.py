"""Whether memory stays flat while images are read and changed.

    python benchmarks/memory.py PHOTOGRAPHS [--steps=1500]

Goes through so many batches of 64 at 224 with everything on, and prints the memory
in use at ten points. An hour of training ViT-S/16 on two cores is 1,200 such steps.
"""

import argparse
import itertools
import os
import pathlib

import numpy as np
from data import BATCH, RANDAUGMENT, files_in

from keras_vit.data import Files
from keras_vit.data.augmentation import Augmentation
from keras_vit.data.pipeline import training_batches


def main():
    """Runs the stream and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("photographs", type=pathlib.Path)
    parser.add_argument("--steps", type=int, default=1500)
    options = parser.parse_args()
    found = files_in(options.photographs)
    split = Files(found, np.zeros(len(found), np.int32))
    everything = Augmentation(**RANDAUGMENT, mixup=0.2, cutmix=1.0, erasing=0.25)
    batches = training_batches(
        split, BATCH, (224, 224), 1, seed=0, augmentation=everything
    )
    every = max(options.steps // 10, 1)
    for step, _ in enumerate(itertools.islice(batches, options.steps + 1)):
        if step % every == 0:
            print(f"step {step:>6,}: {in_use():,.0f} MB", flush=True)


def in_use():
    """Resident memory, in MB."""
    pages = int(pathlib.Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


if __name__ == "__main__":
    main()
