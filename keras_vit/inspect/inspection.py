"""What is looked at in one inspection: a model, and the images it looks at."""

import functools
from dataclasses import dataclass

import numpy as np

from keras_vit.inspect.attention import pooling_of
from keras_vit.inspect.cell import cell_size
from keras_vit.layers import TransformerBlock
from keras_vit.layers.head import PROBABILITIES, probabilities_of
from keras_vit.logits import logits_model


@dataclass(frozen=True)
class Inspection:
    """A model and images for it.

    Attributes:
        model: a model of this package.
        images: `(B, height, width, 3)`, pixels in [0, 255], of its size.
        image_names: a line for each image.
        class_names: in the order of the logits; `None`: their numbers.
        pictures: how many of the images are shown; averages are over all.
        name: what the model is called.
        other: another model, whose layers are compared with the first one's;
            `None`: the first one's own are.
        other_name: what that is called.
        rollout: choices of `rollout`, by name.
    """

    model: object
    images: np.ndarray
    image_names: tuple[str, ...]
    class_names: tuple[str, ...] | None
    pictures: int
    name: str
    other: object
    other_name: str | None
    rollout: dict

    @property
    def shown(self):
        """The images that are shown."""
        return self.images[: self.pictures]

    @functools.cached_property
    def blocks(self):
        """The model's blocks, those of a ViT, in order."""
        return [one for one in self.model.layers if isinstance(one, TransformerBlock)]

    @functools.cached_property
    def grid(self):
        """Rows and columns of the patches."""
        return self.model.get_layer("patch_encoder").grid

    @functools.cached_property
    def cell(self):
        """Pixels that a patch is high and wide."""
        return cell_size(self.model)

    @property
    def pooling(self):
        """What the head reads: `"token"`, `"gap"` or `"map"`."""
        return pooling_of(self.model)

    @functools.cached_property
    def probabilities(self):
        """Of each class, for each picture that is shown: `(pictures, K)`."""
        model = logits_model(self.model)
        logits = model.predict_on_batch(self.shown)
        return np.asarray(PROBABILITIES[probabilities_of(model)](logits))

    @functools.cached_property
    def predicted(self):
        """The likeliest class of each picture that is shown: `(pictures,)`."""
        return np.argmax(self.probabilities, axis=-1)

    def class_name(self, number):
        """What a class is called."""
        return self.class_names[number] if self.class_names else f"class {number}"
