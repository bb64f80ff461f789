"""Position tables on another grid, by the rule of each source.

A rule is a pair of matrices: the rows of the new table are weighted sums of
the rows of the old, and so are the columns (section 3.2: "2-D interpolation
of the pre-trained position embeddings, according to their location in the
original image"). What is computed from a patch's row and column (sines and
cosines, rotations) has no table, and is computed for those of the new grid.
"""

from collections.abc import Sequence

import numpy as np


def check_method(method: str, argument: str) -> str:
    """Return a key of `METHODS`.

    Raises:
        ValueError: for any other value, with the choices.
    """
    if method not in METHODS:
        raise ValueError(
            f"{argument} must be one of {', '.join(METHODS)}. Received: {method!r}"
        )
    return method


def resize_grid(table: np.ndarray, grid: Sequence[int], method: str) -> np.ndarray:
    """Interpolate a table of position vectors.

    Args:
        table: `(h, w, D)`, the vectors of the old grid.
        grid: (rows, columns) of the new one.
        method: a key of `METHODS`.

    Returns:
        float32, `(rows, columns, D)`.

    Example:

    >>> resize_grid(np.zeros((14, 14, 192)), (24, 24), "bilinear").shape
    (24, 24, 192)
    """
    if table.shape[:2] == tuple(grid):
        return table
    matrix = METHODS[method.removesuffix(SQUARE)]
    # Of a square, the part that the grid covers: its patches keep their shape.
    sizes = (max(grid),) * 2 if method.endswith(SQUARE) else grid
    rows, columns = (
        matrix(old, size)[:new]
        for old, size, new in zip(table.shape[:2], sizes, grid, strict=True)
    )
    resized = np.einsum("rh,hwd,cw->rcd", rows, table.astype(np.float64), columns)
    return resized.astype(np.float32)


def resize_weight(
    path: str, array: np.ndarray, old: Sequence[int], new: Sequence[int], method: str
) -> np.ndarray:
    """Interpolate a weight if it is one of positions.

    Args:
        path: of the weight; its last word says what it is (`TABLES`).
        array: the weight.
        old: (rows, columns) of the grid that it is for.
        new: of the grid that it shall be for.
        method: a key of `METHODS`.

    Returns:
        An array; the weight itself if it is none of positions.

    Example:

    >>> path = "block_00/attention/relative/offset_embedding"
    >>> resize_weight(path, np.zeros((2 * 6 - 1, 8)), (2, 3), (4, 4), "bilinear").shape
    (31, 8)
    """
    resize = TABLES.get(path.rpartition("/")[2])
    if resize is None or tuple(old) == tuple(new):
        return array
    return resize(np.asarray(array), old, new, method)


def resize_table(
    table: np.ndarray, old: Sequence[int], new: Sequence[int], method: str
) -> np.ndarray:
    """Interpolate a table of other tokens' vectors, then the patches': `(1, T, D)`."""
    first = table.shape[1] - old[0] * old[1]
    cells = resize_grid(table[0, first:].reshape(*old, -1), new, method)
    cells = cells.reshape(new[0] * new[1], -1)
    return np.concatenate([table[0, :first], cells])[np.newaxis]


def _resize_columns(table, old, new, method):
    return _resize_axis(table, new, new[1], method)


def _resize_rows(table, old, new, method):
    return _resize_axis(table, new, new[0], method)


def _resize_axis(table, grid, count, method):
    """The first `count` of the places along an axis of the new grid."""
    is_square = method.endswith(SQUARE)
    size = max(grid) if is_square else count
    return resize_grid(table[np.newaxis], (1, size), method.removesuffix(SQUARE))[0][
        :count
    ]


def _resize_offsets(table, old, new, method):
    """Of offsets in the line of all patches, by way of those in the grid.

    An offset in the line stands for one or two in the grid: the next patch is
    that at the right, or the first of the row below. Each is interpolated
    among the old ones in the grid; their mean counts the pairs of patches
    that are so far apart.
    """
    place, _ = _offsets(old)
    rows, columns = new
    apart = resize_grid(table[place], (2 * rows - 1, 2 * columns - 1), method)
    place, pairs = _offsets(new)
    total = np.zeros((2 * rows * columns - 1, table.shape[-1]))
    np.add.at(total, place, pairs[..., np.newaxis] * apart)
    count = np.bincount(place.ravel(), pairs.ravel())
    return (total / count[:, np.newaxis]).astype(np.float32)


