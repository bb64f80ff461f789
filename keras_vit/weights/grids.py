"""Which grid of patches a table of positions covers.

A table is a list of rows: 13 x 15 patches and a class token are 196 of them, and so
are 14 x 14 patches without one. What is known decides: the caller's word, ours in the
file, the publisher's beside it. Of a bare file, what fits is read, and a warning says
so where something else fits too.
"""

import math
import warnings
from dataclasses import dataclass

from keras_vit.layers.patches import pair
from keras_vit.weights.architecture import shapes
from keras_vit.weights.metadata import KEY
from keras_vit.weights.rebuild import grid_of

POSITIONS = "patch_encoder/position_embedding"


@dataclass(frozen=True)
class Reading:
    """A table's rows as tokens that are no patches, then the cells of a grid.

    Attributes:
        rows: before those of the patches.
        grid: (rows, columns) of patches.
    """

    rows: int
    grid: tuple[int, int]

    def __str__(self):
        others = f" and {self.rows} other token{'s' * (self.rows > 1)}"
        return f"{_text(self.grid)} patches{others if self.rows else ''}"


@dataclass(frozen=True)
class Known:
    """What is known of a table, apart from its length.

    Attributes:
        own: the grid of the model; `None` if there is none yet.
        likely: numbers of rows before the patches', as the publisher says;
            empty if it does not.
        every: numbers of such rows that there may be, the likelier first.
        grid: of the table, as the caller or our own note says.
        by: who says it.
        published: the grid of the images in the publisher's settings.
    """

    own: tuple[int, int] | None
    likely: tuple[int, ...]
    every: tuple[int, ...]
    grid: tuple[int, int] | None = None
    by: str = ""
    published: tuple[int, int] | None = None


def table_of(model, source, stored, config, *, told, name, grid=None):
    """Return how a file's position table is to be read, or what is wrong with it.

    Args:
        model: a ViT that a factory of this package built.
        source: whose file it is.
        stored: its arrays, by canonical names.
        config: as `load.open_weights` returns it.
        told: the model's `Architecture`, with patches of the file's size.
        name: of the file, for warnings.
        grid: what the caller says of the table's.

    Returns:
        A `Reading` and `None`, or `None` and a text; `None` twice where there
        is no table, here or there.
    """
    ours = shapes(model).get(POSITIONS)
    if ours is None or source.positions not in stored:
        return None, None
    shape = stored[source.positions].shape
    if len(shape) != 3 or shape[0] != 1 or shape[2] != ours[2]:
        return None, f"expected (1, N, {ours[2]})"
    known = known_of(
        source,
        stored,
        config,
        own=told.grid,
        first=told.num_first_tokens,
        grid_of=lambda size: grid_of(model, size, told.patch_size),
        source_grid=grid,
    )
    try:
        return read_table(shape[1], known, name), None
    except ValueError as error:
        return None, str(error)


def doubt_flexivit(method, name):
    """Warn where big_vision's other models would resize a table of that shape."""
    if method == "bilinear_antialias" and "flexi" not in name.lower():
        warnings.warn(
            f"{name}: shaped as FlexiViT's files, so that its positions are resized by "
            "half-pixel centres. position_interpolation='bilinear' resizes them as "
            "big_vision's other models do.",
            stacklevel=3,
        )


def known_of(source, stored, config, *, own, first, grid_of, source_grid=None):
    """Return the `Known` of a file's position table.

    Args:
        source: whose file it is.
        stored: its arrays, by canonical names.
        config: as `load.open_weights` returns it.
        own: the grid of the model, or `None`.
        first: how many class and distillation tokens there are.
        grid_of: `(height, width)` of images -> their grid of the file's patches.
        source_grid: what the caller says of the grid.
    """
    likely, every = (), (first,)
    if source.first_rows is not None:
        likely, every = source.first_rows(stored, config)
    note = config.get(KEY, {})
    grid, by = None, ""
    if source_grid is not None:
        grid, by = pair(source_grid, "source_grid"), "source_grid"
    elif "grid" in note:
        rows, columns = note["grid"]
        grid, by = (rows, columns), "the file's own note"
    size = source.image_size(config)
    published = None if size is None or grid is not None else grid_of(size)
    return Known(own, likely, every, grid, by, published)


def read_table(length, known, name):
    """Return how a table is to be read, with a warning where that is not known.

    Args:
        length: its rows.
        known: a `Known`.
        name: of the file, for the warning.

    Returns:
        A `Reading`.

    Raises:
        ValueError: if nothing fits, or not what the caller or the file says.
    """
    if known.grid is not None:
        return _told(length, known)
    if known.published and _settled(length, known, known.published):
        return _settled(length, known, known.published)
    fits = _fits(length, known.likely, known.own)
    fits = fits or _fits(length, known.every, known.own)
    if not fits:
        rows = " or ".join(map(str, known.likely or known.every))
        raise ValueError(
            f"expected {rows} and the cells of the model's own or of a square grid "
            "(source_grid=(rows, columns) says which other grid it is)"
        )
    reading, *others = fits
    is_usual = reading.grid == known.own and reading.grid[0] == reading.grid[1]
    if known.published:
        doubt = (
            f"are not those of {_text(known.published)} patches, as its settings say. "
            f"They are read as {reading}; source_grid=(rows, columns) says otherwise."
        )
    elif others and not is_usual:
        doubt = (
            f"may be those of {reading}, or of {others[0]}. They are read as the "
            f"former; source_grid={others[0].grid} says the latter."
        )
    else:
        return reading
    warnings.warn(f"{name}: its {length} positions {doubt}", stacklevel=2)
    return reading


def likeliest(length, known):
    """Return the first `Reading` of a bare table; `None` if nothing fits."""
    fits = _fits(length, known.likely, known.own)
    return next(iter(fits or _fits(length, known.every, known.own)), None)


def _text(grid):
    return f"{grid[0]} x {grid[1]}"


def _told(length, known):
    reading = _settled(length, known, known.grid)
    if reading is None:
        raise ValueError(
            f"expected {' or '.join(map(str, known.every))} and the cells of "
            f"{_text(known.grid)}, which {known.by} says"
        )
    return reading


def _settled(length, known, grid):
    """The reading of a table of that grid; `None` if it is of another."""
    rows = length - math.prod(grid)
    return Reading(rows, tuple(grid)) if rows in known.every else None


def _fits(length, rows, own):
    """Every reading of a bare table, the likeliest first.

    Published tables are square, so that the model's own grid comes first where
    its cells are no square number, or where it is a square itself.
    """
    squares, exact, likely = [], [], []
    for first in rows:
        cells = length - first
        side = math.isqrt(max(cells, 0))
        is_square = side > 0 and side**2 == cells
        if is_square:
            squares.append(Reading(first, (side, side)))
        if own is not None and cells == math.prod(own):
            reading = Reading(first, tuple(own))
            (exact if is_square and own[0] != own[1] else likely).append(reading)
    return list(dict.fromkeys([*likely, *squares, *exact]))
