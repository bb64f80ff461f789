"""Masked patch prediction: pre-training without labels (appendix B.1.2)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from keras_vit import layers
from keras_vit.training.tasks.corruption import corrupted, num_corrupted, num_draws
from keras_vit.training.tasks.patch_targets import TARGETS


class MaskedPatchPrediction(keras.Model):
    """A ViT that predicts corrupted patches, from "An Image is Worth 16x16 Words".

    Half of the patches' embeddings are corrupted before class token and
    positions join them, and the final states of those patches predict what
    they were (arXiv:2010.11929, appendix B.1.2). The ViT shares its weights
    with this model and is what remains of it; its pooling and its head are
    not trained.

    Of a hybrid, a patch is what lies under a cell of the feature map. Its
    stem has seen the neighbours' pixels too, which makes the task easier.

    B images, N patches, M of them corrupted, D features of a token.

    Args:
        vit: a model of this package, with or without a head.
        target: what is predicted: `"mean_color"`, the mean colour of a patch
            in 3 bits a channel; `"colors_4x4"`, those of its 4 x 4 parts;
            `"pixels"`, all of it.

    Call arguments:
        images: `(B, H, W, 3)`, pixels in [0, 255].
        draws: numbers in [0, 1), `(B, 3 N)`, as `corruption.corrupted` reads
            them.

    Returns:
        Predictions `(B, M, outputs)`, and which patches they are of, `(B, M)`.

    Raises:
        ValueError: for another target, a model that is no ViT, leaves patches
            out or merges them, or patches that the target or the images do not
            fit.

    Example:

    >>> vit = keras_vit.ViT_Ti16(num_classes=None, image_size=32)
    >>> model = MaskedPatchPrediction(vit)
    >>> predictions, chosen = model(tf.zeros((5, 32, 32, 3)), tf.zeros((5, 12)))
    >>> predictions.shape.as_list(), chosen.shape.as_list()
    ([5, 2, 512], [5, 2])
    """

    def __init__(
        self,
        vit: keras.Model,
        target: str = "mean_color",
        name: str = "masked_patch_prediction",
    ) -> None:
        super().__init__(name=name)
        if target not in TARGETS:
            raise ValueError(
                f"target must be one of {', '.join(TARGETS)}. Received: {target!r}"
            )
        if "patch_encoder" not in {layer.name for layer in vit.layers}:
            raise ValueError(
                "Masked patch prediction needs a ViT that a factory of keras_vit "
                f"built. Received: {vit.name!r}"
            )
        if any(isinstance(layer, layers.PatchDropout) for layer in vit.layers):
            raise ValueError(
                "Masked patch prediction needs all patches: a model with "
                f"patch_dropout_rate=0. Received: {vit.name!r}, which drops some"
            )
        if any(getattr(layer, "token_merging", 0) for layer in vit.layers):
            raise ValueError(
                "Masked patch prediction needs all patches: a model with "
                f"token_merging=0. Received: {vit.name!r}, which merges some. Pass "
                "keras_vit.merge_tokens(model, 0)"
            )
        self.vit_input_shape, self.target = vit.input_shape, TARGETS[target]
        encoder = vit.get_layer("patch_encoder")
        self.num_patches = encoder.grid[0] * encoder.grid[1]
        num_corrupted(self.num_patches)
        self.cells = _cells(vit, encoder.grid)
        outputs = self.target.outputs(*self.cells.patch_size)
        self.mask_embedding = self.add_weight(
            name="mask_embedding",
            shape=(encoder.hidden_dim,),
            initializer=keras.initializers.RandomNormal(stddev=0.02),
        )
        self.patches = keras.Model(vit.input, encoder.input, name="to_patches")
        self.encoder = encoder
        self.blocks = keras.Model(encoder.output, _final_states(vit), name="blocks")
        self.head = keras.layers.Dense(
            outputs, kernel_initializer="zeros", dtype="float32", name="head"
        )
        self.head.build((None, None, encoder.hidden_dim))
        self.built = True

    @property
    def num_draws(self) -> int:
        """How many random numbers an image needs."""
        return num_draws(self.num_patches)

    def call(
        self, images: Any, draws: Any, training: bool | None = None
    ) -> tuple[Any, Any]:
        z = self.encoder.embeddings(self.patches(images, training=training))
        z, chosen = corrupted(z, self.mask_embedding, draws)
        z = self.blocks(self.encoder.sequence(z, training), training=training)
        z = tf.gather(z[:, -self.num_patches :], chosen, batch_dims=1)
        return self.head(z), chosen

    def loss_and_accuracy(
        self, images: Any, draws: Any, training: bool = True
    ) -> tuple[Any, Any]:
        """Return each image's loss and share of correct predictions, both `(B,)`."""
        predictions, chosen = self(images, draws, training=training)
        rows, columns = self.cells.patch_size
        cells = self.cells(tf.cast(images, tf.float32))
        cells = tf.reshape(cells, (-1, self.num_patches, rows, columns, 3))
        return self.target.judge(predictions, tf.gather(cells, chosen, batch_dims=1))


def _cells(vit: keras.Model, grid: Sequence[int]) -> layers.Patches:
    """Return a layer that cuts the pixels under each patch out of images."""
    _, height, width, _ = vit.input_shape
    patches = vit.get_layer("patches")
    _, rows, columns, _ = patches.input.shape  # of the image, or of a stem's map
    size = (
        height // rows * patches.patch_size[0],
        width // columns * patches.patch_size[1],
    )
    if (height // size[0], width // size[1]) != tuple(grid):
        raise ValueError(
            "Each cell of the stem's feature map must cover the same number of pixels. "
            f"Received: {rows} x {columns} cells of images of {height} x {width}"
        )
    return layers.Patches(size, name="cells", dtype="float32")


def _final_states(vit: keras.Model) -> Any:
    """Return all tokens before pooling, after the last norm if there is one."""
    names = [layer.name for layer in vit.layers]
    last = max(name for name in names if name.startswith("block_"))
    if "norm" in names and len(vit.get_layer("norm").output.shape) == 3:
        return vit.get_layer("norm").output
    return vit.get_layer(last).output
