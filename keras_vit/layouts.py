"""Which axis of each weight lies spread over devices, for Keras on JAX."""

from __future__ import annotations

import random
import re
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import keras

from keras_vit import compat

BATCH, MODEL = "batch", "model"  # the axes of a mesh that is made here

_INTO = r"(attention/(query|key|value)|mlp/(fc1|gate)|pre_logits)"
_OUT_OF = r"(attention/out|mlp/fc2)"
# What a weight's path ends in -> its axes, the first that the devices divide being
# spread. Attention and the MLP are cut as Megatron-LM cuts them (arXiv:1909.08053,
# section 3): the way in by features of its output, which are heads or hidden units,
# the way out by those of its input, so that one sum over devices ends each.
RULES = {
    rf"{_INTO}/kernel": (1, 0),
    rf"{_INTO}/(bias|lora_kernel_b)": (-1,),
    rf"{_OUT_OF}/kernel": (0, 1),
    rf"{_OUT_OF}/lora_kernel_a": (0,),
    r"patch_encoder/projection/kernel": (1, 0),
    r"patch_encoder/projection/bias": (0,),
    r"patch_encoder/position_embedding": (2,),
    r"head\w*/kernel": (1, 0),
    r"conv\w*/kernel": (3, 2),  # of stems: (height, width, input, output)
}


def layout_map(
    model: keras.Model | Callable[[], keras.Model],
    device_mesh: keras.distribution.DeviceMesh | None = None,
    *,
    axis: str = MODEL,
) -> keras.distribution.LayoutMap:
    """Return how a model's weights are spread over devices, for Keras on JAX.

    `keras.distribution.ModelParallel` takes the map, before the model that is
    trained is built: Keras lays out a weight, and the optimizer's moments with it,
    as it creates it. So pass the function that builds the model, which is
    called here without creating any weights, and call it again afterwards.

    Projections to queries, keys and values and the first layers of MLPs are cut by
    their outputs, those that follow by their inputs; patch projection, positions,
    head and convolutions of a stem by an axis that the number of devices divides.
    What none divides, and small weights such as norms, every device holds whole, and
    so does it the weights of other libraries' layers.

    The keys are the ends of paths. The map also holds for deeper models of the same
    sizes, and where the model is a part of a bigger one.

    Args:
        model: the function that builds the model, without arguments, or a model
            that is built.
        device_mesh: the devices, with their axes by name; by default all of them,
            as `(1, n)` with the axes `"batch"` and `"model"`.
        axis: that of the mesh which weights are spread over.

    Returns:
        A map for `keras.distribution.ModelParallel(layout_map=...)`; an empty one if
        `axis` has one device.

    Raises:
        ValueError: on another backend than JAX, where Keras spreads no weights, or
            for an axis that the mesh lacks.
        TypeError: if `model` is neither a model nor a function that returns one.

    Example:

    >>> build = lambda: keras_vit.ViT_L16(num_classes=10)
    >>> layouts = layout_map(build)  # with KERAS_BACKEND=jax  # doctest: +SKIP
    >>> spread = keras.distribution.ModelParallel(layout_map=layouts)  # doctest: +SKIP
    >>> keras.distribution.set_distribution(spread)  # doctest: +SKIP
    >>> model = build()  # doctest: +SKIP
    """
    if keras.backend.backend() != "jax":
        raise ValueError(
            "Keras spreads weights over devices on its JAX backend alone. Expected "
            f"KERAS_BACKEND=jax. Received: {keras.backend.backend()}. On TensorFlow, "
            "keras_vit.train(strategy=...) shares batches among devices"
        )
    if device_mesh is None:
        devices = keras.distribution.list_devices()
        device_mesh = keras.distribution.DeviceMesh(
            (1, len(devices)), (BATCH, MODEL), devices
        )
    names = device_mesh.axis_names
    if axis not in names:
        raise ValueError(
            f"axis must be one of the mesh's, {', '.join(names)}. Received: {axis!r}"
        )
    count = device_mesh.shape[list(names).index(axis)]
    layouts = keras.distribution.LayoutMap(device_mesh)
    for path, layout in _patterns(_built(model), axis, count).items():
        layouts[path] = layout
    return layouts


def _built(model: keras.Model | Callable[[], keras.Model]) -> keras.Model:
    if isinstance(model, keras.Model):
        return model
    if callable(model):
        drawn = random.getstate()  # seeds of initializers
        with compat.names_from_the_start(), compat.weights_without_values():
            built = model()
        random.setstate(drawn)
        if isinstance(built, keras.Model):
            return built
        model = built
    raise TypeError(
        "model must be a keras.Model or a function that returns one. "
        f"Received: {type(model).__name__}"
    )


def _patterns(model: keras.Model, axis: str, count: int) -> dict[str, tuple[Any, ...]]:
    """Return layouts by patterns of paths, no two of which match the same path."""
    by_end: dict[str, dict[str, tuple[Any, ...]]] = defaultdict(dict)
    for weight in model.weights:
        for end, axes in RULES.items():
            found = re.fullmatch(rf"(?:.*/)?({end})", weight.path)
            if found:
                layout = _layout(tuple(weight.shape), axes, axis, count)
                by_end[found[1]][weight.path] = layout
    patterns: dict[str, tuple[Any, ...]] = {}
    for end, layouts in by_end.items():
        if len({*layouts.values()}) == 1:
            layouts = {f"(.*/)?{re.escape(end)}": next(iter(layouts.values()))}
        else:  # blocks that differ
            layouts = {re.escape(path): one for path, one in layouts.items()}
        patterns |= {path: one for path, one in layouts.items() if axis in one}
    return patterns


def _layout(
    shape: tuple[int, ...], axes: tuple[int, ...], axis: str, count: int
) -> tuple[str | None, ...]:
    """Return an axis of the mesh, or None, for each of a weight's."""
    layout: list[str | None] = [None] * len(shape)
    for one in axes:
        if count > 1 and -len(shape) <= one < len(shape) and shape[one] % count == 0:
            layout[one] = axis
            break
    return tuple(layout)
