"""What of the image supports a class."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from keras_vit.inspect.class_gradients import (
    GradCAM,
    GradientRollout,
    class_gradients_model,
)
from keras_vit.inspect.figure_spec import (
    ATTENTION,
    CLASSES,
    EVERY_TOKEN,
    GRADIENTS,
    FigureSpec,
    over_pictures,
)
from keras_vit.inspect.images import Images, model_and_images
from keras_vit.inspect.inspector import inspector
from keras_vit.layers.head import heads_of
from keras_vit.logits import logits_model
from keras_vit.model_source import ModelSource

PREDICTED = -1  # as a class's number: the class that the model predicts


def gradient_rollout(
    model: ModelSource, images: Images, classes: Any = None
) -> np.ndarray:
    """Return a map over each image of what supports a class, by attention.

    Chefer, Gur and Wolf (arXiv:2103.15679), Eqs. 5 and 6: a rollout in which
    attention counts by what it does for the class's logit y_c. With A_l the
    attention of block l, of H heads, R begins as I, and each block in turn
    makes it R + A'_l R with A'_l = mean over heads of (dy_c/dA_l * A_l)^+.

    The map is what pooling reads of R - I: of `"token"` the class token's row
    (with a distillation token, the mean of both), of `"gap"` the mean of the
    patches' rows. Pooling by attention, `"map"`, is one attention more, and
    the map its A' R.

    Args:
        model: a ViT of this package with a head, or the path of a saved one: a
            run's folder or a `.keras` file.
        images: `(B, height, width, 3)`, pixels in [0, 255]; image files, or
            whatever else `read_images` takes.
        classes: the number of a class, or one for each image; `None`: the
            class that the model predicts.

    Returns:
        `(B, rows, columns)`, at least 0. The scale is that of the gradient, so
        values can be compared within an image only.

    Raises:
        ValueError: if the model has no block or merges tokens, has no head or
            not such classes, and for images that `read_images` refuses.
        NotImplementedError: on a backend other than TensorFlow.

    Example:

    >>> model = keras_vit.ViT_Ti16(num_classes=10, image_size=(32, 48))
    >>> gradient_rollout(model, np.zeros((2, 32, 48, 3)), classes=7).shape
    (2, 2, 3)
    """
    return _maps(model, GradientRollout, images, classes)


def grad_cam(model: ModelSource, images: Images, classes: Any = None) -> np.ndarray:
    """Return a map over each image of the patches that support a class.

    Grad-CAM (Selvaraju et al., arXiv:1610.02391, Eqs. 1 and 2) on tokens instead
    of the cells of a convolution: of the patches that enter the last block, the
    sum of features, each weighed by its mean gradient over patches, where that
    sum is positive. The input of the last block is read because its patches
    reach the logit under any pooling; of its output, pooling by `"token"` reads
    the class token alone.

    Args:
        model: a ViT of this package with a head, or the path of a saved one: a
            run's folder or a `.keras` file.
        images: `(B, height, width, 3)`, pixels in [0, 255]; image files, or
            whatever else `read_images` takes.
        classes: the number of a class, or one for each image; `None`: the
            class that the model predicts.

    Returns:
        `(B, rows, columns)`, at least 0. The scale is that of the gradient, so
        values can be compared within an image only.

    Raises:
        ValueError: if the model has no block or merges tokens, has no head or
            not such classes, and for images that `read_images` refuses.
        NotImplementedError: on a backend other than TensorFlow.

    Example:

    >>> model = keras_vit.ViT_Ti16(num_classes=10, image_size=(32, 48))
    >>> grad_cam(model, np.zeros((2, 32, 48, 3)), classes=[7, 2]).shape
    (2, 2, 3)
    """
    return _maps(model, GradCAM, images, classes)


def _maps(model, method, images, classes):
    keras_model, pixels = model_and_images(model, images)
    if keras.backend.backend() != "tensorflow":
        raise NotImplementedError(
            "Gradients of a class need the TensorFlow backend. "
            f"Received: {keras.backend.backend()}"
        )
    numbers = _class_numbers(keras_model, len(pixels), classes)
    maps_of = inspector(keras_model, class_gradients_model, method)
    return maps_of.predict_on_batch([pixels, numbers])


def _class_numbers(model, count, classes):
    if not heads_of(model):
        raise ValueError(
            "Expected a model with a head, whose classes have logits. "
            f"Received: {model.name!r}, which has none"
        )
    if classes is None:
        return np.full(count, PREDICTED, np.int32)
    numbers, most = np.asarray(classes), logits_model(model).output_shape[-1]
    whole = numbers.dtype.kind in "iu" and numbers.shape in ((), (count,))
    if not whole or numbers.min() < 0 or numbers.max() >= most:
        raise ValueError(
            f"classes must be a number from 0 to {most - 1}, or one for each of "
            f"{count} images. Received: classes={classes!r}"
        )
    return np.broadcast_to(numbers, (count,)).astype(np.int32)


def _spec_of(method, title, meaning, *, drawn_as):
    """The figure of one of both methods, for the likeliest class of each image."""

    def measure(inspection):
        maps = method(inspection.model, inspection.shown, inspection.predicted)
        largest = maps.max((1, 2), keepdims=True)
        return {
            "maps": maps,
            "relative": maps / np.where(largest > 0, largest, 1),
            "classes": inspection.predicted,
            "probabilities": inspection.probabilities.max(-1),
        }

    def draw(arrays, inspection):
        names = []
        for place, number in enumerate(arrays["classes"]):
            share = f"{100 * arrays['probabilities'][place]:.1f} %"
            predicted = f"predicted, {share}: {inspection.class_name(number)}"
            names.append(f"{inspection.image_names[place]}\n{predicted}")
        label = "Relevance (1: the image's maximum)"
        maps = arrays["relative"]
        return over_pictures(inspection, maps, drawn_as, label, names=names)

    return FigureSpec(
        title,
        meaning,
        measure=measure,
        draw=draw,
        describe=_describe,
        needs=(ATTENTION, EVERY_TOKEN, CLASSES, GRADIENTS),
    )


def _describe(arrays, inspection):
    silent = int((arrays["maps"].max((1, 2)) <= 0).sum())
    names = dict.fromkeys(map(inspection.class_name, arrays["classes"]))
    text = f"Maps of the likeliest class of each image: {', '.join(names)}."
    if silent:
        text += f" {silent} of {len(arrays['maps'])} maps are zero everywhere."
    return text


GRADIENT_ROLLOUT = _spec_of(
    gradient_rollout,
    "Gradient-weighted rollout",
    "A rollout in which attention is weighed by its gradient: by what it contributes "
    "to the logit of the likeliest class. Compare it with the rollout above: a patch "
    "that is bright there and dark here is attended to, but does not support that "
    "class. Chefer, Gur and Wolf (arXiv:2103.15679).",
    drawn_as="Gradient-weighted rollout",
)
GRAD_CAM = _spec_of(
    grad_cam,
    "Grad-CAM",
    "The patches that support the likeliest class, at the input of the last layer: "
    "their features weighed by the mean gradient of its logit, negative sums set to 0. "
    "Selvaraju et al. (arXiv:1610.02391).",
    drawn_as="Grad-CAM of patch tokens",
)
