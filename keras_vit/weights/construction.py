"""A model built again with other arguments, its weights random."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

import keras

from keras_vit import baselines, kerascv_networks, layers
from keras_vit.choices import KERAS_CV_PREFIX
from keras_vit.derived_arguments import derived_arguments, ends_as_built
from keras_vit.image_model import KerasVitModel
from keras_vit.input_and_output_layers import HEADS, head
from keras_vit.layers.dtype_scope import dtype_policy
from keras_vit.meaning import keeps_classes, meaning_of, set_meaning
from keras_vit.model import ViT
from keras_vit.weights.appended import built_and_appended
from keras_vit.weights.architecture import weights
from keras_vit.weights.cloning import cloned, copied_layer

BUILDERS: dict[str, Callable[..., keras.Model]] = {
    "ViT": ViT,
    "ResNet": baselines.ResNet,
}


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
    known = _builder_of(model)
    if known is not None:
        builder, arguments = known
        with dtype_policy(_dtype_policy_of(model)):
            new = _built(model, builder, arguments | changes)
    elif set(changes) == {"image_size"}:
        new = cloned(model, changes["image_size"])
    elif set(changes) == {"num_classes"}:
        new = _with_head(cloned(model), changes["num_classes"])
    else:
        new = _with_the_same_appended(model, changes)
    of_outputs = [
        one.name
        for one in model.layers
        if one.name in HEADS or isinstance(one, (layers.Logits, layers.Outputs))
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
    copy = keras.models.clone_model(appended, clone_function=copied_layer)
    return keras.Model(new.inputs[0], copy.call(new.outputs[0]), name=model.name)


def _builder_of(model: keras.Model) -> tuple[str, dict[str, Any]] | None:
    """Return the builder of a model and its arguments; `None` where it is unknown."""
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
        arguments |= {"stem": copied_layer(model.get_layer(arguments["stem"]))}
    with warnings.catch_warnings():  # who merges tokens has been warned
        warnings.filterwarnings("ignore", "token_merging=")
        return BUILDERS[builder](**arguments)


def _with_head(model: keras.Model, num_classes: int | None) -> keras.Model:
    """Return a model that ends in a new head on the layer `"features"`."""
    names = {layer.name for layer in model.layers}
    features = [
        model.get_layer(name).output
        for name in ("features", "features_distillation")
        if name in names
    ]
    outputs = features
    if num_classes is not None:
        outputs = [
            head(num_classes, name)(one)
            for one, name in zip(features, HEADS, strict=False)
        ]
    if len(outputs) > 1:
        outputs = [keras.layers.Average(name="mean", dtype="float32")(outputs)]
    return keras.Model(model.input, outputs[0], name=model.name)


def _dtype_policy_of(model: keras.Model) -> keras.DTypePolicy:
    """Return the dtype policy that a model was built under."""
    in_float32 = (
        keras.layers.InputLayer,
        layers.PixelNormalization,
        layers.Features,
        layers.Head,
    )
    inner = [one for one in model.layers if not isinstance(one, in_float32)]
    inner.sort(key=lambda layer: not isinstance(layer, layers.PatchEncoder))
    return inner[0].dtype_policy if inner else keras.config.dtype_policy()


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
    """Copy what the layers keep besides arguments and weights."""
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
