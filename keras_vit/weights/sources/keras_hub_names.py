"""The names and shapes of KerasHub's arrays -> ours.

Canonical are our own names, of the numbers of blocks without zeros before them.
DeiT's distillation token is read by no head of KerasHub's: it is a register whose
position is added to it.
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from keras_vit.weights.files import Stored, WeightsFileError
from keras_vit.weights.sources.source import Arrays

BLOCK = re.compile(
    r"layers/\w+_encoder/(?:encoder_)?layers/(?:vi_t_encoder_block|dei_t_encoder_block"
    r"|dinov2_layer)(?:_(\d+))?/(.+)/vars/([01])"
)
PARTS = {  # inside a block: theirs, ours
    "layer_norm_1": "norm1",
    "layer_norm_2": "norm2",
    "norm1": "norm1",
    "norm2": "norm2",
    "layer_scale1": "scale1",
    "layer_scale2": "scale2",
    **{
        f"{theirs}/{name}_dense": f"attention/{'out' if name == 'output' else name}"
        for theirs in ("mha", "attention/attention")
        for name in ("query", "key", "value", "output")
    },
    "mlp/dense_1": "mlp/fc1",
    "mlp/dense_2": "mlp/fc2",
    "mlp/dense": "mlp/fc1",
    "output_layer/dense": "mlp/fc2",
    "mlp/fc1": "mlp/fc1",
    "mlp/fc2": "mlp/fc2",
    "mlp/weights_out": "mlp/fc2",
}
EMBEDDINGS = re.compile(
    r"layers/(vi_t_patching_and_embedding|dei_t_embeddings|dinov2_embedding)/(.+)"
)
NORM = re.compile(r"layers/(?:\w+_encoder/layer_norm|layer_normalization)/vars/[01]")
TABLE, REGISTERS = "patch_encoder/position_embedding", "patch_encoder/registers"
PAIRS = {  # of a layer: the names of its two weights
    "norm": ("gamma", "beta"),
    "scale": ("gamma",),
    "dense": ("kernel", "bias"),
}


def normalise(stored: Arrays) -> dict[str, Stored]:
    """Return arrays by our names, in our shapes, but for those of patches."""
    named: dict[str, Stored] = {}
    tokens: list[Stored] = []
    for name, array in stored.items():
        block, embedding = BLOCK.fullmatch(name), EMBEDDINGS.fullmatch(name)
        if block:
            number, part, place = int(block[1] or 0), block[2], int(block[3])
            named |= _of_block(f"block_{number}", part, place, array)
        elif embedding and embedding[2].startswith("vars/"):
            tokens.append(array)  # in order: KerasHub numbers them below 10
        elif embedding and embedding[2] == "position_embedding/vars/0":
            named[TABLE] = array.changed(lambda a: a[np.newaxis])
        elif embedding:  # its convolution
            place = ("kernel", "bias")[int(embedding[2][-1])]
            named[f"patch_encoder/projection/{place}"] = array
        elif NORM.fullmatch(name):
            named[f"norm/{PAIRS['norm'][int(name[-1])]}"] = array
        elif not name.startswith("task/"):
            named[name] = array
    layer = next((name for name in stored if EMBEDDINGS.fullmatch(name)), "")
    named |= _of_tokens(tokens, layer)
    return named | _heads(stored) | _missing_biases(named)


def _of_block(block: str, part: str, place: int, array: Stored) -> dict[str, Stored]:
    if part == "mlp/weights_in":  # both halves of a gated MLP in one
        name = ("kernel", "bias")[place]
        return {
            f"{block}/mlp/{half}/{name}": array.changed(
                lambda a, n=number: np.split(a, 2, axis=-1)[n]
            )
            for number, half in enumerate(("gate", "fc1"))
        }
    ours = PARTS.get(part)
    if ours is None:
        return {f"{block}/{part}/{place}": array}
    kind = re.sub(r"\d", "", ours) if ours[:4] in ("norm", "scal") else "dense"
    name = PAIRS[kind][place]
    if ours.startswith("attention/"):
        array = array.changed(_joined(ours.endswith("out"), name))
    return {f"{block}/{ours}/{name}": array}


def _joined(is_out: bool, name: str) -> Any:
    """Return what makes one axis of heads and the features of each."""
    if name == "bias" or is_out:
        return lambda a: a.reshape(-1, a.shape[-1]) if a.ndim == 3 else a.reshape(-1)
    return lambda a: a.reshape(len(a), -1)


def _of_tokens(arrays: list[Stored], layer: str) -> dict[str, Stored]:
    """Return what a layer of embeddings holds itself, without the token of a mask."""
    arrays = [one for one in arrays if len(one.shape) == 3]
    if not arrays:
        return {}
    found = {"patch_encoder/class_token": arrays[0]}
    if "dei_t_embeddings" in layer:
        _, token, positions = _expected(arrays, 3, layer)
        register = replace(token, read=lambda: token.read() + positions.read()[:, 1:2])
        found[REGISTERS] = register
        found[TABLE] = positions.changed(lambda a: np.delete(a, 1, axis=1))
    elif "dinov2_embedding" in layer:
        # Positions for its images, and for the preset's.
        *registers, positions, _ = _expected(
            arrays, min(max(len(arrays), 3), 4), layer
        )[1:]
        found[TABLE] = positions
        if registers:
            (found[REGISTERS],) = registers
    return found


def _expected(arrays, count, layer):
    if len(arrays) != count:
        raise WeightsFileError(
            f"{layer}: expected {count} arrays of three axes. Received: {len(arrays)}"
        )
    return arrays


def _heads(stored: Arrays) -> dict[str, Stored]:
    """Return a classifier, and the layer before it where there are two."""
    layers: dict[str, dict[str, Stored]] = {}
    for name, array in stored.items():
        found = re.fullmatch(r"task/layers/(dense(?:_\d+)?)/vars/([01])", name)
        if found:
            part = ("kernel", "bias")[int(found[2])]
            layers.setdefault(found[1], {})[part] = array
    names = ("head",) if len(layers) == 1 else ("pre_logits", "head")
    return {
        f"{ours}/{part}": array
        for ours, theirs in zip(names, sorted(layers), strict=False)
        for part, array in layers[theirs].items()
    }


def _missing_biases(named: Mapping[str, Stored]) -> dict[str, Stored]:
    """Return zeros where attention's output alone has no bias, or MLPs alone."""
    ends = ("attention/out", "mlp/fc1", "mlp/fc2", "mlp/gate")
    kernels = [name for name in named if name.removesuffix("/kernel").endswith(ends)]
    biases = {name: f"{name.removesuffix('kernel')}bias" for name in kernels}
    if not any(bias in named for bias in biases.values()):
        return {}
    return {
        bias: _zeros(named[name]) for name, bias in biases.items() if bias not in named
    }


def _zeros(kernel: Stored) -> Stored:
    shape = kernel.shape[-1:]
    return Stored(shape, kernel.dtype, lambda: np.zeros(shape, kernel.dtype))
