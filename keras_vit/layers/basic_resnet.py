"""The ResNet of basic blocks whose feature maps a hybrid of small images reads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras

from keras_vit.layers.batch_norm import batch_norm
from keras_vit.layers.resnet import build_in_turn
from keras_vit.layers.tensors import Shape, Tensor, ops


@keras.saving.register_keras_serializable(package="keras_vit")
class BasicBlock(keras.layers.Layer):
    """A residual unit of two 3x3 convolutions with batch normalisation.

    The basic block of ResNet-18 and 34 (arXiv:1512.03385). The shortcut is projected
    where the unit changes the shape.

    Args:
        filters: F, the channels of both convolutions.
        strides: of the first one and of the projection.
        project: whether the shortcut is projected.

    Input shape: `(B, H, W, C)`; C is F without a projection.
    Output shape: `(B, H / strides, W / strides, F)`, rounded up.

    Raises:
        ValueError: for a unit without a projection that changes the shape.

    Example:

    >>> BasicBlock(filters=64, strides=2, project=True)(
    ...     keras.KerasTensor((1, 14, 14, 32))
    ... ).shape
    (1, 7, 7, 64)
    """

    def __init__(
        self, filters: int, strides: int = 1, project: bool = False, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        if strides > 1 and not project:
            raise ValueError(
                "A unit without a projection must keep the sides of the map. Expected "
                f"strides=1, or project=True. Received: strides={strides}"
            )
        self.filters = filters
        self.strides = strides
        self.project = project
        policy: dict[str, Any] = {"dtype": self.dtype_policy}
        self.conv1 = _conv(filters, 3, strides=strides, name="conv1", **policy)
        self.norm1 = batch_norm(name="norm1", **policy)
        self.conv2 = _conv(filters, 3, name="conv2", **policy)
        self.norm2 = batch_norm(name="norm2", **policy)
        if project:
            self.conv_shortcut = _conv(
                filters, 1, strides=strides, name="conv_shortcut", **policy
            )
            self.norm_shortcut = batch_norm(name="norm_shortcut", **policy)

    def build(self, x_shape: Shape) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        build_in_turn(x_shape, self.conv1, self.norm1, self.conv2, self.norm2)
        if self.project:
            build_in_turn(x_shape, self.conv_shortcut, self.norm_shortcut)
        elif x_shape[-1] != self.filters:
            raise ValueError(
                "A unit without a projection must keep the channels. "
                f"Expected {self.filters} channels. Received: {x_shape[-1]}"
            )

    def call(self, x: Tensor, training: bool | None = None) -> Tensor:
        y = ops.relu(self.norm1(self.conv1(x), training=training))
        y = self.norm2(self.conv2(y), training=training)
        if self.project:
            x = self.norm_shortcut(self.conv_shortcut(x), training=training)
        return ops.relu(x + y)

    def compute_output_shape(self, x_shape: Shape) -> Shape:
        return self.conv1.compute_output_shape(x_shape)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {
            "filters": self.filters,
            "strides": self.strides,
            "project": self.project,
        }


@keras.saving.register_keras_serializable(package="keras_vit")
class BasicResNetStem(keras.layers.Layer):
    """Two convolutions of stride 2, and stages of basic blocks.

    For images of 28 or 32 pixels, of which it makes 7 x 7 or 8 x 8 cells. With the
    batch normalisation of its convolutions a hybrid learns in a few epochs what one
    of `ResNetStem` takes several times as many for ("Early Convolutions Help
    Transformers See Better", arXiv:2106.14881, has such a stem). Each stage but the
    first halves the map and doubles the channels.

    Batch normalisation has running statistics, which are weights that no gradient
    changes: training updates them, by the batch of all replicas; inference reads
    them, and so does a frozen stem.

    Args:
        blocks: the number of basic blocks in each stage, of which there is one at
            least.
        width_factor: over 64 channels of the first stage.

    Input shape: `(B, H, W, 3)`.
    Output shape: `(B, H / s, W / s, C)`, rounded up, with s = 4 * 2^(stages - 1) and
    C = 64 * width_factor * 2^(stages - 1).

    Raises:
        ValueError: without a stage, or for a width factor by which the first stage has
            an odd number of channels.

    Example:

    >>> BasicResNetStem(blocks=(2,))(keras.KerasTensor((1, 32, 32, 3))).shape
    (1, 8, 8, 64)
    """

    def __init__(
        self,
        blocks: Sequence[int] = (2,),
        width_factor: float = 1.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        filters = int(64 * width_factor)
        if filters < 2 or filters % 2:
            raise ValueError(
                "The first stage's channels, 64 * width_factor, must be even. "
                f"Received: width_factor={width_factor}, {filters} channels"
            )
        if not blocks:
            raise ValueError("blocks must have a stage. Received: blocks=()")
        self.blocks = tuple(blocks)
        self.width_factor = width_factor
        policy: dict[str, Any] = {"dtype": self.dtype_policy}
        self.conv_root1 = _conv(filters // 2, 4, strides=2, name="conv_root1", **policy)
        self.norm_root1 = batch_norm(name="norm_root1", **policy)
        self.conv_root2 = _conv(filters, 3, strides=2, name="conv_root2", **policy)
        self.norm_root2 = batch_norm(name="norm_root2", **policy)
        self.units = [
            BasicBlock(
                filters * 2**stage,
                strides=2 if stage and not number else 1,
                project=bool(stage) and not number,
                name=f"block{stage + 1}_unit{number + 1}",
                **policy,
            )
            for stage, count in enumerate(self.blocks)
            for number in range(count)
        ]

    @property
    def stride(self) -> int:
        """The pixels from one cell of the feature map to the next."""
        return 4 * 2 ** (len(self.blocks) - 1)

    def build(self, images_shape: Shape) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        root = (self.conv_root1, self.norm_root1, self.conv_root2, self.norm_root2)
        build_in_turn(images_shape, *root, *self.units)

    def call(self, images: Tensor, training: bool | None = None) -> Tensor:
        x = ops.relu(self.norm_root1(self.conv_root1(images), training=training))
        x = ops.relu(self.norm_root2(self.conv_root2(x), training=training))
        for unit in self.units:
            x = unit(x, training=training)
        return x

    def compute_output_shape(self, images_shape: Shape) -> Shape:
        shape = images_shape
        for layer in (self.conv_root1, self.conv_root2, *self.units):
            shape = layer.compute_output_shape(shape)
        return shape

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {
            "blocks": self.blocks,
            "width_factor": self.width_factor,
        }


def _conv(filters: int, size: int, **kwargs: Any) -> keras.layers.Conv2D:
    return keras.layers.Conv2D(
        filters,
        size,
        padding="same",
        use_bias=False,
        kernel_initializer="he_normal",
        **kwargs,
    )