def _resize_biases(table, old, new, method):
    """Of offsets (y, x) in the grid, then the rows of a token that is no patch."""
    few, many = ([2 * side - 1 for side in grid] for grid in (old, new))
    count = few[0] * few[1]
    biases = resize_grid(table[:count].reshape(*few, -1), many, method)
    return np.concatenate([biases.reshape(-1, table.shape[-1]), table[count:]])


def _offsets(grid):
    """Every offset (y, x) in a grid: its row of the table, and its pairs of patches."""
    rows, columns = grid
    y, x = np.mgrid[1 - rows : rows, 1 - columns : columns]
    place = rows * columns - 1 + y * columns + x
    return place, (rows - np.abs(y)) * (columns - np.abs(x))


def _corners(old, new):
    """Places of the new cells among the old, first on first and last on last."""
    return np.arange(new) * ((old - 1) / max(new - 1, 1))


def _half_pixels(old, new):
    """Places of the new cells among the old, both tables of the same extent."""
    return (np.arange(new) + 0.5) * old / new - 0.5


def _linear(distance):
    """The triangle of linear interpolation."""
    return np.maximum(0, 1 - np.abs(distance))


def _cubic(distance, a):
    """Keys's cubic kernel; a is its slope at 1."""
    x = np.abs(distance)
    near = (a + 2) * x**3 - (a + 3) * x**2 + 1
    far = a * (x**3 - 5 * x**2 + 8 * x - 4)
    return np.where(x <= 1, near, np.where(x < 2, far, 0))


def _clamped(places, old, kernel, reach):
    """Weights of the old cells around each place; the edge goes on outside."""
    matrix = np.zeros((len(places), old))
    first = np.floor(places).astype(int)
    for step in range(1 - reach, reach + 1):
        cell = first + step
        weight = kernel(places - cell)
        np.add.at(matrix, (np.arange(len(places)), cell.clip(0, old - 1)), weight)
    return matrix


def _bilinear(old, new):
    places = _corners(old, new)
    return _clamped(places, old, _linear, reach=1)


def _bilinear_half_pixels(old, new):
    return _clamped(_half_pixels(old, new), old, _linear, reach=1)


def _bicubic(old, new):
    return _clamped(_half_pixels(old, new), old, lambda x: _cubic(x, -0.75), reach=2)


def _bicubic_corners(old, new):
    return _clamped(_corners(old, new), old, lambda x: _cubic(x, -0.75), reach=2)


def _antialiased(old, new, kernel):
    scale = max(old / new, 1.0)  # the kernel grows with the step when shrinking
    distance = np.arange(old) - _half_pixels(old, new)[:, np.newaxis]
    matrix = kernel(distance / scale)
    return matrix / matrix.sum(1, keepdims=True)


def _bilinear_antialias(old, new):
    return _antialiased(old, new, _linear)


def _bicubic_antialias(old, new):
    return _antialiased(old, new, lambda x: _cubic(x, -0.5))


SQUARE = "_square"  # ends a rule: to a square of the longer side, which is then cut
METHODS = {
    "bilinear": _bilinear,  # Google: scipy.ndimage.zoom of order 1
    "bilinear_antialias": _bilinear_antialias,  # FlexiViT: jax.image.resize
    "bilinear_half_pixels": _bilinear_half_pixels,  # timm's FlexiViT: torch
    "bicubic": _bicubic,  # Hugging Face: torch, align_corners=False
    "bicubic_corners": _bicubic_corners,  # torchvision: torch, align_corners=True
    # timm, and Hugging Face's DINOv2 with registers: torch, antialias=True
    "bicubic_antialias": _bicubic_antialias,
}
METHODS |= {  # NaFlexVit's, where it preserves aspect ratios
    f"{name}{SQUARE}": METHODS[name]
    for name in ("bilinear", "bilinear_half_pixels", "bicubic_antialias")
}
TABLES = {  # a weight's name: how it goes from a grid to another
    "position_embedding": resize_table,
    "position_embedding_x": _resize_columns,
    "position_embedding_y": _resize_rows,
    "offset_embedding": _resize_offsets,
    "table": _resize_biases,
}
