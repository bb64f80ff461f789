"""What inference of each published size costs on a CPU: images a second, and memory.

    python benchmarks/zoo.py [PATTERN ...] [--batch=4] [--rounds=3]

Builds the model of each release that has a published accuracy, at the size of its
images, with random weights, in a process of its own. Prints a row of a table: images a
second in the fastest of the rounds, and the peak of the process above what it held
before the model was built, so the weights are part of it.
"""

import argparse
import fnmatch
import json

import processes

from keras_vit.releases import BY_TIMM, list_weights

HEADER = """| model | `weights=` | top-1 | parameters | GMACs | pixels | images/s | \
memory |
| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |"""


def main():
    """Measure one size after another, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("patterns", nargs="*", default=["*"])
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--one", nargs=2, help="a factory and a size: that alone")
    options = parser.parse_args()
    if options.one:
        name, size = options.one
        print(json.dumps(cost(name, int(size), options.batch, options.rounds)))
        return
    print(HEADER)
    limits = [f"--batch={options.batch}", f"--rounds={options.rounds}"]
    for one in sorted(list_weights(), key=lambda one: one.costs.multiply_adds):
        named = any(fnmatch.fnmatch(one.variant, each) for each in options.patterns)
        if one.top1 is None or not named:
            continue
        asked = ["--one", one.variant, str(one.image_size), *limits]
        print(row(one, processes.run(__file__, asked)), flush=True)


def row(release, found):
    """Return a release's row of the table; a star: the accuracy is timm's."""
    by_timm = " *" if release.top1_source == BY_TIMM else ""
    return (
        f"| `{release.variant}` | `{release.name}` | {release.top1:.2f}{by_timm} | "
        f"{release.costs.parameters / 1e6:.1f} M | "
        f"{release.costs.multiply_adds / 1e9:.1f} | {release.image_size} | "
        f"{found['rate']:.2g} | {found['peak']:,.0f} MB |"
    )


def cost(name, size, batch, rounds):
    """Return the images a second and the peak of memory, in MB, of one size."""
    import keras
    import numpy as np

    import keras_vit

    shape = (batch, size, size, 3)
    images = np.random.default_rng(0).uniform(0, 255, shape).astype(np.float32)
    tiny = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    tiny.predict_on_batch(np.zeros((1, 2), np.float32))  # what TensorFlow itself holds
    kept = []

    def build():
        kept.append(getattr(keras_vit, name)(image_size=size))
        kept[0].predict_on_batch(images)

    memory = processes.measured(build)
    time = processes.measured(lambda: kept[0].predict_on_batch(images), rounds)
    return {"rate": batch / time["seconds"], "peak": max(memory["peak"], time["peak"])}


if __name__ == "__main__":
    main()
