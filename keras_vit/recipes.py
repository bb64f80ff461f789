"""Training recipes, one per entry."""

import dataclasses
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Recipe:
    """What a run trains, on what, and how.

    Attributes:
        dataset: a name in `keras_vit.data`.
        model: a factory's name.
        model_arguments: of that factory, besides classes and image size.
        stem_blocks: for a hybrid of size `"ViT"`, the stages of its ResNet.
        stem_width_factor: of that ResNet.
        image_size: the side of an image, in pixels.
        epochs: passes over the training split.
        batch_size: images in a step.
        base_lr: the learning rate at the end of the warm-up, from where it
            falls to 0 along a cosine.
        warmup_steps: in which the learning rate grows linearly from 0.
        weight_decay: of AdamW, on kernels; not on biases, norms, class token
            and positions.
        clip_norm: the largest norm of the whole gradient.
        label_smoothing: the share of a target that is spread over all classes.
        flip: whether images are mirrored at random.
        crop_padding: pixels by which a random crop may leave the image.
    """

    dataset: str
    model: str
    model_arguments: dict = field(default_factory=dict)
    stem_blocks: tuple[int, ...] | None = None
    stem_width_factor: float = 1.0
    image_size: int = 224
    epochs: int = 10
    batch_size: int = 100
    base_lr: float = 1e-3
    warmup_steps: int = 60
    weight_decay: float = 0.05
    clip_norm: float = 1.0
    label_smoothing: float = 0.1
    flip: bool = False
    crop_padding: int = 0

    def __post_init__(self):
        for name in ("image_size", "epochs", "batch_size"):
            if getattr(self, name) < 1:
                raise ValueError(
                    f"{name} must be at least 1. Received: {name}={getattr(self, name)}"
                )
        for name in ("base_lr", "warmup_steps", "weight_decay", "crop_padding"):
            if not getattr(self, name) >= 0:
                raise ValueError(
                    f"{name} must not be negative. "
                    f"Received: {name}={getattr(self, name)}"
                )
        if not self.clip_norm > 0:
            raise ValueError(
                f"clip_norm must be above 0. Received: clip_norm={self.clip_norm}"
            )
        if not 0 <= self.label_smoothing < 1:
            raise ValueError(
                "label_smoothing must lie in [0, 1). "
                f"Received: label_smoothing={self.label_smoothing}"
            )


RECIPES = {
    # The paper's hybrid idea (section 3.1) in miniature: the root of the
    # ResNet gives 49 tokens of an image of 28 x 28.
    "fashion_mnist": Recipe(
        dataset="fashion_mnist_sample",
        model="ViT",
        model_arguments={
            "patch_size": 1,
            "num_layers": 2,
            "num_heads": 2,
            "hidden_dim": 64,
            "mlp_dim": 128,
        },
        stem_blocks=(),
        image_size=28,
        epochs=10,
        batch_size=64,
        base_lr=3e-3,
        weight_decay=0.1,
        label_smoothing=0.05,
        crop_padding=1,
    ),
}


def get(name):
    """Gives the recipe of that name."""
    if name not in RECIPES:
        raise ValueError(
            f"Unknown recipe. Expected one of {', '.join(RECIPES)}. Received: {name!r}"
        )
    return RECIPES[name]


def with_model(recipe, model):
    """Gives the recipe with another factory in place of its own model."""
    return dataclasses.replace(
        recipe, model=model, model_arguments={}, stem_blocks=None
    )


def override(recipe, settings):
    """Gives the recipe with `"key=value"` settings in place of its own.

    Raises:
        ValueError: for a key that a recipe does not have, or a value of
            another kind. Model and data set are no settings: `train` takes
            them as arguments.

    Example:

    >>> override(get("fashion_mnist"), ["epochs=2", "flip=false"]).epochs
    2
    """
    kinds = {
        one.name: one.type for one in dataclasses.fields(Recipe) if one.type in _READERS
    }
    changes = {}
    for setting in settings:
        key, equals, text = setting.partition("=")
        if not equals or key not in kinds:
            raise ValueError(
                "Expected key=value, where key is one of "
                f"{', '.join(kinds)}. Received: {setting!r}"
            )
        try:
            changes[key] = _READERS[kinds[key]](text)
        except ValueError:
            raise ValueError(
                f"{key} must be of type {kinds[key].__name__}. Received: {setting!r}"
            ) from None
    return dataclasses.replace(recipe, **changes)


def _read_bool(text):
    words = {"true": True, "1": True, "false": False, "0": False}
    if text.lower() not in words:
        raise ValueError(text)
    return words[text.lower()]


# Not str: model and data set are arguments of `train`, no settings.
_READERS = {int: int, float: float, bool: _read_bool}
