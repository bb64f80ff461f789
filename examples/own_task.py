"""A task of one's own: SimMIM (arXiv:2111.09886), trained and resumed by `train`.

python examples/own_task.py [STEPS]
"""

import sys
from typing import Any

import keras
import tensorflow as tf

import keras_vit


class SimMIM(keras.Model):
    """A ViT that sees a mask token in place of some patches, and predicts them."""

    def __init__(self, vit: Any, hidden_share: float = 0.6) -> None:
        super().__init__(name="simmim")
        self.encoder = vit.get_layer("patch_encoder")
        self.num_patches = self.encoder.grid[0] * self.encoder.grid[1]
        self.num_hidden = int(hidden_share * self.num_patches)
        self.patches = keras.Model(vit.input, self.encoder.input)
        self.blocks = keras.Model(self.encoder.output, vit.get_layer("norm").output)
        self.mask_token = self.add_weight(name="mask", shape=(self.encoder.hidden_dim,))
        self.cut = keras_vit.layers.Patches(vit.get_layer("patches").patch_size)
        self.head = keras.layers.Dense(self.encoder.input.shape[-1], name="head")
        self.head.build((None, None, self.encoder.hidden_dim))
        self.built = True

    def losses_of(self, images: Any, draws: Any, training: bool = True) -> Any:
        hidden = (tf.argsort(tf.argsort(draws)) < self.num_hidden)[..., None]
        z = self.encoder.embeddings(self.patches(images, training=training))
        z = tf.where(hidden, self.mask_token, z)
        z = self.blocks(self.encoder.sequence(z, training), training=training)
        shape = (-1, self.num_patches, self.head.units)
        pixels = tf.reshape(self.cut(tf.cast(images, "float32")), shape)
        errors = tf.abs(self.head(z[:, -self.num_patches :]) - pixels / 255)
        near = tf.cast(errors < 0.1, "float32")  # of black to white
        sums = [tf.reduce_sum(tf.where(hidden, x, 0), (1, 2)) for x in (errors, near)]
        return [one / (self.num_hidden * self.head.units) for one in sums]


class HiddenPatches(keras_vit.training.Task):
    """What `train` learns in place of labels: patches hidden by the draws of a step."""

    def wrap(self, model: keras.Model) -> Any:
        return SimMIM(model)

    def num_draws(self, trained: Any) -> int:
        return trained.num_patches

    def objective(self, trained: Any) -> Any:
        return trained.losses_of


if __name__ == "__main__":
    steps = int(sys.argv[1]) if sys.argv[1:] else 400
    run = keras_vit.train("fashion_mnist_masked", task=HiddenPatches(), steps=steps)
    print(run.evaluation)  # then: keras-vit train --model=runs/fashion_mnist_masked
