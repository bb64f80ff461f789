"""The ResNet whose feature maps a hybrid reads."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import keras

from keras_vit.layers.tensors import Shape, Tensor, ops

GROUPS = 32  # of every group normalisation
EXPANSION = 4  # a bottleneck's output over its inner width


@keras.saving.register_keras_serializable(package="keras_vit")
class StandardizedConv2D(keras.layers.Conv2D):
    """A convolution whose kernel has mean 0 and deviation 1 for each filter.

    Weight Standardization (arXiv:1903.10520). Other arguments and shapes are
    those of `keras.layers.Conv2D`.

    Args:
        standardization: what keeps the division from one by 0, a key of
            `STANDARDIZATIONS`. `"deviation"`: 1e-5 is added to the deviation,
            as in Google's hybrids. `"variance"`: 1e-8 to the variance, as in
            timm's.

    Raises:
        ValueError: for another standardization.

    Example:

    >>> StandardizedConv2D(64, 7, strides=2, padding="same")(
    ...     keras.KerasTensor((1, 224, 224, 3))
    ... ).shape
    (1, 112, 112, 64)
    """

    def __init__(
        self, *args: Any, standardization: str = "deviation", **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        _check_standardization(standardization)
        self.standardization = standardization

    def convolution_op(self, inputs: Tensor, kernel: Tensor) -> Tensor:
        precise = keras.backend.result_type(self.compute_dtype, "float32")
        kernel = standardized(ops.cast(kernel, precise), self.standardization)
        return super().convolution_op(inputs, ops.cast(kernel, inputs.dtype))

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"standardization": self.standardization}


STANDARDIZATIONS = {  # of a variance: what a centred kernel is divided by
    "deviation": lambda variance: ops.sqrt(variance) + 1e-5,
    "variance": lambda variance: ops.sqrt(variance + 1e-8),
}


def standardized(kernel: Tensor, standardization: str = "deviation") -> Tensor:
    """Return a kernel `(h, w, C, F)`, its F filters with mean 0 and deviation 1."""
    mean = ops.mean(kernel, axis=(0, 1, 2), keepdims=True)
    variance = ops.var(kernel, axis=(0, 1, 2), keepdims=True)
    return (kernel - mean) / STANDARDIZATIONS[standardization](variance)


def _check_standardization(standardization: str) -> None:
    if standardization not in STANDARDIZATIONS:
        raise ValueError(
            f"standardization must be one of {', '.join(STANDARDIZATIONS)}. "
            f"Received: standardization={standardization!r}"
        )


@keras.saving.register_keras_serializable(package="keras_vit")
class Bottleneck(keras.layers.Layer):
    """A residual unit of 1x1, 3x3 and 1x1 convolutions, activated at its end.

    The stride sits on the 3x3. The shortcut is projected in the first unit of
    a stage. The last scale starts at 0, so that a new unit passes its
    shortcut on.

    Args:
        filters: F, the channels inside.
        strides: of the 3x3 convolution and of the projection.
        project: whether the shortcut is projected.
        standardization: of the kernels, as `StandardizedConv2D` has it.

    Input shape: `(B, H, W, C)`; C is 4 F without a projection.
    Output shape: `(B, H / strides, W / strides, 4 F)`, rounded up.

    Example:

    >>> Bottleneck(filters=64, strides=2, project=True)(
    ...     keras.KerasTensor((1, 14, 14, 256))
    ... ).shape
    (1, 7, 7, 256)
    """

    def __init__(
        self,
        filters: int,
        strides: int = 1,
        project: bool = False,
        standardization: str = "deviation",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.filters = filters
        self.strides = strides
        self.project = project
        self.standardization = standardization
        policy: dict[str, Any] = {"dtype": self.dtype_policy}
        form = policy | {"standardization": standardization}
        self.conv1 = _conv(filters, 1, name="conv1", **form)
        self.norm1 = _group_norm(name="norm1", **policy)
        self.conv2 = _conv(filters, 3, strides=strides, name="conv2", **form)
        self.norm2 = _group_norm(name="norm2", **policy)
        self.conv3 = _conv(EXPANSION * filters, 1, name="conv3", **form)
        self.norm3 = _group_norm(name="norm3", gamma_initializer="zeros", **policy)
        if project:
            self.conv_shortcut = _conv(
                EXPANSION * filters, 1, strides=strides, name="conv_shortcut", **form
            )
            self.norm_shortcut = _group_norm(name="norm_shortcut", **policy)

    def build(self, x_shape: Shape) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        shape = build_in_turn(
            x_shape,
            self.conv1,
            self.norm1,
            self.conv2,
            self.norm2,
            self.conv3,
            self.norm3,
        )
        if self.project:
            shape = build_in_turn(x_shape, self.conv_shortcut, self.norm_shortcut)
        if shape[-1] != x_shape[-1] and not self.project:
            raise ValueError(
                "A unit without a projection must keep the channels. "
                f"Expected {shape[-1]} channels. Received: {x_shape[-1]}"
            )

    def call(self, x: Tensor) -> Tensor:
        y = ops.relu(self.norm1(self.conv1(x)))
        y = ops.relu(self.norm2(self.conv2(y)))
        y = self.norm3(self.conv3(y))
        if self.project:
            x = self.norm_shortcut(self.conv_shortcut(x))
        return ops.relu(x + y)

    def compute_output_shape(self, x_shape: Shape) -> Shape:
        height, width, _ = self.conv2.compute_output_shape(x_shape)[1:]
        return x_shape[0], height, width, EXPANSION * self.filters

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {
            "filters": self.filters,
            "strides": self.strides,
            "project": self.project,
            "standardization": self.standardization,
        }


@keras.saving.register_keras_serializable(package="keras_vit")
class ResNetStem(keras.layers.Layer):
    """The convolutional part of the paper's hybrids: an image to a feature map.

    A root of a 7x7 convolution and a max pooling, each of stride 2, and then
    stages of bottleneck units; each stage but the first halves the map and
    doubles the channels. Standardised convolutions, group normalisation,
    `"same"` padding, post-activation units (arXiv:2010.11929, section 3.1,
    and the published weights, which fix the details).

    Args:
        blocks: the number of units in each stage; `()` is the root alone.
        width_factor: over the usual 64 channels of the root. 32 must divide
            the channels, so it is a multiple of 0.5.
        standardization: of the kernels, as `StandardizedConv2D` has it.

    Input shape: `(B, H, W, 3)`.
    Output shape: `(B, H / s, W / s, C)`, rounded up, with
    s = 4 * 2^(stages - 1) and C = 256 * width_factor * 2^(stages - 1); for
    the root alone s = 4 and C = 64 * width_factor.

    Raises:
        ValueError: for a width factor that gives channels 32 does not divide.

    Example:

    >>> ResNetStem(blocks=(3, 4, 9))(keras.KerasTensor((1, 224, 224, 3))).shape
    (1, 14, 14, 1024)
    """

    def __init__(
        self,
        blocks: Sequence[int] = (3, 4, 9),
        width_factor: float = 1.0,
        standardization: str = "deviation",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        filters = int(64 * width_factor)
        if filters < GROUPS or filters % GROUPS:
            raise ValueError(
                f"{GROUPS} must divide the channels, 64 * width_factor. "
                f"Received: width_factor={width_factor}, {filters} channels"
            )
        self.blocks = tuple(blocks)
        self.width_factor = width_factor
        self.standardization = standardization
        policy: dict[str, Any] = {"dtype": self.dtype_policy}
        form = policy | {"standardization": standardization}
        self.conv = _conv(filters, 7, strides=2, name="conv_root", **form)
        self.norm = _group_norm(name="norm_root", **policy)
        self.pool = keras.layers.MaxPooling2D(
            3, strides=2, padding="same", name="pool_root", **policy
        )
        self.units = units_of(Bottleneck, self.blocks, filters, **form)

    @property
    def stride(self) -> int:
        """The pixels from one cell of the feature map to the next."""
        return 4 * 2 ** max(len(self.blocks) - 1, 0)

    def build(self, images_shape: Shape) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        build_in_turn(images_shape, self.conv, self.norm, self.pool, *self.units)

    def call(self, images: Tensor) -> Tensor:
        x = self.pool(ops.relu(self.norm(self.conv(images))))
        for unit in self.units:
            x = unit(x)
        return x

    def compute_output_shape(self, images_shape: Shape) -> Shape:
        shape = self.conv.compute_output_shape(images_shape)
        shape = self.pool.compute_output_shape(shape)
        for unit in self.units:
            shape = unit.compute_output_shape(shape)
        return shape

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {
            "blocks": self.blocks,
            "width_factor": self.width_factor,
            "standardization": self.standardization,
        }


def _conv(filters: int, size: int, **kwargs: Any) -> StandardizedConv2D:
    return StandardizedConv2D(
        filters,
        size,
        padding="same",
        use_bias=False,
        kernel_initializer="lecun_normal",
        **kwargs,
    )


def _group_norm(**kwargs: Any) -> keras.layers.GroupNormalization:
    return keras.layers.GroupNormalization(groups=GROUPS, epsilon=1e-6, **kwargs)


def units_of(
    unit: Callable[..., Any], blocks: Sequence[int], filters: int, **kwargs: Any
) -> list[Any]:
    """Return the units of all stages: each stage halves the map but the first."""
    return [
        unit(
            filters * 2**stage,
            strides=2 if stage and not number else 1,
            project=not number,
            name=f"block{stage + 1}_unit{number + 1}",
            **kwargs,
        )
        for stage, count in enumerate(blocks)
        for number in range(count)
    ]


def build_in_turn(shape: Shape, *layers: keras.layers.Layer) -> Shape:
    """Build each layer on the output shape of the one before."""
    for layer in layers:
        layer.build(shape)
        shape = layer.compute_output_shape(shape)
    return shape
