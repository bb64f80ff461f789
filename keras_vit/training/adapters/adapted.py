"""All of a recipe's adapters of a model, one after the other."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from keras_vit.training.adapters.freeze import frozen
from keras_vit.training.adapters.lora import low_rank_adapted
from keras_vit.training.adapters.remat import rematerialized

if TYPE_CHECKING:
    import keras

    from keras_vit.recipes import ModelSettings


@contextlib.contextmanager
def adapted(
    model: keras.Model, settings: ModelSettings, seed: int = 0
) -> Iterator[None]:
    """Freeze, rematerialize and adapt a model as a recipe says, in this context.

    Afterwards, also after an error, the model is plain again: what was adapted is
    merged, and trains what it trained before.

    Args:
        model: a Keras model, whose strategy's scope this is called in.
        settings: `recipe.model`.
        seed: of the low-rank kernels.

    Raises:
        ValueError: for a pattern that matches no layer, targets that there are not,
            or if nothing is left to train. The model is then unchanged.
    """
    with contextlib.ExitStack() as adapters:
        adapters.enter_context(frozen(model, settings.freeze))
        if settings.remat:
            adapters.enter_context(rematerialized(model))
        if settings.lora_rank is not None:
            adapters.enter_context(
                low_rank_adapted(
                    model,
                    settings.lora_rank,
                    settings.lora_alpha,
                    settings.lora_targets,
                    seed,
                )
            )
        yield
