"""Options of a factory -> a model, with the weights that they name."""

import dataclasses
import logging
import warnings
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import keras

from keras_vit import layers, model
from keras_vit.foreign_arguments import known_options
from keras_vit.meaning import set_meaning
from keras_vit.model_options import (
    HybridOptions,
    NumClasses,
    VariantOptions,
    ViTOptions,
)
from keras_vit.variants import VARIANTS

if TYPE_CHECKING:
    from keras_vit.weights.checkpoint import Checkpoint

LOG = logging.getLogger(__name__)
NUM_CLASSES = 1000  # of random weights
Build = Callable[..., keras.Model]


def build_vit(num_classes: NumClasses, options: ViTOptions) -> keras.Model:
    """Build the general ViT, every size of which is an option."""
    known = known_options("ViT", options, ViTOptions)
    return _build("ViT", model.ViT, num_classes, known)


def build_variant(
    name: str, num_classes: NumClasses, options: VariantOptions | HybridOptions
) -> keras.Model:
    """Build one row of `VARIANTS`."""
    variant = VARIANTS[name]
    is_hybrid = variant.stem_blocks is not None
    table = HybridOptions if is_hybrid else VariantOptions
    known = known_options(name, options, table)
    sizes: dict[str, Any] = dataclasses.asdict(variant)
    blocks = sizes.pop("stem_blocks")

    def build(**arguments: Any) -> keras.Model:
        if is_hybrid:
            arguments["stem"] = layers.ResNetStem(
                blocks,
                standardization=arguments.pop("standardization", "deviation"),
                name="stem",
            )
        given: dict[str, Any] = {"name": name.lower(), **sizes, **arguments}
        return model.ViT(**given)

    return _build(name, build, num_classes, known)


def _build(
    name: str, build: Build, num_classes: NumClasses, options: Mapping[str, Any]
) -> keras.Model:
    """Build a model, of its weights' arguments where the options name weights."""
    arguments = dict(options)
    weights = arguments.pop("weights", None)
    source_grid = arguments.pop("source_grid", None)
    architecture = arguments.pop("architecture", None)
    image_size = arguments.pop("image_size", None)
    if weights is None and architecture is not None:
        raise ValueError(
            "architecture says what a file of timm's weights is of. Expected weights= "
            f"with it. Received: architecture={architecture!r}"
        )
    if weights is None:
        return build(
            num_classes=NUM_CLASSES if num_classes == "auto" else num_classes,
            image_size=image_size or 224,
            **arguments,
        )
    from keras_vit.weights import find_checkpoint, load_weights

    checkpoint = find_checkpoint(name, weights, source_grid, architecture)
    known = dict(checkpoint.arguments)
    if name == "ViT":  # which has no sizes of its own
        known |= _sizes_of(checkpoint, arguments)
    num_classes, keeps_head = _head_of(checkpoint, num_classes)
    if checkpoint.assumed and _asks_for_pixels(arguments):
        warnings.warn(
            f"{checkpoint.path.name}: assumed are {checkpoint.assumed}. pixel_mean "
            "and pixel_std say otherwise.",
            stacklevel=4,
        )
    if not keeps_head:
        known.pop("representation_size", None)
        known.pop("head_bias", None)
    if arguments.get("pooling", "") is None:  # all tokens, of no norm behind pooling
        known.pop("representation_size", None)
        if known.pop("fc_norm", False):
            known["final_norm"] = False
    network = build(
        num_classes=num_classes,
        image_size=image_size or checkpoint.image_size or 224,
        **(known | arguments),
    )
    load_weights(
        network,
        checkpoint.path,
        head="keep" if keeps_head else "reset",
        # ViT has no size of its own that another one could stand beside.
        patches="resize" if "patch_size" in arguments and name != "ViT" else "keep",
        architecture=checkpoint.architecture,
        source_grid=checkpoint.grid,
        position_interpolation=arguments.get("position_interpolation"),
    )
    if keeps_head and checkpoint.class_names is not None:
        set_meaning(network, class_names=checkpoint.class_names)
    if not keeps_head and None not in (num_classes, checkpoint.num_classes):
        LOG.warning(
            "%s: its head of %d classes is replaced by one of %d, which is zero.",
            checkpoint.path.name,
            checkpoint.num_classes,
            num_classes,
        )
    return network


def _sizes_of(checkpoint: "Checkpoint", arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The sizes of a file's model, where the caller names none.

    Raises:
        ValueError: if nobody says how many heads there are.
    """
    sizes = dict(checkpoint.sizes)
    if "num_heads" not in {*sizes, *arguments}:
        width = sizes.get("hidden_dim")
        raise ValueError(
            f"{checkpoint.path.name}: nothing in it or beside it says how many heads "
            f"attention has in a model of width {width}. Expected num_heads=, most "
            "often a 64th of the width; the factory of its size, such as "
            "keras_vit.ViT_S16; or timm's name of a model of that width, as "
            "architecture=. Received: none of them"
        )
    return sizes


def _head_of(
    checkpoint: "Checkpoint", num_classes: NumClasses
) -> tuple[int | None, bool]:
    """The number of classes of a model, and whether its head is the checkpoint's.

    Raises:
        ValueError: if the checkpoint's head is wanted and is not one dense layer.
    """
    foreign = checkpoint.foreign_head
    wanted = any(num_classes in shape for shape in foreign.values())
    if foreign and (num_classes == "auto" or wanted):
        names = ", ".join(f"{name} {shape}" for name, shape in foreign.items())
        raise ValueError(
            f"{checkpoint.path.name}: its head is not one dense layer on the features, "
            "so it has no place in a model of keras_vit. Expected num_classes=None, or "
            f"another number for a new head. Received: {names}"
        )
    if num_classes == "auto":
        return checkpoint.num_classes, True
    return num_classes, num_classes == checkpoint.num_classes and not foreign


def _asks_for_pixels(arguments: Mapping[str, Any]) -> bool:
    """Whether a model's first layer is to be the weights' own."""
    said = {"pixel_mean", "pixel_std"} <= arguments.keys()
    return arguments.get("include_preprocessing", True) and not said
