"""A model of another image size, patch size or head, and the same weights."""

import copy

import keras

from keras_vit.layers.patches import Patches, pair
from keras_vit.layers.quantized import check_not_quantized
from keras_vit.model import head
from keras_vit.weights.architecture import KERNEL, check_patches_of_pixels, weights
from keras_vit.weights.patches import resize_kernel
from keras_vit.weights.positions import check_method, resize_weight


def resize(model, image_size=None, patch_size=None, method=None):
    """Gives a model for other images or patches, with the weights of this one.

    Learned positions are interpolated in two dimensions, as section 3.2 of
    the ViT paper does for fine-tuning at a higher resolution; fixed ones are
    computed for the new grid. The patch embedding goes to another patch size
    by FlexiViT's pseudo-inverse resize (see `weights.patches`): an image with
    twice the pixels along each side, in patches of twice the side, gives the
    same tokens. Smaller patches are more tokens, which cost time and tell
    more; a short fine-tuning then brings the accuracy back, or more of it.
    Everything else is copied; the model that is given is left as it is. Of
    Keras's own networks, EfficientNet, MobileNet and NASNet pad otherwise for
    even sides than for odd ones; they keep what was right for the old size.

    Args:
        model: a model of this package, also one that was trained and saved.
        image_size: pixels, an integer or (height, width); `None`: as it is.
        patch_size: pixels, likewise.
        method: for positions, a key of `weights.positions.METHODS`; `None`:
            that of the weights' source, which the model keeps, and the paper's
            for one that says none.

    Returns:
        A new `keras.Model`.

    Raises:
        ValueError: for a size that is smaller than a patch, an unknown
            method, another patch size of a hybrid, whose patches hold no
            pixels, or a model that Keras has quantized.

    Example:

    >>> model = keras_vit.ViT_Ti16(num_classes=10, image_size=32)
    >>> resize(model, (42, 56)).input_shape
    (None, 42, 56, 3)
    >>> resize(model, patch_size=8).get_layer("patch_encoder").grid
    (4, 4)
    """
    check_not_quantized(model, "resize", "resize the float model, then quantize it.")
    height, width = pair(
        model.input_shape[1:3] if image_size is None else image_size, "image_size"
    )
    if patch_size is not None:
        check_patches_of_pixels(model)
        patch_size = pair(patch_size, "patch_size")
    if method is not None:
        check_method(method, "method")
    new = rebuilt(model, (None, height, width, 3), patch_size=patch_size)
    encoders = [
        one.get_layer("patch_encoder")
        for one in (model, new)
        if any(layer.name == "patch_encoder" for layer in one.layers)
    ]
    for old, weight in pairs(model, new):
        array = old.numpy()
        if encoders:
            grids = [encoder.grid for encoder in encoders]
            rule = method or encoders[0].position_interpolation or "bilinear"
            array = resize_weight(old.path, array, *grids, rule)
        if patch_size is not None and old.path == KERNEL:
            before = model.get_layer("patches").patch_size
            array = resize_kernel(array, before, patch_size)
        weight.assign(array)
    return new


def replace_head(model, num_classes):
    """Gives a model with a new head, zero, and otherwise the weights of this one.

    Args:
        model: a model of this package, also one that was trained and saved.
        num_classes: logits to give; `None`: no head, the model gives the
            features.

    Returns:
        A new `keras.Model`.

    Raises:
        ValueError: if the model has no layer named `"features"`, or if Keras
            has quantized it.

    Example:

    >>> model = keras_vit.ViT_Ti16(num_classes=10, image_size=32)
    >>> replace_head(model, 3).output_shape
    (None, 3)
    """
    check_not_quantized(
        model, "replace_head", "replace the float model's head, train, then quantize."
    )
    names = {layer.name for layer in model.layers}
    if "features" not in names:
        raise ValueError(
            "Expected a model that a factory of keras_vit built. "
            f"Received: {model.name!r}, without the layer 'features'"
        )
    copy_of = rebuilt(model, model.input_shape)
    outputs = [copy_of.get_layer("features").output]
    heads = ["head"]
    if "features_distillation" in names:
        outputs.append(copy_of.get_layer("features_distillation").output)
        heads.append("head_distillation")
    if num_classes is not None:
        outputs = [
            head(num_classes, name)(output)
            for name, output in zip(heads, outputs, strict=True)
        ]
    if len(outputs) > 1:
        outputs = [keras.layers.Average(name="mean", dtype="float32")(outputs)]
    new = keras.Model(copy_of.input, outputs[0], name=model.name)
    for old, weight in pairs(model, new, without=heads):
        weight.assign(old)
    return new


