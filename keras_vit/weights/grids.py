"""Which grid of patches a table of positions covers.

A table is a list of rows: 13 x 15 patches and a class token are 196 of them, and so
are 14 x 14 patches without one. What is known decides: the caller's word, ours in the
file, the publisher's beside it. Of a bare file, what fits is read, and a warning says
so where something else fits too.
"""

import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import KW_ONLY, dataclass

import keras

from keras_vit.layers.patches import pair
from keras_vit.weights.architecture import Architecture, shapes
from keras_vit.weights.cloning import grid_of
from keras_vit.weights.metadata import KEY
from keras_vit.weights.sources.source import Arrays, Config, Source
from keras_vit.weights.translate import Rules

POSITIONS = "patch_encoder/position_embedding"
AXES = tuple(f"{POSITIONS}_{axis}" for axis in "yx")  # of rows, of columns
TABLE = "pos_embedding"  # of big_vision


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
    _: KW_ONLY
    grid: tuple[int, int] | None = None
    by: str = ""
    published: tuple[int, int] | None = None


def table_of(
    model: keras.Model,
    source: Source,
    stored: Arrays,
    config: Config,
    *,
    architecture: Architecture,
    name: str,
    grid: Sequence[int] | None = None,
    shown: tuple[int, int] | None = None,
) -> tuple[Reading | None, str | None]:
    """Return how a file's position table is to be read, or what is wrong with it.

    Args:
        model: a ViT that a factory of this package built.
        source: whose file it is.
        stored: its arrays, by canonical names.
        config: as `opening.open_weights` returns it.
        architecture: the model's `Architecture`, with patches of the file's size.
        name: of the file, for warnings.
        grid: the table's grid that the caller states.
        shown: that its shape in the file shows.

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
        own=architecture.grid,
        first=architecture.num_first_tokens,
        grid_of=lambda size: grid_of(model, size, architecture.patch_size),
        source_grid=grid,
        shown=shown,
    )
    try:
        return read_table(shape[1], known, name), None
    except ValueError as error:
        return None, str(error)


def grid_of_axes(ours: Rules, stored: Arrays) -> tuple[int, int] | None:
    """Return the grid of a file's positions of rows and of columns.

    Args:
        ours: where each of our weights lies, as `translate.names_in` finds it.
        stored: the file's arrays, by canonical names.

    Returns:
        (rows, columns); `None` where the model has no such positions, or the
        file lacks them.
    """
    names = [ours[path][0] for path in AXES if path in ours]
    if not names or any(name not in stored for name in names):
        return None
    rows, columns = (stored[name].shape[0] for name in names)
    return rows, columns


def doubt_flexivit(method: str, name: str, named: Arrays) -> None:
    """Warn where big_vision's other models would resize a table of that shape.

    Args:
        method: by which positions are resized.
        name: of the file.
        named: its arrays, as found. A table of rows and columns is NaFlex's.
    """
    rows = [array.shape[0] for key, array in named.items() if key.endswith(TABLE)]
    is_flexivit = method == "bilinear_antialias" and rows == [1]
    if is_flexivit and "flexi" not in name.lower():
        warnings.warn(
            f"{name}: shaped as FlexiViT's files, so that its positions are resized by "
            "half-pixel centres. position_interpolation='bilinear' resizes them as "
            "big_vision's other models do.",
            stacklevel=3,
        )


def known_of(
    source: Source,
    stored: Arrays,
    config: Config,
    *,
    own: tuple[int, int] | None,
    first: int,
    grid_of: Callable[[tuple[int, int]], tuple[int, int] | None] | None,
    source_grid: Sequence[int] | None = None,
    shown: tuple[int, int] | None = None,
) -> Known:
    """Return the `Known` of a file's position table.

    Args:
        source: whose file it is.
        stored: its arrays, by canonical names.
        config: as `opening.open_weights` returns it.
        own: the grid of the model, or `None`.
        first: how many class and distillation tokens there are.
        grid_of: `(height, width)` of images -> their grid of the file's patches.
        source_grid: the grid that the caller states.
        shown: that the table's shape in the file shows.
    """
    likely, every = (), (first,)
    if source.first_rows is not None:
        likely, every = source.first_rows(stored, config)
    note = config.get(KEY, {})
    grid, by = None, ""
    if source_grid is not None:
        grid, by = pair(source_grid, "source_grid"), "source_grid"
    elif shown is not None:
        grid, by = shown, "the table's own shape"
    elif "grid" in note:
        rows, columns = note["grid"]
        grid, by = (rows, columns), "the file's own note"
    size = source.image_size(config)
    published = None
    if grid is None and size is not None and grid_of is not None:
        published = grid_of(size)
    return Known(own, likely, every, grid=grid, by=by, published=published)


def read_table(length: int, known: Known, name: str) -> Reading:
    """Return how a table is to be read, with a warning where that is not known.

    Args:
        length: its rows.
        known: a `Known`.
        name: of the file, for the warning.

    Returns:
        A `Reading`.

    Raises:
        ValueError: if nothing fits, or not what the caller or the file states.
    """
    if known.grid is not None:
        return _stated(length, known)
    published = known.published and _exact(length, known, known.published)
    if published:
        return published
    fits = _fits(length, known.likely, known.own)
    fits = fits or _fits(length, known.every, known.own)
    if not fits:
        rows = " or ".join(map(str, known.likely or known.every))
        raise ValueError(
            f"expected {rows} and the cells of the model's own or of a square grid "
            "(for another grid, pass source_grid=(rows, columns))"
        )
    reading, *others = fits
    is_usual = reading.grid == known.own and reading.grid[0] == reading.grid[1]
    if known.published:
        doubt = (
            f"are not those of {_text(known.published)} patches, as its settings "
            f"state. They are read as {reading}; pass source_grid=(rows, columns) if "
            "they are of another grid."
        )
    elif others and not is_usual:
        doubt = (
            f"may be those of {reading}, or of {others[0]}. They are read as the "
            f"former; pass source_grid={others[0].grid} for the latter."
        )
    else:
        return reading
    warnings.warn(f"{name}: its {length} positions {doubt}", stacklevel=2)
    return reading


def likeliest(length: int, known: Known) -> Reading | None:
    """Return the first `Reading` of a bare table; `None` if nothing fits."""
    fits = _fits(length, known.likely, known.own)
    return next(iter(fits or _fits(length, known.every, known.own)), None)


def _text(grid):
    return f"{grid[0]} x {grid[1]}"


def _stated(length, known):
    reading = _exact(length, known, known.grid)
    if reading is None:
        raise ValueError(
            f"expected {' or '.join(map(str, known.every))} and the cells of "
            f"{_text(known.grid)}, which {known.by} states"
        )
    return reading


def _exact(length, known, grid):
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
