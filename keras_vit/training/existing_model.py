"""What a model that exists has by itself, of what a recipe sets for one it builds."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, get_args

import keras

from keras_vit import recipes
from keras_vit.classifier import Classifier
from keras_vit.model_files import image_size_of, saved_arguments, saved_precision
from keras_vit.recipes import Recipe
from keras_vit.recipes.groups import Precision
from keras_vit.training.header import precision_of
from keras_vit.training.recipe_model import OF_A_VIT

LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class ExistingModel:
    """A model that is loaded or passed, before it is loaded.

    Attributes:
        size: (height, width) of its images, pixels; `None` for what is unknown.
        precision: its dtype policy; `None`: unknown.
        arguments: those that it was built with, by name, as far as they are known.
    """

    size: tuple[int | None, int | None]
    precision: str | None
    arguments: Mapping[str, Any]

    @classmethod
    def of(cls, source: str | keras.Model | Classifier) -> ExistingModel:
        """Return what is known of a model.

        Args:
            source: its path, or the model itself.
        """
        if isinstance(source, str):
            arguments = saved_arguments(source)
            return cls(image_size_of(source), saved_precision(source), arguments)
        model: Any = source.model if isinstance(source, Classifier) else source
        shape = getattr(model, "input_shape", None)  # one that is not built has none
        return cls(
            shape[1:3] if shape is not None and len(shape) == 4 else (None, None),
            precision_of(model) if isinstance(model, keras.Model) else None,
            getattr(model, "arguments", None) or {},
        )

    def check_size(self, image_size: int | None) -> None:
        """Refuse another size, of a Keras model that is trained itself.

        Args:
            image_size: the setting; `None`: the model's own.

        Raises:
            ValueError: naming the sizes and what to pass.
        """
        if image_size is None or self._is_of(image_size):
            return
        raise ValueError(
            "image_size must be that of the Keras model that was passed, as the model "
            f"itself is trained. Received: image_size={image_size}, a model of images "
            f"of {self.size[0]} x {self.size[1]}. Pass image_size=None for the model's "
            f"own, keras_vit.resize(model, {image_size}), or "
            "keras_vit.Classifier.of(model), of which a resized copy is trained"
        )

    def check_recipe(self, recipe: Recipe) -> None:
        """Refuse a recipe that sets what the model has otherwise.

        Args:
            recipe: that the user passed, and not a named one.

        Raises:
            ValueError: naming the settings that have to change.
        """
        if self.precision is None:  # it is not there yet, or cannot be trained
            return
        settings = recipes.as_flat(recipe)
        others = {
            name: settings[name]
            for name in OF_A_VIT
            if settings[name] and not self._has(name, settings[name])
        }
        if settings["head_bias"]:
            others["head_bias"] = settings["head_bias"]
        if settings["precision"] not in ("float32", self.precision):
            others["precision"] = settings["precision"]
        if others:
            told = ", ".join(f"{name}={value!r}" for name, value in others.items())
            raise ValueError(
                f"{', '.join(others)} must go with a model that the recipe builds. "
                f"Received: a Recipe with {told}, and a model that exists and differs "
                "from that. Leave these settings out of the Recipe, or the model"
            )

    def with_precision(self, recipe: Recipe) -> Recipe:
        """Return the recipe with the precision in which the model computes."""
        if self.precision not in get_args(Precision):  # or it is unknown
            return recipe
        return recipes.changed(recipe, {"precision": self.precision})

    def tell_size(self, image_size: int | None) -> None:
        """Log that the image size of a named recipe is not used, if that is another."""
        if image_size is not None and not self._is_of(image_size):
            LOG.info(
                f"The model is trained at its own {self.size[0]} x {self.size[1]} "
                f"pixels; the recipe's image_size={image_size} is for a model that it "
                "builds. The setting image_size resizes a model."
            )

    def _is_of(self, image_size: int) -> bool:
        """Return whether the model takes such images, as far as is known."""
        return None in self.size or self.size == (image_size, image_size)

    def _has(self, name: str, value: Any) -> bool:
        return self.arguments.get(name) in (value, [value, value])
