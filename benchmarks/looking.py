"""What it costs to look inside, beside plain inference, in one run.

    python benchmarks/looking.py [--model=ViT_B16] [--rounds=10] [--images=128]

Interleaves attention rollout and the other looks with the model's own forward pass
on the same batch; prints medians and ratios. Then measures, in a process of its own,
the memory at its peak while the attention distance of so many images is taken.
"""

import argparse
import pathlib
import re
import statistics
import subprocess
import sys
import time

import numpy as np

BATCH = 8


def main():
    """Times in turn, prints the ratios, and the memory of another process."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--model", default="ViT_B16")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--images", type=int, default=128)
    parser.add_argument("--distance", action="store_true", help="that alone")
    options = parser.parse_args()
    if options.distance:
        return distance(options.model, options.images)

    medians = interleaved(looks(options.model), options.rounds)
    forward = medians["forward"]
    for name, seconds in medians.items():
        print(f"{name:<20}{1000 * seconds:9.1f} ms {seconds / forward:6.2f} x forward")
    print("attention rollout over forward is asked to be at most 1.5")
    alone = [sys.executable, __file__, "--distance", f"--model={options.model}"]
    subprocess.run([*alone, f"--images={options.images}"], check=True)
    return None


def looks(name):
    """Functions without arguments, by what they do to a batch of images."""
    import keras_vit
    from keras_vit import inspect

    model = getattr(keras_vit, name)()
    images = np.random.default_rng(0).uniform(0, 255, (BATCH, *model.input.shape[1:]))
    images = images.astype(np.float32)
    return {
        "forward": lambda: model.predict_on_batch(images),
        "attention rollout": lambda: inspect.attention_rollout(model, images),
        "attention distance": lambda: inspect.attention_distance(model, images),
        "gradient rollout": lambda: inspect.gradient_rollout(model, images),
        "Grad-CAM": lambda: inspect.grad_cam(model, images),
    }


def interleaved(calls, rounds):
    """The median seconds of each call, in turn, after one that is not counted."""
    seconds = {name: [] for name in calls}
    for turn in range(rounds + 1):
        for name, call in calls.items():
            begin = time.perf_counter()
            call()
            if turn:
                seconds[name].append(time.perf_counter() - begin)
    return {name: statistics.median(values) for name, values in seconds.items()}


def distance(name, count):
    """Takes the attention distance, and prints the memory at its peak."""
    import keras_vit
    from keras_vit import inspect

    model = getattr(keras_vit, name)()
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (count, *model.input.shape[1:]), np.uint8)
    inspect.attention_distance(model, images)
    status = pathlib.Path("/proc/self/status").read_text()
    peak = int(re.search(r"VmHWM:\s+(\d+)", status)[1]) * 1024
    print(f"attention distance of {count} images: {peak / 1e9:.2f} GB at its peak")


if __name__ == "__main__":
    main()
