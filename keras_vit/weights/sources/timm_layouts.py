"""timm's other layouts of the same arrays -> the usual one, and back.

NaFlexVit keeps tokens under `embeds`, the projection of patches as a dense layer and
positions as a grid; blocks in parallel have one projection for attention and MLP, and
those of differential attention one behind both, too; branches are lists of attentions
and of MLPs; learned rotary frequencies, and relative positions that all blocks share,
stand outside of blocks.
"""

import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from keras_vit.layers.differential_attention import VECTORS
from keras_vit.weights.files import Stored
from keras_vit.weights.sources import timm_stems
from keras_vit.weights.sources.source import Arrays

EMBEDS = "embeds."
LINEAR = f"{EMBEDS}proj.weight"
AXES = ("pos_embed_x", "pos_embed_y")
GRID = f"{EMBEDS}pos_embed"
SHARED = "shared_rel_pos."
FREQUENCIES = "rope.freqs"
OUT = re.compile(r"(blocks\.\d+)\.out_proj\.(weight|bias)")
BRANCHED = "ParallelThingsBlock"
FUSED = "DiffParallelScalingBlock"  # whose projections out are one too
BRANCH = re.compile(r"(blocks\.\d+)\.(attn|ffn)s\.(\d+)\.(norm|attn|mlp|ls)\.(.+)")
PLACES = {"attn": "1", "ffn": "2"}  # of a branch: which norm and LayerScale is its own
PARALLEL = re.compile(r"(blocks\.\d+)\.in_proj\.(weight|bias)")
PARTS = ("mlp.fc1", "attn.q_proj", "attn.k_proj", "attn.v_proj")  # of `in_proj`
RENAMED = {  # of blocks in parallel
    "in_norm": "norm1",
    "mlp_bias": "mlp.fc1.bias",
    "attn_out_proj": "attn.proj",
    "mlp_out_proj": "mlp.fc2",
    "q_norm": "attn.q_norm",
    "k_norm": "attn.k_norm",
    "ls.gamma": "ls1.gamma",
    "sub_norm": "attn.sub_norm",
    **{name: f"attn.{name}" for name in VECTORS},
}


def normalise(stored: Arrays) -> dict[str, Stored]:
    """Return arrays in the layout of timm's `VisionTransformer`."""
    arrays = _without_embeds(stored) if LINEAR in stored else dict(stored)
    if any(PARALLEL.fullmatch(name) for name in arrays):
        arrays = _apart(arrays)
    arrays = {_without_lists(name): array for name, array in arrays.items()}
    arrays = timm_stems.normalise(arrays)
    blocks = _blocks(arrays)
    shared = [name for name in arrays if name.startswith(SHARED)]
    for name in shared:
        array = arrays.pop(name)
        rest = name.removeprefix(SHARED)
        arrays |= {f"blocks.{one}.attn.rel_pos.{rest}": array for one in blocks}
    if FREQUENCIES in arrays:  # (2, blocks, heads, d / 2)
        frequencies = arrays.pop(FREQUENCIES)
        for one in blocks:
            arrays[f"blocks.{one}.{FREQUENCIES}"] = frequencies.changed(
                lambda array, one=one: array[:, one]
            )
    return arrays


def _blocks(arrays):
    numbers = {int(name.split(".")[1]) for name in arrays if name.startswith("blocks.")}
    return sorted(numbers)


def _without_lists(name):
    """A name in lists of attentions and of MLPs -> one of a block, or of its branch."""
    match = BRANCH.fullmatch(name)
    if match is None:
        return name
    block, kind, number, part, rest = match.groups()
    branch = f"{block}.branches.{number}" if int(number) else block
    return f"{branch}.{part}{PLACES[kind] if part in ('norm', 'ls') else ''}.{rest}"


def _with_lists(name):
    """What `_without_lists` renames, as it was."""
    match = re.fullmatch(
        r"(blocks\.\d+)(?:\.branches\.(\d+))?\.(norm|attn|mlp|ls)(1|2)?\.(.+)", name
    )
    if match is None:
        return name
    block, number, part, place, rest = match.groups()
    kind = "attn" if part == "attn" or place == PLACES["attn"] else "ffn"
    return f"{block}.{kind}s.{number or 0}.{part}.{rest}"


def _without_embeds(stored):
    """NaFlexVit's names and shapes -> the usual ones."""
    arrays = {}
    for name, array in stored.items():
        inside = name.removeprefix(EMBEDS)
        if name.startswith(f"{EMBEDS}proj."):
            inside = f"patch_embed.{inside}"
        elif name.startswith(f"{EMBEDS}norm."):
            inside = f"norm_pre.{inside.removeprefix('norm.')}"
        arrays[inside] = array
    kernel = arrays["patch_embed.proj.weight"]
    arrays["patch_embed.proj.weight"] = kernel.changed(_as_convolution)
    for name in AXES:
        if name in arrays:
            arrays[name] = arrays[name].changed(lambda table: table[0])
    if GRID in stored:
        arrays["pos_embed"] = stored[GRID].changed(
            lambda table: table.reshape(1, -1, table.shape[-1])
        )
    return arrays


def _as_convolution(kernel):
    """(D, p p 3), pixels row by row, colours last -> (D, 3, p, p)."""
    side = round((kernel.shape[1] / 3) ** 0.5)
    return kernel.reshape(-1, side, side, 3).transpose(0, 3, 1, 2)


