"""A model's first filters: of its patch embedding, or of a hybrid's stem (Fig. 7)."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from keras_vit import compat, figures
from keras_vit.inspect.figure_spec import FigureSpec, need_of
from keras_vit.inspect.sources import inspected_model
from keras_vit.layers import ResNetStem, StandardizedConv2D
from keras_vit.layers.quantized import check_not_quantized
from keras_vit.layers.resnet import standardized
from keras_vit.model_source import ModelSource


def patch_filters(model: ModelSource, count: int = 28) -> np.ndarray:
    """Return the first principal components of a model's first filters, in RGB.

    Fig. 7, left, of the ViT paper: the filters are the D columns of the patch
    embedding E of Eq. 1, each a patch of pixels; of a hybrid, the filters of
    its stem's first convolution (`root_filters`). They are centred, and a
    component has norm 1. The sign of a component is such that its largest
    weight is positive.

    Pixel normalisation is not folded in: filters read normalised pixels.

    Args:
        model: a model of this package, or one with a stem of your own; or the
            path of a saved one: a run's folder or a `.keras` file.
        count: how many, the component of the most variance first.

    Returns:
        float32 `(count, height, width, 3)`. There are fewer where the filters
        have fewer: D filters of F weights have at most `min(D - 1, F)`.

    Raises:
        ValueError: if the model has no filter over RGB pixels.

    Example:

    >>> patch_filters(keras_vit.ViT_Ti16(num_classes=10, image_size=32)).shape
    (28, 16, 16, 3)
    """
    return _components(first_filters(inspected_model(model)), count)[0]


def filter_shares(model: ModelSource, count: int = 28) -> np.ndarray:
    """Return each component's share of the variance of the first filters.

    Args:
        model: as `patch_filters` takes it.
        count: as `patch_filters` takes it.

    Returns:
        `(count,)`, in descending order; the shares of all components have a sum of 1.

    Raises:
        ValueError: if the model has no filter over RGB pixels.

    Example:

    >>> filter_shares(keras_vit.ViT_Ti16(num_classes=10, image_size=32)).shape
    (28,)
    """
    return _components(first_filters(inspected_model(model)), count)[1]


def first_filters(model: keras.Model) -> np.ndarray:
    """Return the filters that read a model's pixels: `(filters, height, width, 3)`.

    They are the filters of a hybrid's stem, or else of the patch embedding.

    Raises:
        ValueError: if the model has no filter over RGB pixels, or Keras has
            quantized them.
    """
    if _stem_of(model) is not None:
        return root_filters(model)
    patches = _named(model, "patches")
    projection = _named(model, "patch_encoder").projection
    check_not_quantized(projection, "patch_filters", "pass the float model.")
    kernel = np.asarray(projection.kernel, np.float64)
    if kernel.shape[0] != 3 * np.prod(patches.patch_size):
        raise _none_found(model)
    return kernel.T.reshape(-1, *patches.patch_size, 3)


def root_filters(model: ModelSource) -> np.ndarray:
    """Return the filters of the first convolution of a hybrid's stem.

    Those of a `ResNetStem` are standardised, as the layer applies them.

    Args:
        model: a hybrid or a `ResNet`, or the path of a saved one: a run's folder
            or a `.keras` file.

    Returns:
        float64 `(filters, height, width, 3)`.

    Raises:
        ValueError: if the model has no such convolution.

    Example:

    >>> root_filters(keras_vit.R_ViT_Ti16(num_classes=10, image_size=32)).shape
    (64, 7, 7, 3)
    """
    keras_model = inspected_model(model)
    convolution = _first_convolution(_stem_of(keras_model))
    if convolution is None:
        raise _none_found(keras_model)
    kernel = np.asarray(convolution.kernel, np.float64)
    if isinstance(convolution, StandardizedConv2D):
        kernel = np.asarray(standardized(kernel, convolution.standardization))
    return kernel.transpose(3, 0, 1, 2)


def _components(filters: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Components `(count, h, w, 3)` of filters `(n, h, w, 3)`, and their shares."""
    if count < 1:
        raise ValueError(f"count must be at least 1. Received: {count}")
    centred = filters.reshape(len(filters), -1)
    centred = centred - centred.mean(axis=0)
    _, deviations, components = np.linalg.svd(centred, full_matrices=False)
    noise = deviations[0] * max(centred.shape) * np.finfo(np.float32).eps
    count = min(count, int(np.count_nonzero(deviations > noise)))
    largest = np.abs(components).argmax(axis=1)
    signs = np.sign(components[np.arange(len(components)), largest])
    components = (components * signs[:, None])[:count]
    shares = deviations**2 / max((deviations**2).sum(), np.finfo(float).tiny)
    return (
        components.reshape(count, *filters.shape[1:]).astype("float32"),
        shares[:count],
    )


def _stem_of(model: keras.Model) -> keras.layers.Layer | None:
    """The layer that makes a feature map of pixels, or `None`."""
    names = [layer.name for layer in model.layers]
    ahead = model.layers[: names.index("patches")] if "patches" in names else []
    ahead += [layer for layer in model.layers if isinstance(layer, ResNetStem)]
    other = (keras.layers.InputLayer, keras.layers.Normalization)
    return next((layer for layer in ahead if not isinstance(layer, other)), None)


def _first_convolution(stem: keras.layers.Layer | None) -> Any:
    """The first convolution over three channels in a stem, or `None`."""
    if stem is None:
        return None
    inside = [stem, *compat.flatten_layers(stem, include_self=False)]
    kernels: Any = (one for one in inside if isinstance(one, keras.layers.Conv2D))
    return next((layer for layer in kernels if layer.kernel.shape[2] == 3), None)


def _named(model: keras.Model, name: str) -> Any:
    layers = {layer.name: layer for layer in model.layers}
    if name not in layers:
        raise _none_found(model)
    return layers[name]


def _none_found(model: keras.Model) -> ValueError:
    return ValueError(
        "Expected a model whose first filters read RGB pixels: a patch embedding, or "
        f"a stem that begins with a convolution. Received: {model.name!r}"
    )


def _describe(arrays, inspection):
    count, height, width, _ = arrays["filters"].shape
    share = 100 * arrays["shares"].sum()
    return (
        f"{count} components of {height} x {width} pixels, which explain {share:.0f} % "
        "of the variance of the filters."
    )


FILTERS = FigureSpec(
    "First filters",
    "The first principal components of the patch embedding's filters (of a hybrid, the "
    "filters of its stem's first convolution), in RGB, each scaled by its largest "
    "weight: grey is 0. After training on many photographs they are smooth: edges, "
    "waves and colours. Noise means little training. Section 4.5, Fig. 7 (left) of the "
    "ViT paper.",
    measure=lambda inspection: {
        "filters": patch_filters(inspection.model),
        "shares": filter_shares(inspection.model),
    },
    draw=lambda arrays, inspection: figures.patch_filters(
        arrays["filters"], f"First filters: {inspection.name}"
    ),
    describe=_describe,
    needs=(need_of(first_filters, "the model has no filters over RGB pixels"),),
)
