"""The networks that the paper compares a ViT with."""

import keras

from keras_vit import layers
from keras_vit.layers.patches import pair
from keras_vit.model import features, head, preprocessing


def ResNet(
    blocks=(3, 4, 6, 3),
    width_factor=1.0,
    num_classes=1000,
    image_size=224,
    name="resnet",
):
    """Builds the paper's baseline: the hybrids' ResNet with a head (section 4.1).

    "BiT" in the paper's figures: group normalisation and standardised
    convolutions. Images and logits are those of `ViT`.

    Args:
        blocks: the units in each stage; those of R50 by default.
        width_factor: over the usual number of channels.
        num_classes: logits to give; `None`: the model gives the features.
        image_size: pixels, an integer or (height, width).
        name: of the model.

    Returns:
        A functional `keras.Model` with random weights, its head zero.

    Example:

    >>> ResNet((2, 2, 2, 2), num_classes=10).output_shape
    (None, 10)
    """
    height, width = pair(image_size, "image_size")
    images = keras.Input((height, width, 3), name="images")
    x = preprocessing(127.5, 127.5)(images)
    x = layers.ResNetStem(blocks, width_factor, name="stem")(x)
    y = features("features")(keras.ops.mean(x, axis=(1, 2)))
    if num_classes is not None:
        y = head(num_classes)(y)
    return keras.Model(images, y, name=name)


def ResNet_R26(num_classes=1000, image_size=224, name="resnet_r26"):
    """Builds `ResNet` with two units in each of four stages."""
    return ResNet((2, 2, 2, 2), 1.0, num_classes, image_size, name)


def ResNet_R50(num_classes=1000, image_size=224, name="resnet_r50"):
    """Builds `ResNet` with 3, 4, 6 and 3 units in its stages."""
    return ResNet((3, 4, 6, 3), 1.0, num_classes, image_size, name)
