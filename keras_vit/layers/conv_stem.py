"""The convolutions with which MobileCLIP's ViT-B/16 begins."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import keras

from keras_vit.layers.batch_norm import batch_norm
from keras_vit.layers.mlp import ACTIVATIONS
from keras_vit.layers.resnet import build_in_turn
from keras_vit.layers.tensors import Shape, Tensor


@keras.saving.register_keras_serializable(package="keras_vit")
class ConvStem(keras.layers.Layer):
    """Convolutions of patches, of patches of those, and so on.

    As MobileCLIP (arXiv:2311.17049) has it: each convolution reads cells that
    do not overlap, and is followed by batch normalisation and GELU. Its last
    one, of 2 x 2 cells, has neither, and is the projection of a ViT's patches:
    `ViT(stem=ConvStem(), patch_size=2)` is that network.

    Batch normalisation has running statistics, which are weights that no
    gradient changes: training updates them; inference reads them, and so does
    a frozen stem. Those of several replicas are of their whole
    batch.

    Args:
        channels: of each convolution.
        kernel_sizes: the sides of each one's cells, which are its strides too.

    Input shape: `(B, H, W, 3)`.
    Output shape: `(B, H / s, W / s, C)`, rounded down, with s the product of
    the kernel sizes and C the last channels.

    Raises:
        ValueError: for other numbers of channels than of kernel sizes, or none.

    Example:

    >>> ConvStem()(keras.KerasTensor((1, 224, 224, 3))).shape
    (1, 28, 28, 192)
    """

    def __init__(
        self,
        channels: Sequence[int] = (192, 192),
        kernel_sizes: Sequence[int] = (4, 2),
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if len(channels) != len(kernel_sizes) or not channels:
            raise ValueError(
                "channels and kernel_sizes must be as many, and one at least. "
                f"Received: channels={channels}, kernel_sizes={kernel_sizes}"
            )
        self.channels = tuple(channels)
        self.kernel_sizes = tuple(kernel_sizes)
        policy: dict[str, Any] = {"dtype": self.dtype_policy}
        self.convolutions = [
            keras.layers.Conv2D(
                filters,
                size,
                strides=size,
                use_bias=False,
                kernel_initializer="he_normal",
                name=f"conv{number}",
                **policy,
            )
            for number, (filters, size) in enumerate(
                zip(self.channels, self.kernel_sizes, strict=True), start=1
            )
        ]
        self.norms = [
            batch_norm(name=f"norm{number}", **policy)
            for number in range(1, len(self.channels) + 1)
        ]

    @property
    def stride(self) -> int:
        """The pixels from one cell of the feature map to the next."""
        return math.prod(self.kernel_sizes)

    def build(self, images_shape: Shape) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        shape = images_shape
        for convolution, norm in zip(self.convolutions, self.norms, strict=True):
            shape = build_in_turn(shape, convolution, norm)

    def call(self, images: Tensor, training: bool | None = None) -> Tensor:
        x = images
        for convolution, norm in zip(self.convolutions, self.norms, strict=True):
            x = ACTIVATIONS["gelu_erf"](norm(convolution(x), training=training))
        return x

    def compute_output_shape(self, images_shape: Shape) -> Shape:
        shape = images_shape
        for convolution in self.convolutions:
            shape = convolution.compute_output_shape(shape)
        return shape

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {
            "channels": self.channels,
            "kernel_sizes": self.kernel_sizes,
        }
