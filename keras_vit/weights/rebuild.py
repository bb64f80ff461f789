"""A model of another image size, patch size or head, and the same weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras

from keras_vit import layers
from keras_vit.input_and_output_layers import HEADS
from keras_vit.layers.patches import pair
from keras_vit.layers.quantized import check_not_quantized
from keras_vit.model_source import ModelSource, keras_model, meant_as
from keras_vit.weights.architecture import KERNEL, check_patches_of_pixels
from keras_vit.weights.construction import pairs, rebuilt
from keras_vit.weights.patches import resize_kernel
from keras_vit.weights.positions import check_method, resize_weight

Size = int | Sequence[int]


def resize(
    model: ModelSource,
    image_size: Size | None = None,
    patch_size: Size | None = None,
    method: str | None = None,
) -> keras.Model:
    """Return a model for other images or patches, with the weights of this one.

    Learned positions are interpolated in two dimensions, as section 3.2 of
    the ViT paper does for fine-tuning at a higher resolution; fixed ones are
    computed for the new grid. The patch embedding goes to another patch size
    by FlexiViT's pseudo-inverse resize (see `weights.patches`): an image with
    twice the pixels along each side, in patches of twice the side, gives the
    same tokens. Smaller patches are more tokens, which cost time and tell
    more; a short fine-tuning then brings the accuracy back, or more of it.
    Everything else is copied, and so is what the model means; the model that
    is passed stays as it is.

    A model that a function of this package built is built again for the new
    size, Keras's own networks among them. Another functional model is cloned
    by Keras on a new input, which keeps what its layers were made with:
    EfficientNet, MobileNet and NASNet pad otherwise for even sides than for
    odd ones.

    Args:
        model: a model of this package or another functional Keras model; or the
            path of a saved one: a run's folder or a `.keras` file.
        image_size: pixels, an integer or (height, width); `None`: as it is.
        patch_size: pixels, an integer or (height, width); `None`: as it is.
        method: for positions, a key of `weights.positions.METHODS`; `None`:
            that of the weights' source, which the model keeps, and the paper's
            for one that says none.

    Returns:
        A new `keras.Model`.

    Raises:
        ValueError: for a size that is smaller than a patch, an unknown
            method, another patch size of a hybrid, whose patches hold no
            pixels, a model that Keras has quantized, or one that was changed
            since it was built.

    Example:

    >>> model = keras_vit.ViT_Ti16(num_classes=10, image_size=32)
    >>> resize(model, (42, 56)).input_shape
    (None, 42, 56, 3)
    >>> resize(model, patch_size=8).get_layer("patch_encoder").grid
    (4, 4)
    """
    source, model = model, keras_model(model, "resized")
    check_not_quantized(model, "resize", "resize the float model, then quantize it.")
    size = model.input_shape[1:3] if image_size is None else image_size
    changes: dict[str, Any] = {"image_size": pair(size, "image_size")}
    if patch_size is not None:
        check_patches_of_pixels(model)
        changes["patch_size"] = pair(patch_size, "patch_size")
    if method is not None:
        check_method(method, "method")
    new = rebuilt(model, **changes)
    encoder, new_encoder = _patch_encoder(model), _patch_encoder(new)
    for old, weight in pairs(model, new):
        array = old.numpy()
        if encoder is not None and new_encoder is not None:
            rule = method or encoder.position_interpolation or "bilinear"
            array = resize_weight(old.path, array, encoder.grid, new_encoder.grid, rule)
        if patch_size is not None and old.path == KERNEL:
            before = model.get_layer("patches").patch_size
            array = resize_kernel(array, before, changes["patch_size"])
        if array.shape != tuple(weight.shape):
            raise ValueError(_of_one_size(model, old, weight, changes["image_size"]))
        weight.assign(array)
    return meant_as(source, new)


def _patch_encoder(model: keras.Model) -> layers.PatchEncoder | None:
    encoders = (one for one in model.layers if isinstance(one, layers.PatchEncoder))
    return next(encoders, None)


def _of_one_size(
    model: keras.Model, old: Any, weight: Any, image_size: tuple[int, int]
) -> str:
    """Return what to say of a weight that belongs to images of one size."""
    height, width = image_size
    return (
        "Expected a model whose weights serve images of any size, but for the "
        f"positions of a ViT. Received: {model.name!r}, whose weight "
        f"{old.path} of shape {tuple(old.shape)} would have shape "
        f"{tuple(weight.shape)} for images of {height} x {width}. Pool over "
        "the places, as by GlobalAveragePooling2D, before such a layer"
    )


def replace_head(model: ModelSource, num_classes: int | None) -> keras.Model:
    """Return a model with a new head, zero, and otherwise the weights of this one.

    What the model means is copied, but for the names of its classes: those of
    the new head are unknown.

    Args:
        model: a model of this package; or the path of a saved one: a run's folder
            or a `.keras` file.
        num_classes: logits to return; `None`: no head, the model returns the
            features.

    Returns:
        A new `keras.Model`.

    Raises:
        ValueError: if the model has no layer named `"features"`, if Keras
            has quantized it, or if it was changed since it was built.

    Example:

    >>> model = keras_vit.ViT_Ti16(num_classes=10, image_size=32)
    >>> replace_head(model, 3).output_shape
    (None, 3)
    """
    source, model = model, keras_model(model)
    check_not_quantized(
        model, "replace_head", "replace the float model's head, train, then quantize."
    )
    if "features" not in {layer.name for layer in model.layers}:
        raise ValueError(
            "Expected a model that a factory of keras_vit built. "
            f"Received: {model.name!r}, without the layer 'features'"
        )
    new = rebuilt(model, num_classes=num_classes)
    for old, weight in pairs(model, new, without=HEADS):
        weight.assign(old)
    return meant_as(source, new, with_names=False)
