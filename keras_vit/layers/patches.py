"""Cutting an image, or a feature map, into patches."""

from __future__ import annotations

import numbers
from collections.abc import Sequence
from typing import Any

import keras

from keras_vit.layers.tensors import Shape, Tensor, ops


@keras.saving.register_keras_serializable(package="keras_vit")
class Patches(keras.layers.Layer):
    """Cuts an image into P x P patches, each flattened row by row.

    The reshape from x to x_p that precedes Eq. 1 of the ViT paper
    (arXiv:2010.11929). The grid stays in the shape, so that what follows
    knows where each patch lies. What is left at the right and at the bottom
    when P does not divide the image is dropped, as a convolution with VALID
    padding would.

    B images, H x W pixels, C channels, P the side of a patch.

    Args:
        patch_size: P, an integer or a pair (height, width), in pixels.

    Input shape: `(B, H, W, C)`.
    Output shape: `(B, H // P, W // P, P * P * C)`.

    Raises:
        ValueError: if the image is smaller than one patch.

    Example:

    >>> Patches(patch_size=16)(keras.KerasTensor((2, 224, 224, 3))).shape
    (2, 14, 14, 768)
    """

    def __init__(self, patch_size: int | Sequence[int], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.patch_size = pair(patch_size, "patch_size")

    def compute_output_shape(self, images_shape: Shape) -> Shape:
        batch, height, width, channels = images_shape
        rows, columns = self.patch_size
        if height < rows or width < columns:
            raise ValueError(
                "The image must be at least one patch. "
                f"Expected height >= {rows} and width >= {columns}. "
                f"Received: an image of {height} x {width}"
            )
        return batch, height // rows, width // columns, rows * columns * channels

    def call(self, images: Tensor) -> Tensor:
        _, height, width, features = self.compute_output_shape(images.shape)
        rows, columns = self.patch_size
        x = images[:, : height * rows, : width * columns]
        x = ops.reshape(x, (-1, height, rows, width, columns, images.shape[-1]))
        x = ops.transpose(x, (0, 1, 3, 2, 4, 5))
        return ops.reshape(x, (-1, height, width, features))

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"patch_size": self.patch_size}


def pair(size: Any, name: str) -> tuple[int, int]:
    """Return (height, width) for an integer or a pair of them."""
    sides = tuple(size) if isinstance(size, (tuple, list)) else (size, size)
    whole = all(isinstance(side, numbers.Integral) for side in sides)
    if len(sides) != 2 or not whole or min(sides) < 1:
        raise ValueError(
            f"{name} must be a positive integer or a pair (height, width) of them. "
            f"Received: {name}={size!r}"
        )
    height, width = map(int, sides)
    return height, width
