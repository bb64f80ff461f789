"""What features of a data set cost over plain inference on the same images.

    python benchmarks/features.py [--model=ViT_Ti16] [--images=512] [--rounds=7]
        [--photographs=FOLDER]

Interleaves, in one process, `features_of` without what it kept from before, and
`predict_on_batch` of the whole model on the batches that evaluation reads; prints
median rates and their ratio. Both read and resize each image. FOLDER is one of JPEG
files, in place of pixels in memory.
"""

import argparse
import os
import pathlib
import statistics
import tempfile
import time

import numpy as np

import keras_vit
from keras_vit.data import Files, Split
from keras_vit.data.evaluation import evaluation_batches
from keras_vit.evaluation import features_of
from keras_vit.files import cache_folder


def main():
    """Times both in turn and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--model", default="ViT_Ti16")
    parser.add_argument("--images", type=int, default=512)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--photographs", type=pathlib.Path)
    options = parser.parse_args()

    model = getattr(keras_vit, options.model)()
    split = split_of(options)

    def plain():
        size = model.input_shape[1:3]
        for images, _, _ in evaluation_batches(split, options.batch, size):
            model.predict_on_batch(images)

    def features():
        for kept in (cache_folder() / "features").glob("*.npy"):
            kept.unlink()
        features_of(model, split, options.batch)

    seconds = {plain: [], features: []}
    with tempfile.TemporaryDirectory() as home:
        os.environ["KERAS_HOME"] = home
        for number in range(options.rounds + 1):
            for way, told in seconds.items():
                begun = time.perf_counter()
                way()
                if number:  # the first round traces
                    told.append(time.perf_counter() - begun)
    base = statistics.median(seconds[plain])
    for name, way in (("plain inference", plain), ("features_of", features)):
        median = statistics.median(seconds[way])
        rate = f"{len(split) / median:9.1f} images/s"
        print(f"{name:<16}{rate}{base / median:8.3f} of plain")


def split_of(options):
    """The images, their labels all 0."""
    labels = np.zeros(options.images, np.int32)
    if options.photographs:
        files = sorted(map(str, options.photographs.rglob("*.jpg")))
        return Files(np.resize(np.array(files), options.images), labels)
    shape = options.images, 224, 224, 3
    return Split(np.random.default_rng(0).integers(0, 256, shape, np.uint8), labels)


if __name__ == "__main__":
    main()
