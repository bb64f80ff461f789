"""How long building and loading take, and how much memory.

    python benchmarks/weights.py [--model=ViT_B16] [--repeat=5]

Prints medians of interleaved repetitions and their ratios: building the model
against Keras building the same layers by hand, and loading its `.npz` against
reading the file's bytes once. Memory is the peak of a process of its own.
"""

import argparse
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile
import time


def by_hand(width=768, depth=12, heads=12, mlp=3072, tokens=196):
    """The layers of B/16 straight from Keras, as a functional model."""
    import keras

    layers = keras.layers
    images = keras.Input((224, 224, 3))
    z = layers.Conv2D(width, 16, strides=16)(images)
    z = layers.Reshape((tokens, width))(z)
    z = layers.Dense(width)(z)
    for _ in range(depth):
        y = layers.LayerNormalization(epsilon=1e-6)(z)
        z = layers.Add()([z, layers.MultiHeadAttention(heads, width // heads)(y, y)])
        y = layers.LayerNormalization(epsilon=1e-6)(z)
        y = layers.Dense(width)(layers.Dense(mlp, activation="gelu")(y))
        z = layers.Add()([z, y])
    z = layers.LayerNormalization(epsilon=1e-6)(z)
    y = layers.Dense(1000)(layers.GlobalAveragePooling1D()(z))
    return keras.Model(images, y)


def seconds(call):
    """How long a call takes."""
    begun = time.perf_counter()
    call()
    return time.perf_counter() - begun


def peak_bytes():
    """The most memory that this process has had so far (Linux)."""
    # Not getrusage: what the parent had before exec counts there.
    status = pathlib.Path("/proc/self/status").read_text()
    return 1024 * int(re.search(r"VmHWM:\s+(\d+)", status).group(1))


def main(name, repeat):
    """Measures and prints."""
    import keras_vit

    factory = getattr(keras_vit, name)
    folder = tempfile.TemporaryDirectory()
    path = pathlib.Path(folder.name) / "weights.npz"
    model = factory()
    size = 4 * model.count_params()
    keras_vit.save_weights(model, path)
    times = {"build": [], "by hand": [], "read": [], "load": []}
    for _ in range(repeat):
        times["build"].append(seconds(factory))
        if name == "ViT_B16":
            times["by hand"].append(seconds(by_hand))
        times["read"].append(seconds(path.read_bytes))
        times["load"].append(seconds(lambda: keras_vit.load_weights(model, path)))
    medians = {key: statistics.median(some) for key, some in times.items() if some}
    print(f"{name}: weights of {size / 1e6:.0f} MB, medians of {repeat}")
    for key, value in medians.items():
        print(f"  {key:<8} {value:6.2f} s")
    if "by hand" in medians:
        print(f"  build / by hand: {medians['build'] / medians['by hand']:.2f}")
    print(f"  load beyond reading: {medians['load'] - medians['read']:.2f} s")
    code = "import sys, weights; weights.memory(*sys.argv[1:])"
    here = pathlib.Path(__file__).parent
    subprocess.run([sys.executable, "-c", code, name, path], cwd=here, check=True)


def memory(name, path):
    """Prints the peak of loading a file, in a process that does nothing else."""
    import keras_vit

    keras_vit.ViT_Ti16(image_size=32)(__import__("numpy").zeros((1, 32, 32, 3)))
    before = peak_bytes()
    model = getattr(keras_vit, name)()
    built = peak_bytes()
    keras_vit.load_weights(model, path)
    size = 4 * model.count_params()
    print(
        f"  peak memory beyond the libraries: built {(built - before) / size:.2f}, "
        f"loaded {(peak_bytes() - before) / size:.2f} times the weights; "
        f"{peak_bytes() / 1e9:.2f} GB in all"
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="ViT_B16")
    parser.add_argument("--repeat", type=int, default=5)
    arguments = parser.parse_args()
    main(arguments.model, arguments.repeat)