def rebuilt(model, input_shape, change=None, patch_size=None):
    """The model that this one's config makes of another input, weights random.

    `change`, if any, is given the configs of its layers to change them.
    """
    config = copy.deepcopy(model.get_config())
    if tuple(input_shape) != model.input_shape:
        for layer in config["layers"]:
            _take_any_size(layer["config"])
    grid = _grid(model, config["layers"], input_shape, patch_size)
    for layer in config["layers"]:
        layer.pop("build_config", None)  # holds the shapes of the old input
        if layer["class_name"] == "InputLayer":
            layer["config"]["batch_shape"] = tuple(input_shape)
        if layer["config"].get("grid") is not None:
            layer["config"]["grid"] = grid
        if patch_size is not None and layer["config"]["name"] == "patches":
            layer["config"]["patch_size"] = patch_size
    if change is not None:
        change(config["layers"])
    new = type(model).from_config(config)
    more = [
        layer.name
        for layer in model.layers
        if len(weights(layer)) > len(weights(new.get_layer(layer.name)))
    ]
    if more:  # by `Dense.enable_lora`, say
        raise ValueError(
            f"{model.name!r} has weights that its config does not tell of and a copy "
            "would lack. Expected low-rank factors that are merged into their kernels, "
            f"as a .keras file has them. Received: more weights in {', '.join(more)}"
        )
    return new


def pairs(model, new, without=()):
    """Each weight of a model with that of its copy, layer by layer.

    Their paths may differ: those of some of Keras's networks hold scopes that
    no config tells of.
    """
    old = {layer.name: weights(layer) for layer in model.layers}
    for layer in new.layers:
        if weights(layer) and layer.name not in without:
            yield from zip(old[layer.name], weights(layer), strict=True)


def grid_of(model, image_size, patch_size):
    """Return the grid that images of a size are for a model with such patches.

    Args:
        model: a ViT that a factory of this package built.
        image_size: (height, width), pixels.
        patch_size: (height, width), pixels or cells of the stem's feature map.
    """
    configs = model.get_config()["layers"]
    return _grid(model, configs, (None, *image_size, 3), patch_size)


def _take_any_size(config):
    """Lets a model inside a model, by its config, read images of any size."""
    for layer in config.get("layers", ()):
        layer.pop("build_config", None)
        if layer["class_name"] == "InputLayer":
            batch, *sides, channels = layer["config"]["batch_shape"]
            free = batch, *(None for _ in sides), channels
            layer["config"]["batch_shape"] = free
            if "build_input_shape" in config:  # of a `Sequential`
                config["build_input_shape"] = free
        _take_any_size(layer["config"])


def _grid(model, configs, shape, patch_size):
    """The rows and columns of patches in images of that shape; `None`: no patches."""
    names = [layer.name for layer in model.layers]
    if "patches" not in names:
        return None
    place = names.index("patches")
    for layer, config in zip(model.layers[:place], configs, strict=False):
        if isinstance(layer, keras.Model):
            layer = type(layer).from_config(copy.deepcopy(config["config"]))
        if not isinstance(layer, keras.layers.InputLayer):
            shape = layer.compute_output_shape(shape)
    patches = model.layers[place]
    if patch_size is not None:
        patches = Patches(patch_size)
    return tuple(patches.compute_output_shape(shape)[1:3])
