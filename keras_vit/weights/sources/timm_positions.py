"""timm's position tables: who has a position there, and who has one here.

There, with `no_embed_class`, the patches alone have positions; without it, class
token, distillation token and registers have them too. Here class and distillation
token have positions, registers have none. A position is added to the same token for
every image, so that it can be part of the token: each is the same model.
"""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from keras_vit.weights.files import Stored
from keras_vit.weights.sources.source import Arrays, Config
from keras_vit.weights.sources.timm_architectures import ARCHITECTURES
from keras_vit.weights.sources.timm_layouts import GRID
from keras_vit.weights.sources.timm_settings import arguments_of, name_of


def position_method(stored: Arrays, config: Config) -> str:
    """Return the rule of timm's resizing: FlexiViT's and NaFlexViT's by settings."""
    settings = arguments_of(config)
    if settings.get("class") == "NaFlexVit":
        square = "_square" if settings.get("pos_embed_ar_preserving") else ""
        if settings.get("pos_embed") == "factorized":
            return f"bilinear_half_pixels{square}"  # whatever the mode is
        mode = settings.get("pos_embed_interp_mode", "bicubic")
        corners = settings.get("pos_embed_align_corners", False)
        method = NAFLEX[mode, corners]
        if settings.get("pos_embed_antialias", True):
            method = f"{mode}_antialias"
        return f"{method}{square}"
    is_flexible = "flexi" in name_of(config)
    return "bilinear_half_pixels" if is_flexible else "bicubic_antialias"


NAFLEX = {  # without antialiasing: (mode, whether corners are aligned)
    ("bilinear", True): "bilinear",
    ("bilinear", False): "bilinear_half_pixels",
    ("bicubic", True): "bicubic_corners",
    ("bicubic", False): "bicubic",
}


def embeds_patches_alone(architecture: str) -> bool | None:
    """Return whether timm's architecture of a name sets `no_embed_class`.

    `None` for a name that is not known.
    """
    info = ARCHITECTURES.get(architecture.partition(".")[0])
    if info is None:
        return None
    return info.get("no_embed_class", info.get("class") == "NaFlexVit")


def no_embed_class(config: Config) -> bool | None:
    """Return whether a `config.json` says that patches alone have positions.

    `None` if it does not say, as where there is none.
    """
    info = config.get("model_args", {}).get("no_embed_class")
    if info is None:
        return embeds_patches_alone(name_of(config))
    return info


def grid(stored: Arrays) -> tuple[int, int] | None:
    """Return the grid of a table that is one, as NaFlexViT's, of arrays as found."""
    table = stored.get(GRID)
    return None if table is None else (table.shape[1], table.shape[2])


def first_tokens(
    stored: Mapping[str, Stored] | Mapping[str, np.ndarray],
) -> tuple[int, int]:
    """Return how many class and distillation tokens, and how many registers."""
    registers = stored["reg_token"].shape[1] if "reg_token" in stored else 0
    return sum(name in stored for name in ("cls_token", "dist_token")), registers


def first_rows(
    stored: Arrays, config: Config
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return how many rows of the table may stand before the patches'.

    Returns:
        What `config.json` says, a tuple that may be empty; and every number
        that there may be, the likelier first.
    """
    first, registers = first_tokens(stored)
    every = (0, first + registers, first) if registers else (first, 0)
    info = no_embed_class(config)
    if info is None:
        return (), every
    return (0 if info else first + registers,), every


def aligned(stored: Arrays, rows: int) -> dict[str, Stored]:
    """Give positions to class and distillation token and to the patches alone.

    Args:
        stored: timm's arrays by name.
        rows: of the table, before those of the patches.
    """
    stored = dict(stored)
    first, registers = first_tokens(stored)
    positions = stored["pos_embed"]
    if rows == 0 and first:  # none for them, which is the same as one of 0
        stored["pos_embed"] = positions.changed(
            lambda table: np.pad(table, [(0, 0), (first, 0), (0, 0)])
        )
    elif registers and rows == first + registers:
        of_registers = slice(first, rows)
        tokens = stored["reg_token"]
        stored["reg_token"] = replace(
            tokens, read=lambda: tokens.read() + positions.read()[:, of_registers]
        )
        stored["pos_embed"] = positions.changed(
            lambda table: np.delete(table, np.r_[of_registers], axis=1)
        )
    return stored


def spread(
    arrays: Mapping[str, np.ndarray], patches_alone: bool
) -> Mapping[str, np.ndarray]:
    """Turn the positions of `aligned` into those that timm's code expects.

    Args:
        arrays: timm's arrays by name, positions for class and distillation
            token and the patches.
        patches_alone: whether `no_embed_class` is set there.
    """
    if "pos_embed" not in arrays:
        return arrays
    arrays = dict(arrays)
    first, registers = first_tokens(arrays)
    table = arrays["pos_embed"]
    if patches_alone:
        for place, name in enumerate(("cls_token", "dist_token")[:first]):
            arrays[name] = arrays[name] + table[:, place : place + 1]
        arrays["pos_embed"] = np.ascontiguousarray(table[:, first:])
    elif registers:
        zeros = np.zeros((1, registers, table.shape[2]), table.dtype)
        arrays["pos_embed"] = np.concatenate(
            [table[:, :first], zeros, table[:, first:]], axis=1
        )
    return arrays
