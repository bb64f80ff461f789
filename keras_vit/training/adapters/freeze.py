"""Training some layers of a model, and leaving others as they are."""

from __future__ import annotations

import contextlib
import fnmatch
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from keras_vit.training.adapters.trainability import restorer

if TYPE_CHECKING:
    import keras


@contextlib.contextmanager
def frozen(model: keras.Model, patterns: Sequence[str]) -> Iterator[None]:
    """Freeze layers by name while in this context.

    Args:
        model: a Keras model.
        patterns: of the names of its layers, as `fnmatch` reads them.

    Raises:
        ValueError: if a pattern matches no layer, or nothing is left to train. The
            model is then unchanged.

    Example:

    >>> model = keras_vit.ViT_Ti16(num_classes=10, image_size=32)
    >>> with frozen(model, ["patch_encoder", "block_*", "norm"]):
    ...     len(model.trainable_weights)
    2
    """
    restore = restorer(model)
    try:
        names = [layer.name for layer in model.layers]
        for pattern in patterns:
            matching = fnmatch.filter(names, pattern)
            if not matching:
                raise ValueError(
                    "freeze must name layers of the model, or match them by *. "
                    f"Received: {pattern!r}, which matches none of {', '.join(names)}"
                )
            for name in matching:
                model.get_layer(name).trainable = False
        if not model.trainable_variables:
            raise ValueError(
                "freeze must leave some layers to be trained. Received: "
                f"{', '.join(patterns)}, which freezes all weights"
            )
        yield
    finally:
        restore()
