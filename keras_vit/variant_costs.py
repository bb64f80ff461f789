"""What a size costs, by arithmetic: parameters and multiply-adds, without Keras."""

from typing import NamedTuple

from keras_vit.variants import Variant

ROOT = 64  # channels of a stem's first convolution
EXPANSION = 4  # of a unit's channels


class Costs(NamedTuple):
    """What a model costs.

    Attributes:
        parameters: those that are trained.
        multiply_adds: of the products for one image.
    """

    parameters: int
    multiply_adds: int


def costs_of(
    variant: Variant,
    num_classes: int,
    image_size: int,
    *,
    has_pre_logits: bool = False,
) -> Costs:
    """Return what a size costs with a class token and learned positions.

    `inspect.summary` counts the same of any model, layer by layer.

    Args:
        variant: the size.
        num_classes: of the head.
        image_size: the side of an image, in pixels.
        has_pre_logits: whether a layer of the width stands before the head.

    Example:

    >>> from keras_vit.variants import VARIANTS
    >>> costs_of(VARIANTS["ViT_B16"], 1000, 224)
    Costs(parameters=86567656, multiply_adds=17563828224)
    """
    d, m = variant.hidden_dim, variant.mlp_dim
    stem, side, channels = Costs(0, 0), image_size, 3
    if variant.stem_blocks is not None:
        stem, side, channels = _stem(variant.stem_blocks, image_size)
    inputs = variant.patch_size**2 * channels
    patches = (side // variant.patch_size) ** 2
    tokens = patches + 1
    products = 4 * d * d + 2 * d * m  # of a block's kernels
    others = 4 * d + m + d + 4 * d  # its biases, and two norms
    ends = inputs * d + d + d + tokens * d + 2 * d + num_classes * (d + 1)
    reads = patches * inputs * d + num_classes * d
    if has_pre_logits:
        ends += d * d + d
        reads += d * d
    per_image = tokens * products + 2 * tokens * tokens * d
    return Costs(
        stem.parameters + ends + variant.num_layers * (products + others),
        stem.multiply_adds + reads + variant.num_layers * per_image,
    )


def _stem(blocks: tuple[int, ...], image_size: int) -> tuple[Costs, int, int]:
    """The costs of a ResNet's units, the side of its feature map, its channels."""
    side = -(-image_size // 2)
    parameters = 7 * 7 * 3 * ROOT + 2 * ROOT
    multiply_adds = 7 * 7 * 3 * ROOT * side**2
    side, channels = -(-side // 2), ROOT
    for stage, units in enumerate(blocks):
        inner, made = ROOT * 2**stage, EXPANSION * ROOT * 2**stage
        for unit in range(units):
            before = side
            if stage and not unit:
                side = -(-side // 2)
            first, second = channels * inner, 9 * inner * inner
            rest = inner * made + (0 if unit else channels * made)
            parameters += first + second + rest + 4 * inner + 2 * made
            parameters += 0 if unit else 2 * made  # the norm of the shortcut
            multiply_adds += first * before**2 + (second + rest) * side**2
            channels = made
    return Costs(parameters, multiply_adds), side, channels
