"""Time and memory of large images, beside timm and another build of this package.

    python benchmarks/resolution.py [--model=ViT_S16] [--sizes=224,512,1024]
        [--rounds=3] [--before=FOLDER]

Each step runs in a process of its own, in turn; the peak is that of the process above
what it had before the first step. Batch 16 up to 224 pixels, 4 up to 384, else 1. timm
runs eagerly, by PyTorch's fused attention; ours as a traced graph.
"""

import argparse
import json
import statistics

import numpy as np
from processes import measured, run

TIMM = {"ViT_S16": "vit_small_patch16_224", "ViT_B16": "vit_base_patch16_224"}
ROUNDS = 2  # of a process


def main():
    """Runs every contestant in turn and prints medians and ratios."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--model", default="ViT_S16", choices=TIMM)
    parser.add_argument("--sizes", default="224,512,1024")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--before", help="a folder with another build")
    parser.add_argument("--only", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.only:
        who, what, size = options.only.split(",")
        print(json.dumps(step(who, what, options.model, int(size))))
        return
    contestants = ["timm", *(["before"] if options.before else []), "ours"]
    print(f"{'':<8}{'pixels':>7}{'':>12}{'s/step':>10}{'peak MB':>10}   ours over it")
    for what in ("training", "inference"):
        for size in options.sizes.split(","):
            compare(contestants, what, size, options)


def compare(contestants, what, size, options):
    """Run every contestant in turn and print a line for each."""
    found = {who: [] for who in contestants}
    for _ in range(options.rounds):
        for who in contestants:
            arguments = [f"--only={who},{what},{size}", f"--model={options.model}"]
            package = options.before if who == "before" else None
            found[who].append(run(__file__, arguments, package))
    medians = {
        who: {key: statistics.median(one[key] for one in some) for key in some[0]}
        for who, some in found.items()
    }
    ours = medians["ours"]
    for who, one in medians.items():
        rate, memory = one["seconds"] / ours["seconds"], ours["peak"] / one["peak"]
        print(
            f"{who:<8}{size:>7}{what:>12}{one['seconds']:>10.2f}{one['peak']:>10,.0f}"
            f"   {rate:.2f} of its images/s, {memory:.2f} of its memory",
            flush=True,
        )


def step(who, what, name, size):
    """Measure one contestant's step in this process."""
    batch = 16 if size <= 224 else 4 if size <= 384 else 1
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (batch, size, size, 3), dtype=np.uint8)
    make = step_of_timm if who == "timm" else step_of_ours
    return measured(make(what, name, images), ROUNDS)


def step_of_timm(what, name, images):
    """Return timm's step, without arguments."""
    import timm
    import torch

    model = timm.create_model(TIMM[name], img_size=images.shape[1])
    x = torch.from_numpy(images).permute(0, 3, 1, 2).float() / 127.5 - 1
    labels = torch.zeros(len(images), dtype=torch.long)
    model.train(what == "training")

    def step():
        if what == "inference":
            with torch.inference_mode():
                return model(x)
        model.zero_grad(set_to_none=True)
        torch.nn.functional.cross_entropy(model(x), labels).backward()
        return None

    return step


def step_of_ours(what, name, images):
    """Return the step of this package, or of another build of it."""
    import keras
    import tensorflow as tf

    import keras_vit

    model = getattr(keras_vit, name)(image_size=images.shape[1])
    labels = tf.one_hot([0] * len(images), 1000)
    loss_of = keras.losses.CategoricalCrossentropy(from_logits=True)
    weights = [weight.value for weight in model.trainable_variables]

    @tf.function
    def step(images):
        if what == "inference":
            return model(images, training=False)
        with tf.GradientTape() as tape:
            loss = loss_of(labels, model(images, training=True))
        return tape.gradient(loss, weights)

    images = tf.constant(images)
    return lambda: step(images)


if __name__ == "__main__":
    main()
