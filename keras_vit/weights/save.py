"""A model -> a file that the publishers' own code loads."""

import functools
import json
import os
import pathlib
import re
from collections.abc import Sequence
from typing import Literal

import keras
import numpy as np

from keras_vit.files import written_whole
from keras_vit.layers.quantized import check_not_quantized
from keras_vit.weights import pixels
from keras_vit.weights.architecture import describe, weights
from keras_vit.weights.file_arguments import arguments_of, plain
from keras_vit.weights.files import open_arrays
from keras_vit.weights.huggingface_files import huggingface_files
from keras_vit.weights.huggingface_preprocessing import huggingface_preprocessing
from keras_vit.weights.metadata import for_safetensors, metadata_of, write_npz
from keras_vit.weights.opening import CONFIG, FILES, PROCESSOR
from keras_vit.weights.settings import read_settings
from keras_vit.weights.sources import GOOGLE, HUGGINGFACE, TIMM, TORCHVISION
from keras_vit.weights.sources.timm_layouts import in_layout_of
from keras_vit.weights.sources.timm_positions import spread
from keras_vit.weights.standardization import restandardized
from keras_vit.weights.timm_arguments import row_of, spelling_of, stated
from keras_vit.weights.timm_config import chosen, timm_config
from keras_vit.weights.translate import names_in, to_theirs

POOLINGS = {  # of sources whose files have no settings beside them
    GOOGLE.name: ("token", "gap", "map"),
    TORCHVISION.name: ("token",),
}
STEM_KERNEL = re.compile(r"stem/.*conv\w*/kernel")  # they are standardised


def save_weights(
    model: keras.Model,
    path: str | os.PathLike[str],
    format: Literal["npz", "timm", "huggingface", "torchvision"] = "npz",
    *,
    architecture: str | None = None,
    class_names: Sequence[str] | None = None,
) -> None:
    """Write a model's weights in the names and layouts of a publisher.

    Args:
        model: a ViT that a factory of this package built.
        path: `"npz"`: of the file, ending in `.npz`. `"timm"` and
            `"torchvision"`: of the file, ending in `.safetensors`; beside
            timm's there will be a `config.json`.
            `"huggingface"`: of the folder, which gets `model.safetensors`,
            `config.json` and `preprocessor_config.json`.
        format: a key of `FORMATS`.
        architecture: for timm, the name of the architecture that is to load
            the file, such as `"deit3_base_patch16_224"`. It determines whether
            class token and registers have positions of their own or positions
            are part of these tokens, which is the same model; `None`: what fits
            the model, registers without positions.
        class_names: in the order of the logits, for timm's and Hugging Face's
            settings; the other formats have no place for them.

    A hybrid's kernels are written so that they give the same after the weight
    standardization of the format's own code.

    Raises:
        ValueError: for an unknown format, for an architecture of another kind
            than the model's, for a folder whose `config.json` is of other
            weights, and for what the format cannot hold: a weight without a
            place in it, or a form of GELU, an epsilon or (torchvision)
            a normalisation of pixels that its reader would not compute with.
        OSError: if the file cannot be written; none is left half written.

    Example:

    >>> model = keras_vit.ViT_Ti16(num_classes=10, image_size=32)
    >>> save_weights(model, "tiny.npz")
    """
    if format not in FORMATS:
        raise ValueError(
            f"Unknown format. Expected one of {', '.join(FORMATS)}. "
            f"Received: {format!r}"
        )
    check_not_quantized(
        model,
        "save_weights",
        "save the weights of the float model, or the quantized one as a .keras file.",
    )
    source, write, suffix = FORMATS[format]
    path = pathlib.Path(path).expanduser()
    if path.suffix != suffix:
        raise ValueError(
            f"format={format!r} writes {f'a {suffix} file' if suffix else 'a folder'}. "
            f"Received: {str(path)!r}"
        )
    if architecture is not None and source is not TIMM:
        raise ValueError(
            "architecture= names one of timm's, so it goes with format='timm'. "
            f"Received: format={format!r}"
        )
    names = _checked_names(model, class_names, format)
    chosen_name, patches_alone = None, False
    if source is TIMM:
        chosen_name, patches_alone = chosen(model, architecture)
    if source is HUGGINGFACE:
        arrays, config = huggingface_files(model, names)
        write = functools.partial(_write_huggingface, config)
    else:
        arrays = _translated(model, source, chosen_name)
    if source is TIMM:
        write = functools.partial(
            _write_timm,
            architecture=chosen_name,
            patches_alone=patches_alone,
            folder=path.parent,
            class_names=names,
        )
    with written_whole(path) as scratch:
        write(model, arrays, scratch)


