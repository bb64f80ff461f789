"""The ResNet-D whose feature maps some of timm's hybrids read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras

from keras_vit.layers.batch_norm import batch_norm
from keras_vit.layers.resnet import EXPANSION, build_in_turn, units_of
from keras_vit.layers.tensors import Shape, Tensor, ops

ROOT = (0.5, 0.5, 1)  # channels of the root's convolutions, over its last one's


@keras.saving.register_keras_serializable(package="keras_vit")
class BottleneckD(keras.layers.Layer):
    """A residual unit whose shortcut averages cells before it projects them.

    1x1, 3x3 and 1x1 convolutions with batch normalisation, activated at the
    end. The stride sits on the 3x3; the shortcut takes the mean of 2 x 2 cells
    in place of every second cell (ResNet-D, arXiv:1812.01187), of those that
    there are where a side is odd. The last scale starts at 0, so that a new
    unit passes its shortcut on.

    Args:
        filters: F, the channels inside.
        strides: of the 3x3 convolution and of the shortcut, 1 or 2.
        project: whether the shortcut is projected.

    Input shape: `(B, H, W, C)`; C is 4 F without a projection.
    Output shape: `(B, H / strides, W / strides, 4 F)`, rounded up.

    Raises:
        ValueError: for a unit without a projection that changes the shape.

    Example:

    >>> BottleneckD(filters=64, strides=2, project=True)(
    ...     keras.KerasTensor((1, 14, 14, 256))
    ... ).shape
    (1, 7, 7, 256)
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
        self.conv1 = _conv(filters, 1, name="conv1", **policy)
        self.norm1 = batch_norm(name="norm1", **policy)
        self.pad = _border(name="pad", **policy)
        self.conv2 = _conv(filters, 3, strides=strides, name="conv2", **policy)
        self.norm2 = batch_norm(name="norm2", **policy)
        self.conv3 = _conv(EXPANSION * filters, 1, name="conv3", **policy)
        self.norm3 = batch_norm(name="norm3", gamma_initializer="zeros", **policy)
        self.pool_shortcut: Any = None
        if strides > 1:
            self.pool_shortcut = keras.layers.AveragePooling2D(
                strides, padding="same", name="pool_shortcut", **policy
            )
        if project:
            self.conv_shortcut = _conv(
                EXPANSION * filters, 1, name="conv_shortcut", **policy
            )
            self.norm_shortcut = batch_norm(name="norm_shortcut", **policy)

    def build(self, x_shape: Shape) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        shape = build_in_turn(x_shape, *self._branch())
        kept = build_in_turn(x_shape, *self._shortcut())
        if shape[-1] != kept[-1]:
            raise ValueError(
                "A unit without a projection must keep the channels. "
                f"Expected {shape[-1]} channels. Received: {x_shape[-1]}"
            )

    def _branch(self) -> list[Any]:
        """The branch's layers, between which activations stand."""
        first = [self.conv1, self.norm1, self.pad, self.conv2, self.norm2]
        return [*first, self.conv3, self.norm3]

    def _shortcut(self) -> list[Any]:
        pool = [] if self.pool_shortcut is None else [self.pool_shortcut]
        return [*pool, self.conv_shortcut, self.norm_shortcut] if self.project else []

    def call(self, x: Tensor, training: bool | None = None) -> Tensor:
        y = ops.relu(self.norm1(self.conv1(x), training=training))
        y = ops.relu(self.norm2(self.conv2(self.pad(y)), training=training))
        y = self.norm3(self.conv3(y), training=training)
        if self.pool_shortcut is not None:
            x = self.pool_shortcut(x)
        if self.project:
            x = self.norm_shortcut(self.conv_shortcut(x), training=training)
        return ops.relu(x + y)

    def compute_output_shape(self, x_shape: Shape) -> Shape:
        padded = self.pad.compute_output_shape((*x_shape[:3], self.filters))
        height, width, _ = self.conv2.compute_output_shape(padded)[1:]
        return x_shape[0], height, width, EXPANSION * self.filters

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {
            "filters": self.filters,
            "strides": self.strides,
            "project": self.project,
        }


