"""A small data set and a recipe that trains in seconds."""

import keras
import numpy as np

from keras_vit import recipes
from keras_vit.data import Dataset, Split


def small_dataset(seed=0):
    """Bright images on the left or on the right: two classes to tell apart."""
    rng = np.random.default_rng(seed)
    labels = np.arange(70) % 2
    images = rng.integers(0, 60, (70, 16, 16, 3), dtype=np.uint8)
    images[labels == 0, :, :8] += 120
    images[labels == 1, :, 8:] += 120
    return Dataset(
        "sides",
        Split(images[:50], labels[:50]),
        Split(images[50:], labels[50:]),
        ("left half", "right/half"),
    )


def linear():
    """A model for those images whose step is traced in no time."""
    return keras.Sequential(
        [
            keras.Input((16, 16, 3)),
            keras.layers.Rescaling(1 / 255),
            keras.layers.Flatten(),
            keras.layers.Dense(2),
        ]
    )


def small_recipe(**changes):
    recipe = recipes.Recipe.of(
        dataset="fashion_mnist_sample",
        model="ViT",
        model_arguments={
            "patch_size": 8,
            "num_layers": 1,
            "num_heads": 2,
            "hidden_dim": 16,
            "mlp_dim": 32,
            "dropout_rate": 0.1,
        },
        image_size=16,
        epochs=12,
        batch_size=10,
        base_lr=0.01,
        warmup_steps=4,
        crop="pad",
        crop_padding=1,
    )
    return recipes.changed(recipe, {**changes})
