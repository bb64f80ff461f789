"""Three hybrids: a ViT that reads the feature map of a convolutional network.

    python examples/hybrid.py [IMAGES]

The first is a variant of the literature, by its name. The others are small: one has a
unit of the hybrids' ResNet as its stem, one the first layers of an EfficientNetV2 of
`keras.applications`; any Keras model that returns a feature map can be a stem. Its
weights are random here; `weights="imagenet"` downloads them. These two are trained on
IMAGES of the embedded images, all by default, for one epoch by Keras's `fit`, and their
accuracy is printed:

    R_ViT_Ti16: 49 tokens of 64 channels, 6,337,704 parameters
    after a ResNet: 64 tokens of 128 channels, 104,042 parameters, test accuracy 46.4%
    after an EfficientNetV2: 64 tokens of 32 channels, ..., test accuracy 52.2%
"""

import sys
from typing import Any

import keras
import numpy as np

import keras_vit
from keras_vit import data

SIZE = 32  # the least that keras.applications takes
SMALL: dict[str, Any] = {
    "num_layers": 2,
    "num_heads": 2,
    "hidden_dim": 64,
    "mlp_dim": 128,
}
OF_IMAGENET: dict[str, Any] = {  # what an EfficientNetV2 was trained on
    "pixel_mean": (123.675, 116.28, 103.53),
    "pixel_std": (58.395, 57.12, 57.375),
}

KERAS: dict[str, Any] = {"jit_compile": False}  # which Keras types as a string
QUIET: dict[str, Any] = {"verbose": 0}  # and this, too


def efficient_net() -> keras.Model:
    """The first two stages: a quarter as high and wide, 32 channels."""
    whole = keras.applications.EfficientNetV2B0(
        include_top=False,
        include_preprocessing=False,
        weights=None,  # pyright: ignore[reportArgumentType]  # Keras says str
        input_shape=(SIZE, SIZE, 3),
    )
    return keras.Model(whole.input, whole.get_layer("block2b_add").output, name="stem")


def told(model: keras.Model) -> str:
    """What a hybrid reads, in words."""
    _, rows, columns, _ = model.get_layer("patches").output.shape
    channels = model.get_layer("patches").input.shape[-1]
    return (
        f"{rows * columns} tokens of {channels} channels, "
        f"{model.count_params():,} parameters"
    )


def main(images: str | int = 12_000, dataset: data.Dataset | str | None = None):
    """Train the small ones on so many images and print their accuracy."""
    print(f"R_ViT_Ti16: {told(keras_vit.R_ViT_Ti16())}", flush=True)
    if not isinstance(dataset, data.Dataset):
        dataset = data.load(dataset or "fashion_mnist_sample")
    split = dataset.train.subset(np.arange(int(images)))
    pixels = keras.ops.image.resize(split.images, (SIZE, SIZE))
    for name, stem, first in (
        ("a ResNet", keras_vit.layers.ResNetStem((1,), 0.5, name="stem"), {}),
        ("an EfficientNetV2", efficient_net(), OF_IMAGENET),
    ):
        model = keras_vit.ViT(
            10, image_size=SIZE, patch_size=1, stem=stem, **SMALL, **first
        )
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        optimizer = keras.optimizers.Adam(1e-3)
        model.compile(optimizer, loss, **KERAS)
        model.fit(pixels, split.labels, batch_size=64, **QUIET)
        top1 = keras_vit.evaluate(model, dataset.test).top1
        print(f"after {name}: {told(model)}, test accuracy {top1:.1%}", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
