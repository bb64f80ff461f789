"""Each corruption and how strong it is, a row each.

The numbers are those of the programs that made ImageNet-C, of photographs of 224 x
224, and CIFAR-10-C, of 32 x 32 (github.com/hendrycks/robustness), unchanged.
Lengths are in pixels; pixels lie in [0, 1].
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from keras_vit.evaluation.corruptions import blur, digital, noise, weather


@dataclass(frozen=True)
class Corruption:
    """One way in which images get worse.

    Attributes:
        group: of its kind.
        function: `(x, rng, *parameters)`, of an image `(H, W, 3)` in [0, 1] to
            one that may leave [0, 1].
        imagenet: the parameters at each severity, from 1 to 5, for 224 x 224.
        cifar: those for 32 x 32.
    """

    group: str
    function: Callable[..., np.ndarray]
    imagenet: tuple[Any, ...]
    cifar: tuple[Any, ...]


CORRUPTIONS = {
    "gaussian_noise": Corruption(
        "noise",
        noise.gaussian,
        imagenet=(0.08, 0.12, 0.18, 0.26, 0.38),
        cifar=(0.04, 0.06, 0.08, 0.09, 0.10),
    ),
    "shot_noise": Corruption(
        "noise",
        noise.shot,
        imagenet=(60, 25, 12, 5, 3),
        cifar=(500, 250, 100, 75, 50),
    ),
    "impulse_noise": Corruption(
        "noise",
        noise.impulse,
        imagenet=(0.03, 0.06, 0.09, 0.17, 0.27),
        cifar=(0.01, 0.02, 0.03, 0.05, 0.07),
    ),
    "defocus_blur": Corruption(
        "blur",
        blur.defocus,
        imagenet=((3, 0.1), (4, 0.5), (6, 0.5), (8, 0.5), (10, 0.5)),
        cifar=((0.3, 0.4), (0.4, 0.5), (0.5, 0.6), (1, 0.2), (1.5, 0.1)),
    ),
    "glass_blur": Corruption(
        "blur",
        blur.glass,
        imagenet=((0.7, 1, 2), (0.9, 2, 1), (1, 2, 3), (1.1, 3, 2), (1.5, 4, 2)),
        cifar=((0.05, 1, 1), (0.25, 1, 1), (0.4, 1, 1), (0.25, 1, 2), (0.4, 1, 2)),
    ),
    "motion_blur": Corruption(
        "blur",
        blur.motion,
        imagenet=((10, 3), (15, 5), (15, 8), (15, 12), (20, 15)),
        cifar=((6, 1), (6, 1.5), (6, 2), (8, 2), (9, 2.5)),
    ),
    "zoom_blur": Corruption(
        "blur",
        blur.zoom,
        imagenet=((1.11, 0.01), (1.16, 0.01), (1.21, 0.02), (1.26, 0.02), (1.31, 0.03)),
        cifar=((1.06, 0.01), (1.11, 0.01), (1.16, 0.01), (1.21, 0.01), (1.26, 0.01)),
    ),
    "snow": Corruption(
        "weather",
        weather.snow,
        imagenet=(
            ((0.1, 0.3, 3, 0.5), (10, 4), 0.8),
            ((0.2, 0.3, 2, 0.5), (12, 4), 0.7),
            ((0.55, 0.3, 4, 0.9), (12, 8), 0.7),
            ((0.55, 0.3, 4.5, 0.85), (12, 8), 0.65),
            ((0.55, 0.3, 2.5, 0.85), (12, 12), 0.55),
        ),
        cifar=(
            ((0.1, 0.2, 1, 0.6), (8, 3), 0.95),
            ((0.1, 0.2, 1, 0.5), (10, 4), 0.9),
            ((0.15, 0.3, 1.75, 0.55), (10, 4), 0.9),
            ((0.25, 0.3, 2.25, 0.6), (12, 6), 0.85),
            ((0.3, 0.3, 1.25, 0.65), (14, 12), 0.8),
        ),
    ),
    "fog": Corruption(
        "weather",
        weather.fog,
        imagenet=((1.5, 2), (2, 2), (2.5, 1.7), (2.5, 1.5), (3, 1.4)),
        cifar=((0.2, 3), (0.5, 3), (0.75, 2.5), (1, 2), (1.5, 1.75)),
    ),
    "brightness": Corruption(
        "weather",
        digital.brightness,
        imagenet=(0.1, 0.2, 0.3, 0.4, 0.5),
        cifar=(0.05, 0.1, 0.15, 0.2, 0.3),
    ),
    "contrast": Corruption(
        "digital",
        digital.contrast,
        imagenet=(0.4, 0.3, 0.2, 0.1, 0.05),
        cifar=(0.75, 0.5, 0.4, 0.3, 0.15),
    ),
    "elastic_transform": Corruption(
        "digital",
        digital.elastic,
        imagenet=(  # fractions of 244, as published, where 224 was meant
            (488, 170.8, 24.4),
            (488, 19.52, 48.8),
            (12.2, 2.44, 4.88),
            (17.08, 2.44, 4.88),
            (29.28, 2.44, 4.88),
        ),
        cifar=(
            (0, 0, 2.56),
            (1.6, 6.4, 2.24),
            (2.56, 1.92, 1.92),
            (3.2, 1.28, 1.6),
            (3.2, 0.96, 0.96),
        ),
    ),
    "pixelate": Corruption(
        "digital",
        digital.pixelate,
        imagenet=(0.6, 0.5, 0.4, 0.3, 0.25),
        cifar=(0.95, 0.9, 0.85, 0.75, 0.65),
    ),
    "jpeg_compression": Corruption(
        "digital",
        digital.jpeg,
        imagenet=(25, 18, 15, 10, 7),
        cifar=(80, 65, 58, 50, 40),
    ),
    "speckle_noise": Corruption(
        "extra",
        noise.speckle,
        imagenet=(0.15, 0.2, 0.35, 0.45, 0.6),
        cifar=(0.06, 0.1, 0.12, 0.16, 0.2),
    ),
    "gaussian_blur": Corruption(
        "extra",
        blur.gaussian,
        imagenet=(1, 2, 3, 4, 6),
        cifar=(0.4, 0.6, 0.7, 0.8, 1),
    ),
    "saturate": Corruption(
        "extra",
        digital.saturate,
        imagenet=((0.3, 0), (0.1, 0), (2, 0), (5, 0.1), (20, 0.2)),
        cifar=((0.3, 0), (0.1, 0), (1.5, 0), (2, 0.1), (2.5, 0.2)),
    ),
}
COMMON = tuple(name for name, one in CORRUPTIONS.items() if one.group != "extra")
