"""How fast 12-megapixel photographs are trained on with a cache, and what it changes.

    python benchmarks/photographs.py [PHOTOGRAPHS] [--rounds=3] [--only=rates|accuracy]

Pictures are enlarged from the JPEG files in the folder PHOTOGRAPHS, or drawn. First,
rates of the training images of `finetune`, interleaved: uncached, the first epoch that
fills the cache, later epochs, and timm's loader on the same work where timm and
torchvision are installed. Each in a process of its own, whose peak memory is printed.

Then the accuracy of a small model after fine-tuning with and without the cache, and
with and without `resize_antialias`: pictures and model a quarter as long and wide, so
that crops shrink by the factor by which those of 12 megapixels become 224 pixels.
"""

import argparse
import json
import pathlib
import resource
import statistics
import subprocess
import sys
import tempfile
import time

import numpy as np
from PIL import Image

BATCH, WARM_UP = 32, 6  # until as much is finished as is begun
WIDE, SMALL = (3000, 4000), (750, 1000)
CLASSES = 16
KINDS = ("uncached", "uncached, antialiased", "first epoch", "later epochs", "timm")


def main():
    """Makes the pictures, and prints both tables."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("photographs", type=pathlib.Path, nargs="?")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--pictures", type=int, default=64)
    parser.add_argument("--batches", type=int, default=8, help="of what is slow")
    parser.add_argument("--each", type=int, default=24, help="images of a class")
    parser.add_argument("--epochs", type=int, default=10, help="of fine-tuning")
    parser.add_argument("--only", choices=("rates", "accuracy"))
    parser.add_argument("--measure", choices=KINDS, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=pathlib.Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        found = measured(options.measure, options.folder, options.batches)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(json.dumps([*found, peak]))
        return
    with tempfile.TemporaryDirectory() as folder:
        if options.only != "accuracy":
            print_rates(options, pathlib.Path(folder, "rates"))
        if options.only != "rates":
            print_accuracies(options, pathlib.Path(folder, "accuracy"))


def sources(photographs, count):
    """Yields pictures, round and round: photographs, or drawn ones."""
    suffixes = ".jpg", ".jpeg"
    found = sorted(photographs.rglob("*")) if photographs else []
    found = [path for path in found if path.suffix.lower() in suffixes]
    for number in range(count):
        if photographs:
            yield Image.open(found[number % len(found)]).convert("RGB")
        else:
            yield Image.fromarray(drawn(number))


def drawn(number):
    """Shapes and textures of all sizes, `(600, 800, 3)`."""
    rng = np.random.default_rng(number)
    y, x = np.mgrid[:600, :800] / 800
    picture = np.zeros((600, 800, 3))
    for octave in range(7):
        turns = rng.uniform(-1, 1, (2, 3)) * 2 ** (octave + 1)
        waves = np.sin(2 * np.pi * (y[..., None] * turns[0] + x[..., None] * turns[1]))
        picture += 60 / (octave + 1) ** 0.7 * waves
    for _ in range(12):
        top, left = rng.integers(0, 500, 2)
        high, wide = rng.integers(30, 250, 2)
        picture[top : top + high, left : left + wide] += rng.uniform(-70, 70, 3)
    return (128 + picture).clip(0, 255).astype(np.uint8)


def view(picture, size, rng):
    """A part of a picture, brighter or darker, with a camera's noise."""
    scale = rng.uniform(0.35, 1)
    width, height = (int(side * scale) for side in picture.size)
    left = rng.integers(0, picture.width - width + 1)
    top = rng.integers(0, picture.height - height + 1)
    box = (left, top, left + width, top + height)
    part = picture.resize(size[::-1], Image.BICUBIC, box=box)
    noise = rng.normal(0, 12, (*size, 1))
    pixels = np.asarray(part, np.float32) * rng.uniform(0.6, 1.2) + noise
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


