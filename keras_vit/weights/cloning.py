"""Models and layers for images of another size, as Keras clones them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras

from keras_vit import layers


def copied_layer(layer: Any) -> Any:
    """Return a layer of the same config, weights random; of images of any size."""
    if isinstance(layer, keras.Model) and _takes_images(layer):
        return cloned(layer, (None, None))
    return type(layer).from_config(layer.get_config())


def _takes_images(model: Any) -> bool:
    inputs = getattr(model, "inputs", None)
    return bool(inputs) and len(inputs) == 1 and len(inputs[0].shape) == 4


def cloned(model: keras.Model, size: Sequence[int | None] | None = None) -> keras.Model:
    """Return a copy of a model for images of another size, weights random.

    Args:
        model: a functional Keras model, or a `keras.Sequential`.
        size: (height, width), pixels; `None`: as it is.

    Raises:
        ValueError: if a layer is itself a model whose positions stand for one grid.
    """

    def resized_input(x: Any) -> Any:
        shape = x.shape if size is None else (x.shape[0], *size, x.shape[-1])
        return keras.Input(batch_shape=shape, dtype=x.dtype, name=x.name)

    if isinstance(model, keras.Sequential):
        return keras.models.clone_model(
            model,
            input_tensors=resized_input(model.inputs[0]),
            clone_function=_copied_without_vit_inside,
        )
    grids: list[tuple[int, int]] = []  # of the patch encoder, once it is called

    def copied(layer: Any) -> Any:
        if not isinstance(layer, (layers.TransformerBlock, layers.PositionEmbedding)):
            return _copied_without_vit_inside(layer)
        config = layer.get_config()
        if config["grid"] is not None and grids:
            config["grid"] = grids[-1]
        return type(layer).from_config(config)

    def called(layer: Any, *args: Any, **kwargs: Any) -> Any:
        outputs = layer(*args, **kwargs)
        if isinstance(layer, layers.PatchEncoder):
            grids.append(layer.grid)
        return outputs

    return keras.models.clone_model(
        model,
        input_tensors=keras.tree.map_structure(resized_input, model.input),
        clone_function=copied,
        call_function=called,
    )


def _copied_without_vit_inside(layer: Any) -> Any:
    """Return a copy of a layer; refuse a model whose positions stand for one grid."""
    inner = getattr(layer, "layers", ())
    if any(isinstance(one, layers.PatchEncoder) for one in inner):
        raise ValueError(
            "Expected a model whose own layers are those of keras_vit. Received: a "
            f"model around {layer.name!r}. Pass that one, "
            f"model.get_layer({layer.name!r}), and build around what is returned"
        )
    return copied_layer(layer)


def grid_of(
    model: keras.Model, image_size: Sequence[int], patch_size: Sequence[int]
) -> tuple[int, int]:
    """Return the grid that images of a size are for a model with such patches.

    Args:
        model: a ViT that a factory of this package built.
        image_size: (height, width), pixels.
        patch_size: (height, width), pixels or cells of the stem's feature map.
    """
    shape: Any = (None, *image_size, 3)
    for layer in model.layers:
        if isinstance(layer, layers.Patches):
            break
        if not isinstance(layer, keras.layers.InputLayer):
            shape = copied_layer(layer).compute_output_shape(shape)
    _, rows, columns, _ = layers.Patches(patch_size).compute_output_shape(shape)
    return rows, columns
