"""How fast images become batches, and how fast beside timm.

    python benchmarks/data.py PHOTOGRAPHS [--small=FOLDER] [--rounds=5]

PHOTOGRAPHS is a folder of JPEG files (in folders or not), FOLDER one of small ones,
such as CIFAR-10's. Interleaves all loaders, with as many workers as there are
cores, and prints the median rate of each, and its ratio to that of timm's loader
where timm and torchvision are installed.
"""

import argparse
import contextlib
import os
import pathlib
import resource
import statistics
import time

import numpy as np

from keras_vit.data import Files, Split
from keras_vit.data.augmentation import Augmentation
from keras_vit.data.evaluation import evaluation_batches
from keras_vit.data.pipeline import training_batches

BATCH = 64
WARM_UP = 8  # batches
LEAST = 2000  # images, over which the photographs are repeated
INCEPTION = {"crop": "inception", "flip": True}
RANDAUGMENT = INCEPTION | {"randaugment": (2, 10)}
PAD = {"crop": "pad", "crop_padding": 4, "flip": True}
AT_224 = {
    "crop, flip": INCEPTION,
    "crop, flip, RandAugment": RANDAUGMENT,
    "crop, flip, RandAugment, MixUp": RANDAUGMENT | {"mixup": 0.2},
    "crop, flip, RandAugment, CutMix": RANDAUGMENT | {"cutmix": 1.0},
}


def main():
    """Times all loaders in turn and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("photographs", type=pathlib.Path)
    parser.add_argument("--small", type=pathlib.Path)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--batches", type=int, default=16, help="in a round")
    options = parser.parse_args()

    photographs = files_in(options.photographs)
    photographs = np.resize(photographs, max(len(photographs), LEAST))
    loaders = dict(ours(Files(photographs, np.zeros(len(photographs), np.int32))))
    loaders |= dict(timms(photographs))
    if options.small:
        small = files_in(options.small)
        loaders |= dict(of_small(Files(small, np.arange(len(small)) % 10)))
    rates = {name: [] for name in loaders}
    for _ in range(options.rounds):
        for name, make in loaders.items():
            many = options.batches * (20 if "32" in name else 1)
            rates[name].append(rate_of(make(), many))
    print_table({name: statistics.median(told) for name, told in rates.items()})


def files_in(folder):
    """The paths of all JPEG files in a folder, by name."""
    suffixes = ".jpg", ".jpeg"
    found = [str(path) for path in folder.rglob("*") if path.suffix.lower() in suffixes]
    if not found:
        raise SystemExit(f"No JPEG files in {folder}.")
    return np.array(sorted(found))


def ours(split):
    """The package's own loaders of photographs, by name."""
    for name, changed in AT_224.items():
        yield name, lambda changed=changed: training(split, changed, 224)
    yield "evaluation", lambda: evaluation(split)


def of_small(files):
    """Those of images of 32 x 32, from files and from memory."""
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (50_000, 32, 32, 3), dtype=np.uint8)
    arrays = Split(pixels, np.arange(50_000) % 10)
    yield "32 x 32 files: pad, flip", lambda: training(files, PAD, 32)
    yield "32 x 32 arrays: pad, flip", lambda: training(arrays, PAD, 32)


def training(split, changed, size):
    """Yields the sizes of batches."""
    classes = int(split.labels.max()) + 1
    stream = training_batches(
        split,
        BATCH,
        (size, size),
        classes,
        seed=0,
        augmentation=Augmentation(**changed),
    )
    for images, _ in stream:
        yield len(images)


def evaluation(split):
    """Yields the sizes of batches, round and round."""
    while True:
        for images, _, _ in evaluation_batches(split, BATCH, (224, 224)):
            yield len(images)


def timms(paths):
    """timm's loader on the same work; none without timm and torchvision."""
    with contextlib.suppress(ImportError):
        from timm.data import create_transform

        options = {"input_size": 224, "is_training": True, "scale": (0.05, 1.0)}
        randaugment = options | {"auto_augment": "rand-m10-n2"}
        for name, kind in {
            "timm: crop, flip": options,
            "timm: crop, flip, RandAugment": randaugment,
            "timm: evaluation": {"input_size": 224},
        }.items():
            transform = create_transform(**kind)
            yield name, lambda transform=transform: timm_batches(paths, transform)
        return
    print("timm with torchvision is not installed: no ratios.")


def timm_batches(paths, transform):
    """Yields the sizes of the batches of timm's loader, round and round."""
    from timm.data import ImageDataset, create_loader
    from timm.data.readers.reader import Reader

    class Paths(Reader):
        def __getitem__(self, index):
            return open(paths[index], "rb"), 0

        def __len__(self):
            return len(paths)

        def _filename(self, index, basename=False, absolute=False):
            return str(paths[index])

    dataset = ImageDataset(root="", reader=Paths(), transform=transform)
    loader = create_loader(
        dataset,
        input_size=(3, 224, 224),
        batch_size=BATCH,
        is_training=True,
        use_prefetcher=False,
        num_workers=os.cpu_count(),
        pin_memory=False,
    )
    loader.dataset.transform = transform
    while True:
        for images, _ in loader:
            yield len(images)


def rate_of(batches, count):
    """Images a second over so many batches of a loader that begins anew."""
    for _ in range(WARM_UP):
        next(batches)
    begun = time.perf_counter()
    images = sum(next(batches) for _ in range(count))
    rate = images / (time.perf_counter() - begun)
    batches.close()
    return rate


def print_table(rates):
    """Prints each rate, and its ratio to that of timm's loader."""
    for name, rate in rates.items():
        peer = "timm: " + name.partition(", MixUp")[0].partition(", CutMix")[0]
        ratio = f"   {rate / rates[peer]:.2f} x timm" if peer in rates else ""
        print(f"{name:<34}{rate:9,.0f} images/s{ratio}")
    mixed, plain = (rates[f"crop, flip, RandAugment{more}"] for more in (", MixUp", ""))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"MixUp leaves {mixed / plain:.3f} of the rate. Peak memory {peak:,.0f} MB.")


if __name__ == "__main__":
    main()
