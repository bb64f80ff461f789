"""Models and recipes by their names."""

import fnmatch
from typing import TYPE_CHECKING, Any

from keras_vit.factories import FACTORIES, find
from keras_vit.model_options import NumClasses
from keras_vit.recipes import RECIPES
from keras_vit.suggestions import did_you_mean
from keras_vit.timm_names import ARCHITECTURES, PREFIX, read_timm_name

if TYPE_CHECKING:
    import keras


def list_models(pattern: str = "*") -> list[str]:
    """Return the names of models that `create_model` builds.

    Args:
        pattern: which, with `*` and `?`; capitals do not count.

    Example:

    >>> list_models("*b16")
    ['ViT_B16', 'R50_ViT_B16']
    """
    return _matching(FACTORIES, pattern)


def list_recipes(pattern: str = "*") -> list[str]:
    """Return the names of recipes that `train` takes.

    Args:
        pattern: which, with `*` and `?`; capitals do not count.

    Example:

    >>> list_recipes("fine*")
    ['finetune']
    """
    return _matching(RECIPES, pattern)


def create_model(
    name: str, num_classes: NumClasses = "auto", **options: Any
) -> "keras.Model":
    """Build a model by its name.

    Args:
        name: of `list_models`, `"keras:<name>"` for a network of
            `keras.applications`, or timm's name of one of these architectures,
            such as `"vit_base_patch16_224"`, whose tag behind a dot names weights;
            or the full name, with a tag, of any of its Vision Transformers, such
            as `"vit_base_patch16_dinov3.lvd1689m"`, whose weights say the sizes.
        num_classes: logits to return; `None`: no head, the model returns the
            features. `"auto"`: as many as the weights have, or 1000.
        **options: of the factory of that name, such as `weights`.

    Raises:
        ValueError: for an unknown name, with those that are similar.
        TypeError: for an option that the factory does not have.

    Example:

    >>> create_model("ViT_Ti16", num_classes=10, image_size=32).output_shape
    (None, 10)
    """
    if not isinstance(name, str):
        raise TypeError(
            "create_model() takes the name of a model, such as 'ViT_B16'. Received: "
            f"{name!r}"
        )
    factory = find(name)
    timm = read_timm_name(name) if factory is None else None
    if timm is not None:
        factory = FACTORIES[timm.variant]
        if timm.weights is not None and options.get("weights") is not None:
            raise TypeError(
                f"create_model() takes weights once. Received: {name!r}, whose tag "
                f"names weights, and weights={options['weights']!r}"
            )
        if timm.weights is not None:
            options["weights"] = timm.weights
        if options.get("weights") is None:
            options = {"image_size": timm.image_size, **timm.arguments, **options}
    repository = None if factory else timm_repository(name)
    if repository is not None:
        if options.get("weights", repository) is None:
            raise TypeError(
                "create_model() builds timm's models of tags by their weights, which "
                f"say the sizes. Received: {name!r} and weights=None"
            )
        factory, options = FACTORIES["ViT"], {"weights": repository} | options
    if factory is None:
        raise ValueError(_unknown_model(name))
    if num_classes != "auto":
        options["num_classes"] = num_classes
    return factory(**options)


def timm_repository(name: str) -> str | None:
    """Return the repository of a full name of timm's; `None` if it is none.

    Example:

    >>> timm_repository("vit_base_patch16_dinov3.lvd1689m")
    'hf:timm/vit_base_patch16_dinov3.lvd1689m'
    """
    from keras_vit.weights.sources.timm_architectures import ARCHITECTURES

    bare = PREFIX.sub("", name, count=1)
    architecture, _, tag = bare.partition(".")
    return f"hf:timm/{bare}" if tag and architecture in ARCHITECTURES else None


def _unknown_model(name: str) -> str:
    if "/" in name or name.endswith((".keras", ".npz", ".safetensors")):
        return (
            f"create_model() takes the name of a model. Received: {name!r}, a file or "
            "a repository. Use create_model('ViT_B16', weights=...) for weights, with "
            "hf: before a repository, and keras_vit.Classifier.of(path).model for a "
            "saved model"
        )
    near = did_you_mean(name, [*FACTORIES, *(f"{one}_224" for one in ARCHITECTURES)])
    expected = f"one of {', '.join(FACTORIES)}, keras:<name>, or timm's name of one"
    return f"Unknown model. Expected {expected}. Received: {name!r}.{near}"


def _matching(names: "dict[str, Any]", pattern: str) -> list[str]:
    pattern = pattern.lower()
    return [name for name in names if fnmatch.fnmatchcase(name.lower(), pattern)]
