"""In what the numbers of training differ from those of evaluations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from keras_vit.compat import flatten_layers

if TYPE_CHECKING:
    import keras

    from keras_vit.data.augmentation import Augmentation


def conditions_of(model: keras.Model, augmentation: Augmentation) -> tuple[str, ...]:
    """Return how the images of training, and the model on them, differ, in words.

    Loss and accuracy in training are measured so.

    Args:
        model: that is trained.
        augmentation: of its images.

    Example:

    >>> from keras_vit.data.augmentation import Augmentation
    >>> model = keras_vit.ViT_Ti16(num_classes=2, image_size=32, dropout_rate=0.1)
    >>> conditions_of(model, Augmentation(flip=True, mixup=0.2))
    ('augmented', 'mixup', 'dropout')
    """
    found = {
        "augmented": augmentation.changes_images(),
        "mixup": augmentation.mixup > 0,
        "cutmix": augmentation.cutmix > 0,
        "dropout": any(map(_drops, flatten_layers(model))),
    }
    return tuple(name for name, applies in found.items() if applies)


def _drops(layer: Any) -> bool:
    """Return whether a layer drops something in training, such as a whole branch."""
    rate = getattr(layer, "rate", None)
    return isinstance(rate, float | int) and rate > 0