def print_rates(options, folder):
    """Measures each kind in turn, and prints the medians and their ratios."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    for number, picture in enumerate(sources(options.photographs, options.pictures)):
        view(picture, WIDE, rng).save(folder / f"{number:04}.jpg", quality=90)
    size = sum(path.stat().st_size for path in folder.iterdir()) / options.pictures
    print(f"{options.pictures} JPEG files of 12 megapixels, {size / 1e6:.1f} MB each")
    print(f"antialiasing changes {difference(folder):.1f} levels of a crop on average")
    rows = {}
    for _ in range(options.rounds):
        for kind in KINDS:
            found = in_a_process(kind, folder, options.batches)
            if found is not None:
                rows.setdefault(kind, []).append(found)
    medians = {kind: np.median(found, axis=0) for kind, found in rows.items()}
    for kind, (rate, work, peak) in medians.items():
        print(f"{kind:<23}{rate:8,.1f} images/s {1e3 * work:7.1f} ms {peak:6,.0f} MB")
        for other in ("uncached", "timm"):
            if other in medians and kind != other:
                faster, less = rate / medians[other][0], medians[other][1] / work
                print(f"{faster:14.2f} x the rate of {other}, {less:.2f} by work")


def difference(folder):
    """How far crops with and without antialiasing are apart, in levels."""
    paths = sorted(str(path) for path in folder.glob("*.jpg"))
    one, other = (next(ours(kind, paths, 1)[0])[0] for kind in KINDS[:2])
    return np.abs(one - other).mean()


def in_a_process(kind, folder, batches):
    """Images a second, seconds of a core an image, and peak memory of a kind.

    `None` where it is not installed.
    """
    command = [sys.executable, __file__, f"--measure={kind}", f"--folder={folder}"]
    told = subprocess.run(
        [*command, f"--batches={batches}"], capture_output=True, text=True
    )
    if told.returncode == 3:
        return None
    if told.returncode:
        raise SystemExit(told.stderr)
    return json.loads(told.stdout.splitlines()[-1])


def measured(kind, folder, batches):
    """Images a second of a kind of loader, and seconds of a core an image."""
    paths = sorted(str(path) for path in folder.glob("*.jpg"))
    if kind == "timm":
        try:
            return rate_of(timm_batches(paths), batches, by_worker=True)
        except ImportError:
            raise SystemExit(3) from None
    return rate_of(*ours(kind, paths, batches))


def ours(kind, paths, batches):
    """The package's own batches, and how many of them."""
    from keras_vit.data import Dataset, Files, cached
    from keras_vit.data.augmentation import Augmentation
    from keras_vit.data.pipeline import training_batches

    split = Files(paths, np.arange(len(paths)) % 2)
    dataset = Dataset("pictures", split, split, ("even", "odd"))
    cache = pathlib.Path(paths[0]).parent / "cache"
    augmentation = Augmentation(
        crop="inception",
        crop_area=(0.25, 1.0),
        flip=True,
        resize_antialias=kind != "uncached",
    )
    if kind == "first epoch":
        cache = pathlib.Path(tempfile.mkdtemp(dir=cache.parent))
    if "epoch" in kind:
        split = cached(dataset, cache).train
    if kind == "later epochs":
        for index in range(len(split)):
            split.image(index)  # so that all are there
        batches *= 10
    options = {"seed": 0, "augmentation": augmentation}
    stream = training_batches(split, BATCH, (224, 224), 2, **options)
    return stream.as_numpy_iterator(), batches


def timm_batches(paths):
    """The batches of timm's loader, with as many workers as there are cores."""
    import os

    import torch
    from timm.data import create_transform

    transform = create_transform(224, is_training=True, scale=(0.25, 1), color_jitter=0)

    class Pictures(torch.utils.data.Dataset):
        def __len__(self):
            return 10**6

        def __getitem__(self, index):
            begun = time.process_time()
            picture = Image.open(paths[index % len(paths)]).convert("RGB")
            return transform(picture), time.process_time() - begun

    workers = os.cpu_count()
    return iter(torch.utils.data.DataLoader(Pictures(), BATCH, num_workers=workers))


def rate_of(stream, batches, by_worker=False):
    """Images a second over so many batches, and seconds of a core an image.

    The rate depends on what else a machine does, the work less so.
    """
    for _ in range(WARM_UP):
        next(stream)
    begun, worked = time.perf_counter(), time.process_time()
    told = [next(stream)[1] for _ in range(batches)]
    images, seconds = batches * BATCH, time.perf_counter() - begun
    work = time.process_time() - worked
    if by_worker:
        work = float(sum(one.sum() for one in told))
    return images / seconds, work / images


def print_accuracies(options, folder):
    """Fine-tunes a small model in each way, and prints the accuracies."""
    import keras_vit
    from keras_vit.data import load

    made = [*sources(options.photographs, 2 * CLASSES)]
    rng = np.random.default_rng(1)
    for name, pictures in (("first", made[:CLASSES]), ("second", made[CLASSES:])):
        for label, picture in enumerate(pictures):
            for split in ("train", "test"):
                place = folder / name / split / f"{label:02}"
                place.mkdir(parents=True)
                for number in range(options.each):
                    view(picture, SMALL, rng).save(place / f"{number}.jpg", quality=90)
    how = {
        "export": False,
        "warmup_steps": 5,
        "verbose": 0,
        "flip": True,
        "batch_size": 16,
    }
    how |= {"crop": "inception", "crop_area": 0.25, "crop_padding": None, "mixup": None}
    settings = keras_vit.recipes.get("fashion_mnist")
    settings = keras_vit.recipes.changed(
        settings, {"image_size": 56, "evaluate_every": 10_000}
    )
    trained = keras_vit.train(
        settings,
        dataset=load(folder / "first"),
        cache=folder / "first-cache",
        folder=folder / "trained",
        epochs=5 * options.epochs,
        **how,
    )
    print(f"pre-trained on other classes: {100 * trained.evaluation.top1:.1f} %")
    ways = {
        (cached, antialias): []
        for cached in (False, True)
        for antialias in (False, True)
    }
    how |= {
        "model": str(folder / "trained"),
        "epochs": options.epochs,
        "image_size": None,
    }
    for seed in range(options.rounds):
        for (cached, antialias), found in ways.items():
            run = keras_vit.train(
                settings,
                dataset=load(folder / "second"),
                cache=folder / "second-cache" if cached else None,
                folder=folder / f"{seed}-{cached}-{antialias}",
                resize_antialias=antialias,
                seed=seed,
                **how,
            )
            found.append(100 * run.evaluation.top1)
    print(f"accuracy on {CLASSES * options.each} test images, {options.rounds} seeds")
    for (cached, antialias), found in ways.items():
        name = f"{'cached' if cached else 'uncached'}, resize_antialias={antialias}"
        each = ", ".join(f"{one:.1f}" for one in found)
        print(f"{name:<36}{statistics.mean(found):6.1f} %  ({each})")


if __name__ == "__main__":
    main()
