"""A model of another image size, patch size or head, and the same weights."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any

import keras

from keras_vit import baselines, kerascv_networks, layers
from keras_vit import model as vit
from keras_vit.choices import KERAS_CV_PREFIX
from keras_vit.derived_arguments import derived_arguments, ends_as_built
from keras_vit.image_model import KerasVitModel
from keras_vit.layers.patches import pair
from keras_vit.layers.quantized import check_not_quantized
from keras_vit.meaning import keeps_classes, meaning_of, set_meaning
from keras_vit.model_source import ModelSource, keras_model, meant_as
from keras_vit.weights.appended import built_and_appended
from keras_vit.weights.architecture import KERNEL, check_patches_of_pixels, weights
from keras_vit.weights.patches import resize_kernel
from keras_vit.weights.positions import check_method, resize_weight

Size = int | Sequence[int]
BUILDERS: dict[str, Callable[..., keras.Model]] = {
    "ViT": vit.ViT,
    "ResNet": baselines.ResNet,
}


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
    encoders = [
        layer
        for one in (model, new)
        for layer in one.layers
        if isinstance(layer, layers.PatchEncoder)
    ]
    for old, weight in pairs(model, new):
        array = old.numpy()
        if encoders:
            rule = method or encoders[0].position_interpolation or "bilinear"
            first, second = (encoder.grid for encoder in encoders)
            array = resize_weight(old.path, array, first, second, rule)
        if patch_size is not None and old.path == KERNEL:
            before = model.get_layer("patches").patch_size
            array = resize_kernel(array, before, changes["patch_size"])
        if array.shape != tuple(weight.shape):
            height, width = changes["image_size"]
            raise ValueError(
                "Expected a model whose weights serve images of any size, but for the "
                f"positions of a ViT. Received: {model.name!r}, whose weight "
                f"{old.path} of shape {array.shape} would have shape "
                f"{tuple(weight.shape)} for images of {height} x {width}. Pool over "
                "the places, as by GlobalAveragePooling2D, before such a layer"
            )
        weight.assign(array)
    return meant_as(source, new)


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
    for old, weight in pairs(model, new, without=vit.HEADS):
        weight.assign(old)
    return meant_as(source, new, with_names=False)


def rebuilt(model: keras.Model, **changes: Any) -> keras.Model:
    """Build a model again with other arguments, its weights random.

    Args:
        model: a functional Keras model.
        **changes: by the names of the builder's arguments.

    Returns:
        A new model, which means the same and whose layers have the same
        precision, are frozen where the model's are, and recompute what its
        recompute. With another `num_classes` the names of its classes are
        unknown.

    Raises:
        ValueError: if the model cannot be built again, or has something that
            the new one would lack.
    """
    recipe = _recipe_of(model)
    if recipe is not None:
        builder, arguments = recipe
        with _precision_of(model):
            new = _built(model, builder, arguments | changes)
    elif set(changes) == {"image_size"}:
        new = _cloned(model, changes["image_size"])
    elif set(changes) == {"num_classes"}:
        new = _with_head(_cloned(model), changes["num_classes"])
    else:
        new = _with_the_same_appended(model, changes)
    of_outputs = [
        one.name
        for one in model.layers
        if one.name in vit.HEADS or isinstance(one, (layers.Logits, layers.Outputs))
    ]
    _check_holds_all(model, new, of_outputs if "num_classes" in changes else ())
    _copy_state(model, new, names="num_classes" not in changes)
    return new


def _with_the_same_appended(
    model: keras.Model, changes: Mapping[str, Any]
) -> keras.Model:
    """Build what was built again, and append copies of what has been appended."""
    parts = built_and_appended(model)
    if parts is None:
        raise ValueError(
            "Expected a model that a function of keras_vit built, with nothing changed "
            f"since, for another {', '.join(changes)}. Received: {model.name!r}, which "
            "has been changed, or was built by other code. Do this first, and change "
            "the model that is returned"
        )
    built, appended = parts
    new = rebuilt(built, **changes)
    copy = keras.models.clone_model(appended, clone_function=_copy_for_any_size)
    return keras.Model(new.inputs[0], copy.call(new.outputs[0]), name=model.name)


def _recipe_of(model: keras.Model) -> tuple[str, dict[str, Any]] | None:
    """The builder of a model and its arguments, kept or derived; `None`: unknown."""
    if isinstance(model, KerasVitModel) and model.builder is not None:
        return model.builder, model.arguments
    for layer in model.layers:
        if isinstance(layer, layers.Features) and layer.builder is not None:
            if ends_as_built(model):  # such as `keras.Model(model.input, model.output)`
                return layer.builder, dict(layer.arguments or {})
            return None  # of a model with something around what was built
    return derived_arguments(model)


def _built(model: keras.Model, builder: str, arguments: dict[str, Any]) -> keras.Model:
    if builder.startswith(baselines.PREFIX):
        return baselines.application(builder.removeprefix(baselines.PREFIX))(
            **arguments
        )
    if builder.startswith(KERAS_CV_PREFIX):
        network = builder.removeprefix(KERAS_CV_PREFIX)
        return kerascv_networks.network(network)(**arguments)
    if builder not in BUILDERS:
        raise ValueError(
            f"Expected a model of a builder among {', '.join(BUILDERS)} and "
            f"{baselines.PREFIX}<name>. Received: {model.name!r}, built by {builder!r}"
        )
    if arguments.get("stem") is not None:
        arguments |= {"stem": _copy_for_any_size(model.get_layer(arguments["stem"]))}
    with warnings.catch_warnings():  # who merges tokens has been warned
        warnings.filterwarnings("ignore", "token_merging=")
        return BUILDERS[builder](**arguments)


def _copy_for_any_size(layer: Any) -> Any:
    """Another layer of a config, weights random; a model of images takes any size."""
    if isinstance(layer, keras.Model) and _takes_images(layer):
        return _cloned(layer, (None, None))
    return type(layer).from_config(layer.get_config())


def _takes_images(model: Any) -> bool:
    inputs = getattr(model, "inputs", None)
    return bool(inputs) and len(inputs) == 1 and len(inputs[0].shape) == 4


def _cloned(model: keras.Model, size: Sequence[int | None] | None = None) -> Any:
    """A model that Keras clones on an input of another size, weights random."""
    grids: list[tuple[int, int]] = []  # of the encoder that was cloned

    def call(layer: Any, *args: Any, **kwargs: Any) -> Any:
        outputs = layer(*args, **kwargs)
        if isinstance(layer, layers.PatchEncoder):
            grids.append(layer.grid)
        return outputs

    def copied(layer: Any) -> Any:
        if isinstance(layer, (layers.TransformerBlock, layers.PositionEmbedding)):
            config = layer.get_config()
            if config["grid"] is not None and grids:
                config["grid"] = grids[-1]
            return type(layer).from_config(config)
        _check_no_vit_inside(layer)
        return _copy_for_any_size(layer)

    inputs = keras.tree.map_structure(
        lambda x: keras.Input(
            batch_shape=x.shape if size is None else (x.shape[0], *size, x.shape[-1]),
            dtype=x.dtype,
            name=x.name,
        ),
        model.inputs[0] if isinstance(model, keras.Sequential) else model.input,
    )
    more: dict[str, Any] = (
        {} if isinstance(model, keras.Sequential) else {"call_function": call}
    )
    return keras.models.clone_model(
        model, input_tensors=inputs, clone_function=copied, **more
    )


def _check_no_vit_inside(layer: Any) -> None:
    """Refuse a model inside a model whose positions stand for one grid."""
    inner = getattr(layer, "layers", ())
    if any(isinstance(one, layers.PatchEncoder) for one in inner):
        raise ValueError(
            "Expected a model whose own layers are those of keras_vit. Received: a "
            f"model around {layer.name!r}. Pass that one, "
            f"model.get_layer({layer.name!r}), and build around what is returned"
        )


def _with_head(model: keras.Model, num_classes: int | None) -> keras.Model:
    """A model that ends in a new head on the layer `"features"`."""
    names = {layer.name for layer in model.layers}
    features = [
        model.get_layer(name).output
        for name in ("features", "features_distillation")
        if name in names
    ]
    outputs = features
    if num_classes is not None:
        outputs = [
            vit.head(num_classes, name)(one)
            for one, name in zip(features, vit.HEADS, strict=False)
        ]
    if len(outputs) > 1:
        outputs = [keras.layers.Average(name="mean", dtype="float32")(outputs)]
    return keras.Model(model.input, outputs[0], name=model.name)


@contextlib.contextmanager
def _precision_of(model: keras.Model) -> Iterator[None]:
    """New layers get the dtype policy that the model was built under."""
    in_float32 = (
        keras.layers.InputLayer,
        layers.PixelNormalization,
        layers.Features,
        layers.Head,
    )
    inner = [one for one in model.layers if not isinstance(one, in_float32)]
    inner.sort(key=lambda layer: not isinstance(layer, layers.PatchEncoder))
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(inner[0].dtype_policy if inner else before)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def _check_holds_all(
    model: keras.Model, new: keras.Model, without: Collection[str]
) -> None:
    """Refuse to copy a model into one that would lack some of it."""
    found = {layer.name: layer for layer in new.layers}
    lacking, more, other = [], [], []
    for layer in model.layers:
        if layer.name in without or isinstance(layer, keras.layers.InputLayer):
            continue
        if layer.name not in found:
            lacking.append(layer.name)
        elif len(weights(layer)) > len(weights(found[layer.name])):
            more.append(layer.name)
        elif layer.dtype_policy != found[layer.name].dtype_policy:
            other.append(layer.name)
    if lacking or other:
        raise ValueError(
            "Expected a model as the functions of keras_vit build it, whose layers "
            f"share a dtype policy. Received: {model.name!r}, whose layers "
            f"{', '.join(lacking + other)} have been added or changed since. Do what "
            "is wanted of the model first, and add them then"
        )
    if more:  # by `Dense.enable_lora`, say
        raise ValueError(
            f"{model.name!r} has weights that its config does not describe, so a "
            "copy would lack them. Expected low-rank factors that are merged into "
            "their kernels, as in a .keras file. "
            f"Received: more weights in {', '.join(more)}"
        )


def _copy_state(model: keras.Model, new: keras.Model, *, names: bool) -> None:
    """What the layers keep besides arguments and weights."""
    meaning = meaning_of(model)
    if keeps_classes(new):
        class_names = meaning.class_names if names else None
        set_meaning(new, activation=meaning.activation, class_names=class_names)
    if any(isinstance(one, layers.PixelNormalization) for one in new.layers):
        set_meaning(new, preprocessing=meaning.preprocessing, decoding=meaning.decoding)
    found = {layer.name: layer for layer in model.layers}
    for layer in new.layers:
        old = found.get(layer.name)
        if old is None:
            continue
        if layer.trainable != old.trainable:
            layer.trainable = old.trainable
        if isinstance(layer, layers.TransformerBlock):
            layer.remat = old.remat


def pairs(
    model: keras.Model, new: keras.Model, without: Collection[str] = ()
) -> Iterator[tuple[Any, Any]]:
    """Yield each weight of a model with that of its copy, layer by layer.

    Their paths may differ before the layer: those of some of Keras's networks
    hold scopes that no config keeps.
    """
    old = {layer.name: weights(layer) for layer in model.layers}
    for layer in new.layers:
        if weights(layer) and layer.name not in without:
            yield from zip(old[layer.name], weights(layer), strict=True)


def grid_of(
    model: keras.Model, image_size: Sequence[int], patch_size: Sequence[int]
) -> tuple[int, int]:
    """Return the grid that images of a size are for a model with such patches.

    Args:
        model: a ViT that a factory of this package built.
        image_size: (height, width), pixels.
        patch_size: (height, width), pixels or cells of the stem's feature map.
    """
    shape: Any = (None, *image_size, 3)
    for layer in model.layers:
        if isinstance(layer, layers.Patches):
            break
        if not isinstance(layer, keras.layers.InputLayer):
            shape = _copy_for_any_size(layer).compute_output_shape(shape)
    _, rows, columns, _ = layers.Patches(patch_size).compute_output_shape(shape)
    return rows, columns