@keras.saving.register_keras_serializable(package="keras_vit")
class ResNetDStem(keras.layers.Layer):
    """A ResNet-D without its head: an image to a feature map.

    "Bag of Tricks for Image Classification" (arXiv:1812.01187). A root of
    three 3x3 convolutions, of which the first has stride 2, and a max pooling
    of stride 2; then stages of `BottleneckD` units, each of which but the
    first halves the map and doubles the channels. Padding is the same on both
    sides, as PyTorch's.

    Batch normalisation has running statistics, which are weights that no
    gradient changes: training updates them; inference reads them, and so does
    a frozen stem. Those of several replicas are of their
    whole batch.

    Args:
        blocks: the number of units in each stage, of which there is one at
            least.
        width_factor: over the usual 64 channels of the root.

    Input shape: `(B, H, W, 3)`.
    Output shape: `(B, H / s, W / s, C)`, rounded up, with
    s = 4 * 2^(stages - 1) and C = 256 * width_factor * 2^(stages - 1).

    Raises:
        ValueError: without a stage, or for a width factor by which the root
            has an odd number of channels.

    Example:

    >>> ResNetDStem(blocks=(3, 4, 6))(keras.KerasTensor((1, 224, 224, 3))).shape
    (1, 14, 14, 1024)
    """

    def __init__(
        self,
        blocks: Sequence[int] = (3, 4, 6, 3),
        width_factor: float = 1.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        filters = int(64 * width_factor)
        if filters < 2 or filters % 2:
            raise ValueError(
                "The root's channels, 64 * width_factor, must be even. "
                f"Received: width_factor={width_factor}, {filters} channels"
            )
        if not blocks:
            raise ValueError("blocks must have a stage. Received: blocks=()")
        self.blocks = tuple(blocks)
        self.width_factor = width_factor
        policy: dict[str, Any] = {"dtype": self.dtype_policy}
        self.pad = _border(name="pad_root", **policy)
        self.convolutions = [
            _conv(
                int(share * filters),
                3,
                strides=1 if number else 2,
                name=f"conv_root{number + 1}",
                **policy,
            )
            for number, share in enumerate(ROOT)
        ]
        self.norms = [
            batch_norm(name=f"norm_root{number + 1}", **policy)
            for number in range(len(ROOT))
        ]
        self.pool = keras.layers.MaxPooling2D(3, strides=2, name="pool_root", **policy)
        self.units = units_of(BottleneckD, self.blocks, filters, **policy)

    @property
    def stride(self) -> int:
        """The pixels from one cell of the feature map to the next."""
        return 4 * 2 ** (len(self.blocks) - 1)

    def build(self, images_shape: Shape) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        shape = images_shape
        for convolution, norm in zip(self.convolutions, self.norms, strict=True):
            shape = build_in_turn(shape, self.pad, convolution, norm)
        build_in_turn(shape, self.pad, self.pool, *self.units)

    def call(self, images: Tensor, training: bool | None = None) -> Tensor:
        x = images
        for convolution, norm in zip(self.convolutions, self.norms, strict=True):
            x = ops.relu(norm(convolution(self.pad(x)), training=training))
        x = self.pool(self.pad(x))  # zeros: none is above a relu's output
        for unit in self.units:
            x = unit(x, training=training)
        return x

    def compute_output_shape(self, images_shape: Shape) -> Shape:
        shape = images_shape
        for layer in (*self.convolutions, self.pool):
            shape = layer.compute_output_shape(self.pad.compute_output_shape(shape))
        for unit in self.units:
            shape = unit.compute_output_shape(shape)
        return shape

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {
            "blocks": self.blocks,
            "width_factor": self.width_factor,
        }


def _conv(filters: int, size: int, **kwargs: Any) -> keras.layers.Conv2D:
    return keras.layers.Conv2D(
        filters, size, use_bias=False, kernel_initializer="he_normal", **kwargs
    )


def _border(**kwargs: Any) -> keras.layers.ZeroPadding2D:
    """One cell on every side, which no padding of Keras has for even sides."""
    return keras.layers.ZeroPadding2D(1, **kwargs)
