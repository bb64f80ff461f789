"""What users call: every variant by its name, with weights if they like."""

import dataclasses
import inspect
import logging
import warnings

from keras_vit import baselines, layers, model
from keras_vit.meaning import set_meaning
from keras_vit.variants import VARIANTS

OF_WEIGHTS = """
    weights: a release's name (see `list_weights`), `hf:<owner>/<name>`, or
        the path of a `.npz` or `.safetensors` file. They settle the form of
        GELU, epsilon, pooling, preprocessing and the rest of what they were
        trained with. Without `num_classes` the model has as many classes as
        they have, or no head if they have none. A head of another number of
        classes, and a pre-logits layer with it, is replaced by a zero head.
    image_size: by default that of the weights, or 224. Positions are resized
        by the rule of the weights' source.
    source_grid: (rows, columns) of patches that the positions of the weights
        are for, where a bare file could be read otherwise.
"""
OF_PATCHES = """    patch_size: another than the name says. Its weights then go to that
        size as `resize` takes them there.
"""
OF_STEM = """    standardization: of the stem's kernels, as `layers.ResNetStem` has it.
        Weights settle it; without them it is Google's.
"""


LOG = logging.getLogger(__name__)
NUM_CLASSES = 1000  # of random weights
UNSAID = object()  # `num_classes` of a call that does not name it


def _with_weights(build, name):
    """Gives `build` the argument `weights`."""

    def factory(
        num_classes=UNSAID,
        image_size=None,
        weights=None,
        *,
        source_grid=None,
        **arguments,
    ):
        if weights is None:
            num_classes = NUM_CLASSES if num_classes is UNSAID else num_classes
            return build(image_size or 224, num_classes=num_classes, **arguments)
        from keras_vit.weights import find_checkpoint, load_weights

        checkpoint = find_checkpoint(name, weights, source_grid)
        told = dict(checkpoint.arguments)
        num_classes, keeps_head = _head_of(checkpoint, num_classes)
        if checkpoint.assumed and _asks_for_pixels(arguments):
            warnings.warn(
                f"{checkpoint.path.name}: assumed are {checkpoint.assumed}. pixel_mean "
                "and pixel_deviation say otherwise.",
                stacklevel=2,
            )
        if not keeps_head:
            told.pop("representation_size", None)
        network = build(
            image_size or checkpoint.image_size or 224,
            num_classes=num_classes,
            **(told | arguments),
        )
        load_weights(
            network,
            checkpoint.path,
            head="keep" if keeps_head else "reset",
            # ViT has no size of its own that another one could stand beside.
            patches="resize" if "patch_size" in arguments and name != "ViT" else "keep",
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

    return factory


def _head_of(checkpoint, num_classes):
    """The number of classes of a model, and whether its head is the checkpoint's.

    Raises:
        ValueError: if the checkpoint's head is wanted and is not one dense layer.
    """
    foreign = checkpoint.foreign_head
    wanted = any(num_classes in shape for shape in foreign.values())
    if foreign and (num_classes is UNSAID or wanted):
        names = ", ".join(f"{name} {shape}" for name, shape in foreign.items())
        raise ValueError(
            f"{checkpoint.path.name}: its head is not one dense layer on the features, "
            "so it has no place in a model of keras_vit. Expected num_classes=None, or "
            f"another number for a new head. Received: {names}"
        )
    if num_classes is UNSAID:
        return checkpoint.num_classes, True
    return num_classes, num_classes == checkpoint.num_classes and not foreign


def _asks_for_pixels(arguments):
    """Whether a model's first layer is to be the weights' own."""
    said = {"pixel_mean", "pixel_deviation"} <= arguments.keys()
    return arguments.get("include_preprocessing", True) and not said


def _variant(name):
    """Gives the function that builds one row of `VARIANTS`."""
    variant = VARIANTS[name]
    sizes = dataclasses.asdict(variant)
    blocks = sizes.pop("stem_blocks")

    settled = {*dataclasses.asdict(variant), "stem"}
    defaults = {}
    more = {}
    if blocks is None:  # a hybrid's patches are cells of its own stem's map
        settled -= {"patch_size"}
        defaults["patch_size"] = sizes["patch_size"]
    else:
        more["standardization"] = "deviation"

    def build(image_size, **arguments):
        clash = sorted(settled & arguments.keys())
        if clash:
            raise TypeError(
                f"{name} settles {', '.join(clash)}. Use ViT, which takes them all."
            )
        if blocks is not None:
            arguments["stem"] = layers.ResNetStem(
                blocks,
                standardization=arguments.pop("standardization", "deviation"),
                name="stem",
            )
        arguments.setdefault("name", name.lower())
        return model.ViT(image_size, **(sizes | arguments))

    factory = _with_weights(build, name)
    _describe(factory, name, settled, defaults, more)
    stem = "" if blocks is None else f" on ResNetStem({blocks})"
    factory.__doc__ = f"""Builds {name}: {variant.num_layers} blocks{stem}.

Width {variant.hidden_dim}, {variant.num_heads} heads, MLPs of {variant.mlp_dim},
patches of {variant.patch_size}. Takes the arguments of `ViT` that this leaves open.

Args:{OF_WEIGHTS}{OF_STEM if blocks is not None else OF_PATCHES}
Example:

>>> model = keras_vit.{name}(num_classes=10)  # doctest: +SKIP
"""
    return factory


def _general():
    """`ViT` itself, with weights."""
    factory = _with_weights(model.ViT, "ViT")
    _describe(factory, "ViT")
    factory.__doc__ = model.ViT.__doc__.replace(
        "\n    Returns:", OF_WEIGHTS.replace("\n", "\n    ") + "\n    Returns:", 1
    )
    return factory


def _describe(factory, name, settled=(), defaults=None, more=None):
    """A name, and a signature that holds ViT's open arguments and some more."""
    own = list(inspect.signature(factory).parameters.values())[:-1]
    own[0] = own[0].replace(default=NUM_CLASSES)  # where there are no weights
    others = [
        parameter.replace(
            kind=parameter.KEYWORD_ONLY,
            default=(defaults or {}).get(parameter.name, parameter.default),
        )
        for parameter in inspect.signature(model.ViT).parameters.values()
        if parameter.name not in {*settled, *(one.name for one in own)}
    ]
    others += [
        inspect.Parameter(added, inspect.Parameter.KEYWORD_ONLY, default=default)
        for added, default in (more or {}).items()
    ]
    factory.__name__ = factory.__qualname__ = name
    factory.__signature__ = inspect.Signature(own + others)


FACTORIES = {
    "ViT": _general(),
    **{name: _variant(name) for name in VARIANTS},
    "ResNet": baselines.ResNet,
    "ResNet_R26": baselines.ResNet_R26,
    "ResNet_R50": baselines.ResNet_R50,
}


def find(name):
    """Gives the factory of a name, also of `"keras:EfficientNetV2B0"`.

    Returns:
        A function, or `None` where there is none of that name, as of a path.

    Raises:
        ValueError: for a network that Keras has not.
    """
    if name.startswith(baselines.PREFIX):
        return baselines.application(name.removeprefix(baselines.PREFIX))
    return FACTORIES.get(name)
