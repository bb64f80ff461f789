"""Load weights of one publisher, and write them in another's format.

    python examples/convert_weights.py
    python examples/convert_weights.py --model=ViT_B16 --weights=ViT-B_16.npz \
        --to=vit-b16 --format=huggingface

Without `--weights` it first writes a file in Google's format, of a ViT-Ti/16 with
random weights, so that it runs without a network. It loads the converted file and
prints how far its logits differ from those of the first model on two images:

    google.npz: ViT_Ti16 for images of 32 x 32, 10 classes
    converted: huggingface, 3 files, logits differ by at most 0.0e+00

A format refuses what its readers would compute otherwise: timm and torchvision know no
GELU by tanh, which Google's models have. `keras-vit convert` does the same in one line.
"""

import argparse
import pathlib
from collections.abc import Callable
from typing import Literal

import keras
import numpy as np

import keras_vit


def published(path: str) -> str:
    """Write a stand-in for a published file: random weights, head included."""
    model = keras_vit.ViT_Ti16(num_classes=10, image_size=32)
    head = model.get_layer("head")
    head.kernel.assign(keras.random.normal(head.kernel.shape, seed=0))
    keras_vit.save_weights(model, path)
    return path


def load(build: Callable[..., keras.Model], weights: str) -> keras.Model:
    """The model that a file or folder of weights tells of, with its own head."""
    return build(weights=weights)


def main(
    model: str = "ViT_Ti16",
    weights: str | None = None,
    to: str = "converted",
    format: Literal["npz", "timm", "huggingface", "torchvision"] = "huggingface",
):
    """Converts, reads back and compares; gives the largest difference of a logit."""
    weights = weights or published("google.npz")
    build = getattr(keras_vit, model)
    first = load(build, weights)
    height, width = first.input_shape[1:3]
    print(
        f"{weights}: {model} for images of {height} x {width}, "
        f"{first.output_shape[-1]} classes"
    )
    keras_vit.save_weights(first, to, format)
    second = load(build, to)
    images = np.random.default_rng(0).integers(0, 256, (2, height, width, 3), np.uint8)
    one, other = (np.asarray(each(images)) for each in (first, second))
    difference = np.abs(one - other).max()
    path = pathlib.Path(to)
    files = len([*path.iterdir()]) if path.is_dir() else 1
    print(f"{to}: {format}, {files} files, logits differ by at most {difference:.1e}")
    return difference


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--model", default="ViT_Ti16", help="a factory's name")
    parser.add_argument("--weights", help="a file, a folder or a release's name")
    parser.add_argument("--to", default="converted", help="what is written")
    parser.add_argument("--format", default="huggingface", help="npz, timm, ...")
    main(**vars(parser.parse_args()))
