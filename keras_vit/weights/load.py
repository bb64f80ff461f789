"""A file of published weights -> a model: all of it, or nothing."""

import dataclasses
import logging
import os
from typing import Literal

import keras
import numpy as np

from keras_vit.layers.quantized import check_not_quantized
from keras_vit.meaning import set_meaning
from keras_vit.model_options import PositionInterpolation
from keras_vit.weights import metadata
from keras_vit.weights.agreement import check_agreement
from keras_vit.weights.architecture import (
    KERNEL,
    check_patches_of_pixels,
    describe,
    weights,
)
from keras_vit.weights.grids import (
    AXES,
    POSITIONS,
    doubt_flexivit,
    grid_of_axes,
    table_of,
)
from keras_vit.weights.matching import matched
from keras_vit.weights.opening import open_weights
from keras_vit.weights.patches import resize_kernel
from keras_vit.weights.pixels import unlike_of_file
from keras_vit.weights.positions import TABLES, check_method
from keras_vit.weights.sources import identify
from keras_vit.weights.sources.source import Arrays, Config, Source
from keras_vit.weights.translate import PATCH_AXES, to_ours

LOG = logging.getLogger(__name__)


def load_weights(
    model: keras.Model,
    path: str | os.PathLike[str],
    head: Literal["keep", "reset"] = "keep",
    source: str | None = None,
    patches: Literal["keep", "resize"] = "keep",
    *,
    architecture: str | None = None,
    source_grid: tuple[int, int] | None = None,
    position_interpolation: PositionInterpolation | None = None,
) -> None:
    """Load published weights into a model.

    Everything is checked before anything is assigned: after an error the
    model is as it was. Positions go to the model's grid by the rule of the
    source's own code, which the model keeps for `resize`. A warning is
    logged if the model normalises pixels differently from the file. Google's
    files in `.npz`, old and new names, and those of timm, Hugging Face
    (transformers' Vision Transformers, alone or in a model of images and text)
    and torchvision in `.safetensors` are recognised by the names in them.

    Args:
        model: a ViT that a factory of this package built.
        path: of a `.npz` or `.safetensors` file, or of a folder as Hugging
            Face lays it out, whose `config.json` is read too.
        head: `"keep"`: the file's; it must fit. `"reset"`: zero, whatever the
            file has.
        source: the publisher, a key of `SOURCES`, where it is not to be
            recognised.
        patches: `"keep"`: the file's; they must be of the model's size.
            `"resize"`: the patch embedding goes to the model's patch size as
            `resize` takes it there.
        architecture: the publisher's name of the model, such as timm's
            `"vit_base_patch16_clip_224"`, for a file of arrays that could be
            several models and has no `config.json` beside it.
        source_grid: (rows, columns) of patches that the file's positions are
            for; `None`: as the file or a `config.json` beside it says, or else
            the grid that its length fits: the model's own, or a square.
        position_interpolation: the rule, a key of `positions.METHODS`, where it
            is not to be the source's.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if the file is damaged or unknown, if the model's
            settings differ from the source's (GELU, epsilon, rotary positions), or if
            arrays are missing, left over or misshapen, of which one message
            lists all.

    Example:

    >>> model = keras_vit.ViT_B16(num_classes=10, image_size=384)
    >>> load_weights(model, "B_16.npz", head="reset")  # doctest: +SKIP
    """
    check_not_quantized(
        model, "load_weights", "load weights into a float model, then quantize it."
    )
    if head not in ("keep", "reset"):
        raise ValueError(f"head must be 'keep' or 'reset'. Received: head={head!r}")
    if patches not in ("keep", "resize"):
        raise ValueError(
            f"patches must be 'keep' or 'resize'. Received: patches={patches!r}"
        )
    if patches == "resize":
        check_patches_of_pixels(model)
    if position_interpolation is not None:
        check_method(position_interpolation, "position_interpolation")
    described = describe(model)
    path, stored, config = open_weights(path, architecture)
    found = identify(stored, config, source)
    publisher, stored = found.source, found.stored
    check_agreement(described, publisher, stored, config, head=head)
    unlike = unlike_of_file(model, config, publisher, path.name)
    method = position_interpolation or method_of(publisher, found.named, config)
    of_file = _of_files_patches(described, publisher, stored, patches)
    reading, problem = table_of(
        model,
        publisher,
        stored,
        config,
        architecture=of_file,
        name=path.name,
        grid=source_grid,
        shown=found.grid,
    )
    resized_from = None
    if reading is not None:
        stored = publisher.aligned(stored, reading.rows)
        if reading.grid != described.grid:
            resized_from = reading.grid
    if resized_from is not None and position_interpolation is None:
        doubt_flexivit(method, path.name, found.named)
    names = matched(
        model,
        of_file,
        publisher,
        stored,
        head=head,
        name=path.name,
        table_problem=problem,
    )
    resized_from = resized_from or grid_of_axes(names, stored)
    if any(name.startswith("pre_logits/") for name in names):
        publisher.check_pre_logits(config)

    theirs = {}
    for name in {name for name, _ in names.values()}:
        theirs[name] = _read(stored[name], name, path)
    arrays = {}
    for weight in weights(model):
        if weight.path in names:
            name, change = names[weight.path]
            array = theirs[name]
            if weight.path in (POSITIONS, *AXES) and resized_from is not None:
                resize = TABLES[weight.path.rpartition("/")[2]]
                array = resize(array, resized_from, described.grid, method)
            shape = tuple(weight.shape)
            if weight.path == KERNEL:
                array = to_ours(array, change, (-1, shape[1]))
                array = resize_kernel(array, of_file.patch_size, described.patch_size)
            else:
                array = to_ours(array, change, shape)
            arrays[weight.path] = array
        else:
            arrays[weight.path] = np.zeros(weight.shape, np.float32)
    for weight in weights(model):
        weight.assign(arrays.pop(weight.path))
    model.get_layer("patch_encoder").position_interpolation = method
    set_meaning(model, class_names=None)  # those of other weights
    for note in filter(None, (*found.notes, unlike)):
        LOG.warning("%s: %s.", path.name, note)


def method_of(source: Source, stored: Arrays, config: Config) -> str:
    """Return the rule by which positions are resized: our own note's, or the source's.

    Args:
        source: whose file it is.
        stored: its arrays, by the names in the file, without a common prefix.
        config: as `open_weights` returns it.
    """
    method = config[metadata.KEY].get("position_interpolation")
    if method is None:
        return source.position_method(stored, config)
    return check_method(method, "the file's own position_interpolation")


def _of_files_patches(architecture, source, stored, patches):
    """The architecture with patches of the size in the file, where that may differ."""
    theirs, change = source.rules(architecture, source.spelling(stored))[KERNEL]
    if patches == "keep" or theirs not in stored or len(stored[theirs].shape) != 4:
        return architecture
    size = tuple(stored[theirs].shape[axis] for axis in PATCH_AXES[change])
    return dataclasses.replace(architecture, patch_size=size)


def _read(stored, name, path):
    array = stored.read()
    if array.dtype != np.float32:
        array = array.astype(np.float32)
    if not np.isfinite(array.ravel()).all():
        raise ValueError(f"{path.name}: {name!r} holds values that are not finite")
    return array