def _checked_names(model, class_names, format):
    """Class names as a list, if the format holds as many as the model has logits."""
    if class_names is None:
        return None
    if format not in NAMED:
        raise ValueError(
            f"class_names go with format={' or '.join(map(repr, NAMED))}, whose "
            f"settings hold them. Received: format={format!r}"
        )
    heads = [layer for layer in model.layers if layer.name == "head"]
    count = heads[0].units if heads else 0
    if len(class_names) != count:
        raise ValueError(
            f"class_names must be as many as the model's logits, {count}. "
            f"Received: {len(class_names)} names"
        )
    return [str(name) for name in class_names]


def _translated(model, source, name=None):
    """A model's arrays in a source's names; `name`: of timm's architecture."""
    architecture = describe(model)
    config, spelling = {}, frozenset()
    if source is TIMM:
        config = {"model_args": stated(model, name)}
        config |= {"architecture": name} if name else {}
        spelling = spelling_of(architecture, name)
    theirs = arguments_of(source, {}, config)
    cannot = [
        f"{argument}={getattr(architecture, argument)!r} "
        f"(its code has {theirs[argument]!r})"
        for argument in ("activation", "layer_norm_epsilon")
        if getattr(architecture, argument) != theirs[argument]
    ]
    positions = architecture.position_embedding
    if positions in ("sincos_2d", "rope_2d"):
        cannot.append(f"position_embedding={positions!r}, which is no array")
    if source.name in POOLINGS:
        cannot += _beyond_arrays(architecture, source)
    if source is TORCHVISION:
        cannot += pixels.unlike(model, source)
    ours = {weight.path: np.asarray(weight) for weight in weights(model)}
    names, unknown = names_in(source.rules(architecture, spelling), ours)
    cannot += unknown
    if cannot:
        raise ValueError(f"{source.name}'s files cannot hold: {', '.join(cannot)}")
    if architecture.standardization is not None:
        for path in filter(STEM_KERNEL.fullmatch, ours):
            ours[path] = restandardized(
                ours[path], architecture.standardization, source.standardization
            )
    return to_theirs(ours, names, architecture)


def _beyond_arrays(architecture, source):
    """What its code would not compute with, since no array says it."""
    pooling = plain("pooling", architecture.pooling)
    block = plain("block", architecture.blocks)
    cannot = [f"block={block!r}"] if block else []
    if pooling not in POOLINGS[source.name]:
        cannot.append(f"pooling={pooling!r}")
    elif pooling != "token" and architecture.num_first_tokens:
        cannot.append(f"class_token=True with pooling={pooling!r}")
    if architecture.fc_norm:
        cannot.append("fc_norm=True")
    if architecture.position_embedding == "none":
        cannot.append("position_embedding='none'")
    return cannot


def _write_npz(model, arrays, path):
    np.savez(path, **arrays)
    write_npz(path, metadata_of(model))
    _check(path, arrays)


def _write_safetensors(model, arrays, path):
    from safetensors.numpy import save_file

    save_file(arrays, path, metadata=for_safetensors(metadata_of(model)))
    _check(path, arrays)


def _write_timm(
    model, arrays, path, *, architecture, patches_alone, folder, class_names
):
    settings = timm_config(model, architecture, patches_alone, class_names)
    beside, target = folder / CONFIG, folder / path.name
    before = read_settings(beside) or {FILES: []}
    files = before.pop(FILES, None)  # `None`: it is not ours
    alike = before == json.loads(json.dumps(settings))
    if files is None or ({path.name} != {*files, path.name} and not alike):
        raise ValueError(
            f"{beside} belongs to other weights, and timm reads it. Expected a folder "
            f"without one. Received: {str(target)!r}"
        )
    arrays = spread(arrays, patches_alone)
    arrays = in_layout_of(arrays, row_of(architecture), describe(model).grid)
    _write_safetensors(model, arrays, path)
    settings = {FILES: sorted({*files, path.name})} | settings
    config = json.dumps(settings, indent=2) + "\n"
    (path.parent / CONFIG).write_text(config, encoding="utf-8")


def _write_huggingface(config, model, arrays, folder):
    folder.mkdir()
    _write_safetensors(model, arrays, folder / "model.safetensors")
    for name, content in (
        (CONFIG, config),
        (PROCESSOR, huggingface_preprocessing(model)),
    ):
        (folder / name).write_text(json.dumps(content, indent=2) + "\n")


def _check(path, arrays):
    """Read back what was written and compare it."""
    stored = open_arrays(path)
    for name, array in arrays.items():
        if not np.array_equal(stored[name].read(), array, equal_nan=True):
            raise OSError(f"{path.name}: {name!r} was not written as it is")


FORMATS = {  # the source, the writer, the path's suffix
    "npz": (GOOGLE, _write_npz, ".npz"),
    "timm": (TIMM, _write_timm, ".safetensors"),
    "huggingface": (HUGGINGFACE, _write_huggingface, ""),
    "torchvision": (TORCHVISION, _write_safetensors, ".safetensors"),
}
NAMED = ("timm", "huggingface")  # whose settings have a place for class names