def _apart(arrays):
    """One projection of MLP, queries, keys and values -> one each."""
    found = {}
    for name, array in arrays.items():
        match = PARALLEL.fullmatch(name)
        if match:
            block, kind = match.groups()
            width = arrays[f"{block}.in_norm.weight"].shape[0]
            inner = array.shape[0] - 3 * width
            ends = np.cumsum([0, inner, width, width, width])
            for part, first, last in zip(PARTS, ends, ends[1:], strict=False):
                found[f"{block}.{part}.{kind}"] = array.changed(
                    lambda a, first=first, last=last: a[first:last]
                )
            continue
        match = OUT.fullmatch(name)
        if match:
            found |= _out_apart(array, *match.groups())
            continue
        for theirs, usual in RENAMED.items():
            name = re.sub(
                rf"^(blocks\.\d+)\.{re.escape(theirs)}\b", rf"\1.{usual}", name
            )
        found[name] = array
    return found


def _out_apart(array, block, kind):
    """The sum of attention's and the MLP's outputs -> one projection each."""
    first, second = f"{block}.attn.proj.{kind}", f"{block}.mlp.fc2.{kind}"
    if kind == "bias":
        return {first: array, second: array.changed(np.zeros_like)}
    width = array.shape[0]
    return {
        first: array.changed(lambda a: a[:, :width]),
        second: array.changed(lambda a: a[:, width:]),
    }


def in_layout_of(
    arrays: Mapping[str, np.ndarray], row: Mapping[str, Any], grid: tuple[int, int]
) -> dict[str, np.ndarray]:
    """Return arrays in the layout of the class of one of timm's architectures.

    Args:
        arrays: in the usual layout, by timm's names.
        row: the architecture's arguments, as `ARCHITECTURES` has them.
        grid: (rows, columns) of patches.

    Raises:
        ValueError: for blocks whose relative positions differ where they share them.
    """
    arrays = dict(arrays)
    numbers = _blocks(arrays)
    if f"blocks.0.{FREQUENCIES}" in arrays:
        each = [arrays.pop(f"blocks.{one}.{FREQUENCIES}") for one in numbers]
        arrays[FREQUENCIES] = np.stack(each, axis=1)
    if row.get("shared_rel_pos"):
        arrays = _shared(arrays, numbers)
    kind = row.get("block_fn")
    if kind in ("ParallelScalingBlock", FUSED):
        biased = row.get("qkv_bias", True)
        arrays = _together(arrays, numbers, biased=biased, fused=kind == FUSED)
    if kind == BRANCHED:
        arrays = {_with_lists(name): array for name, array in arrays.items()}
    arrays = timm_stems.in_layout(arrays)
    return _with_embeds(arrays, grid) if row.get("class") == "NaFlexVit" else arrays


def _shared(arrays, numbers):
    """Relative positions of each block -> those of all."""
    found = {}
    for name, array in arrays.items():
        match = re.fullmatch(r"blocks\.(\d+)\.attn\.rel_pos\.(.+)", name)
        if match is None:
            found[name] = array
            continue
        shared = f"{SHARED}{match[2]}"
        if not np.array_equal(found.setdefault(shared, array), array):
            raise ValueError(
                "timm's architecture shares relative positions among its blocks. "
                f"Expected equal ones. Received: others in block {match[1]}"
            )
    return found


def _together(arrays, numbers, *, biased, fused):
    """What `_apart` separates, in one projection; and those out, if they are fused."""
    found = dict(arrays)
    for number in numbers:
        block = f"blocks.{number}"
        parts = [f"{block}.{part}" for part in PARTS]
        kernels = [found.pop(f"{part}.weight") for part in parts]
        found[f"{block}.in_proj.weight"] = np.concatenate(kernels)
        if biased:
            biases = [found.pop(f"{part}.bias") for part in parts]
            found[f"{block}.in_proj.bias"] = np.concatenate(biases)
        if fused:
            outs = [f"{block}.attn.proj", f"{block}.mlp.fc2"]
            kernels = [found.pop(f"{one}.weight") for one in outs]
            found[f"{block}.out_proj.weight"] = np.concatenate(kernels, axis=1)
            biases = [
                found.pop(f"{one}.bias") for one in outs if f"{one}.bias" in found
            ]
            if biases:
                found[f"{block}.out_proj.bias"] = sum(biases)
        for theirs, usual in RENAMED.items():
            for name in [one for one in found if one.startswith(f"{block}.{usual}")]:
                rest = name.removeprefix(f"{block}.{usual}")
                found[f"{block}.{theirs}{rest}"] = found.pop(name)
    return found


def _with_embeds(arrays, grid):
    """What `_without_embeds` renames, under NaFlexVit's names."""
    found = {}
    for name, array in arrays.items():
        if name == "patch_embed.proj.weight":
            array = np.ascontiguousarray(array.transpose(0, 2, 3, 1))
            array, name = array.reshape(len(array), -1), LINEAR
        elif name.startswith("patch_embed."):
            name = f"{EMBEDS}{name.removeprefix('patch_embed.')}"
        elif name == "pos_embed":
            array, name = array.reshape(1, *grid, -1), GRID
        elif name in AXES:
            array, name = array[np.newaxis], f"{EMBEDS}{name}"
        elif name in ("cls_token", "reg_token"):
            name = f"{EMBEDS}{name}"
        elif name.startswith("norm_pre."):
            name = f"{EMBEDS}norm.{name.removeprefix('norm_pre.')}"
        found[name] = array
    return found
