"""The pixels that one token stands for."""

from keras_vit.layers import ResNetStem


def cell_size(model):
    """Gives the pixels from one token of the grid to the next.

    The side of a patch, of a hybrid that times the pixels from one cell of
    its feature map to the next.

    Args:
        model: a ViT of this package.

    Returns:
        (height, width) in pixels.

    Example:

    >>> cell_size(keras_vit.ViT_Ti16(num_classes=10, image_size=32))
    (16.0, 16.0)
    >>> cell_size(keras_vit.R_ViT_Ti16(num_classes=10, image_size=32))
    (32.0, 32.0)
    """
    patches = model.get_layer("patches")
    sides = zip(patches.patch_size, _strides(model, patches), strict=True)
    return tuple(float(patch * stride) for patch, stride in sides)


def _strides(model, patches):
    for layer in model.layers:
        if isinstance(layer, ResNetStem):
            return layer.stride, layer.stride
    # Of another stem the sizes tell, as far as it does not round them.
    sides = zip(model.input.shape[1:3], patches.input.shape[1:3], strict=True)
    return tuple(pixels / cells for pixels, cells in sides)
