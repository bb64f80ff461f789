"""Maps over images: attention, relevance, norms."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from keras_vit.figures.drawing import Figure, coloured, new_figure, shortened
from keras_vit.figures.mosaic import middles, mosaic, spread

COLOURS = "viridis"  # from dark to light, in print too
WIDTH = 10  # inches
MOST_PICTURES, MOST_TICKS = 24, 32
MARGIN, GAP, HEAD, FOOT = 0.2, 0.08, 0.65, 0.75  # inches
LINE = 0.15  # inches, of a name
LETTERS = 13  # of a name, an inch


def maps_over_pictures(
    images: Any,
    maps: Any,
    cell: tuple[float, float],
    names: Sequence[str],
    *,
    title: str,
    label: str,
    limits: tuple[float, float] | None = None,
) -> Figure:
    """Draw each image, its map beside it, and the map over the image in grey.

    Over the image, the opacity of the map grows with its values, so that the
    image stays visible where they are small.

    Args:
        images: `(B, height, width, 3)`, pixels in [0, 255]; the first
            `MOST_PICTURES` are shown.
        maps: `(B, rows, columns)`.
        cell: (height, width) of a cell of a map, in pixels.
        names: a text for each image; each of its lines may take two.
        title: a line.
        label: what the maps measure, with its unit.
        limits: of the scale of colours, which all maps share; by default from
            0 to their largest value.
    """
    count = min(len(images), MOST_PICTURES)
    if not count:
        raise ValueError("Expected at least one image. Received: none")
    images, maps = np.asarray(images[:count]), np.asarray(maps[:count])
    aspect = images.shape[1] / images.shape[2]
    across = 1 if count < 3 or aspect < 0.6 else 2
    rows = -(-count // across)
    wide = (WIDTH - 2 * MARGIN - 0.3 * (across - 1)) / across
    side = min((wide - 2 * GAP) / 3, 2.6, 2.6 / aspect)
    names = [_wrapped(name, 3 * side) for name in names[:count]]
    high = LINE * (1 + max(name.count("\n") for name in names)) + 0.11  # of a name
    step = side * aspect + high + GAP
    figure = new_figure(WIDTH, HEAD + rows * step + FOOT)
    low, top = limits or (0, max(float(maps.max()), 1e-9))
    scale = {"cmap": COLOURS, "vmin": low, "vmax": max(top, low + 1e-9)}
    left = MARGIN + (wide - 3 * side - 2 * GAP) / 2
    shown: Any = None
    for number in range(count):
        row, column = divmod(number, across)
        place = left + column * (wide + 0.3), HEAD + row * step + high
        shown = _triple(
            figure,
            place,
            side,
            images[number],
            maps[number],
            cell=cell,
            scale=scale,
        )
        _put(figure, place[0], place[1] - high / 2, names[number], size=8)
        if not row:
            _headings(figure, place[0], side)
    _write(figure, left, 0.22, title, WIDTH - MARGIN - left, size=11)
    _colour_bar(figure, shown, label)
    return figure


def _triple(figure, place, side, image, values, *, cell, scale):
    """The image, the map, and one over the other."""
    height, width = image.shape[:2]
    rows, columns = values.shape
    extent = (0, columns * cell[1], rows * cell[0], 0)
    panels = [
        _panel(figure, (place[0] + step * (side + GAP), place[1]), side, image)
        for step in range(3)
    ]
    panels[0].imshow(image.astype(np.uint8), extent=(0, width, height, 0))
    shown = panels[1].imshow(values, extent=extent, interpolation="nearest", **scale)
    grey = {"cmap": "gray", "vmin": 0, "vmax": 255}
    panels[2].imshow(image.mean(-1), extent=(0, width, height, 0), **grey)
    low, high = scale["vmin"], scale["vmax"]
    opacity = np.clip((values - low) / (high - low), 0, 1)
    panels[2].imshow(
        values, extent=extent, interpolation="nearest", alpha=opacity, **scale
    )
    for panel in panels:
        panel.set(xlim=(0, width), ylim=(height, 0), xticks=(), yticks=())
    return shown


def _panel(figure, place, side, image):
    """Axes for a picture, so many inches from the left and from the top."""
    across, down = figure.get_size_inches()
    high = side * image.shape[0] / image.shape[1]
    bottom = 1 - (place[1] + high) / down
    return figure.add_axes((place[0] / across, bottom, side / across, high / down))


def _wrapped(name, room):
    """A text, its lines broken into two where they are wider than so many inches."""
    width = max(int(room * LETTERS), 4)
    return "\n".join(shortened(line, width, lines=2) for line in name.split("\n"))


def _write(figure, left, top, text, room, *, size, **options):
    text = shortened(text, max(int(room * LETTERS * 8 / size), 4))
    _put(figure, left, top, text, size, **options)


def _put(figure, left, top, text, size, **options):
    across, down = figure.get_size_inches()
    figure.text(
        left / across,
        1 - top / down,
        text,
        fontsize=size,
        va="center",
        parse_math=False,
        **options,
    )


def _headings(figure, left, side):
    for step, text in enumerate(("image", "map", "overlay")):
        middle = left + step * (side + GAP) + side / 2
        _write(figure, middle, HEAD - 0.1, text, side, size=9, ha="center", color="0.3")


def _colour_bar(figure, shown, label):
    across, down = figure.get_size_inches()
    place = (0.25, 0.45 / down, 0.5, 0.14 / down)
    bar = figure.colorbar(shown, cax=figure.add_axes(place), orientation="horizontal")
    bar.set_label(label, fontsize=9)
    bar.ax.tick_params(labelsize=8)


def map_over_picture(
    image: np.ndarray, values: np.ndarray, cell: tuple[float, float]
) -> np.ndarray:
    """Return an image in grey under its map, pixel for pixel.

    The opacity of the map grows with its values, so that the image stays visible
    where they are small. Pixels beyond its last cell stay grey.

    Args:
        image: uint8 `(height, width, 3)`.
        values: the map, `(rows, columns)`, at least 0.
        cell: (height, width) of a cell of the map, in pixels of the image.

    Returns:
        uint8 `(height, width, 3)`.
    """
    places = [
        np.minimum((np.arange(pixels) + 0.5) // size, cells).astype(int)
        for pixels, size, cells in zip(image.shape, cell, values.shape, strict=False)
    ]
    shares = np.pad(values / max(float(values.max()), 1e-9), (0, 1))[np.ix_(*places)]
    grey, opacity = image.mean(-1, keepdims=True), shares[..., np.newaxis]
    mixed = (1 - opacity) * grey + opacity * coloured(shares, COLOURS)
    return mixed.round().astype(np.uint8)


def head_maps(
    image: Any,
    maps: np.ndarray,
    cell: tuple[float, float],
    name: str,
    *,
    title: str,
    label: str,
) -> Figure:
    """Draw the attention of each head of each layer over one image.

    Args:
        image: `(height, width, 3)`, pixels in [0, 255].
        maps: `(L, H, rows, columns)`, the first layer first, in multiples of
            uniform attention.
        cell: (height, width) of a cell of a map, in pixels.
        name: of the image.
        title: a line.
        label: what the maps measure, with its unit.
    """
    layers, heads, rows, columns = maps.shape
    aspect = rows * cell[0] / (columns * cell[1])  # of a map
    side = min(9 / layers, 8 / (heads * aspect), 1.4, 1.4 / aspect)
    wide, high = max(side * layers, 1.5), max(side * aspect * heads, 1.5)
    figure = new_figure(wide + 3.4, high + 1.1, layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(1.5, wide))
    left.imshow(np.asarray(image).astype(np.uint8))
    left.set_title(shortened(name, 18, lines=2), fontsize=8, parse_math=False)
    left.set_axis_off()
    gap = max(round(max(rows, columns) / 8), 1)
    shown = right.imshow(
        mosaic(maps.swapaxes(0, 1), gap),
        norm="log",
        cmap=COLOURS,
        clim=(0.1, 10),
        aspect=cell[0] / cell[1],
        interpolation="nearest",
    )
    for axis, count, size in (
        (right.xaxis, layers, columns),
        (right.yaxis, heads, rows),
    ):
        some = spread(count, MOST_TICKS)
        axis.set_ticks(middles(count, size, gap)[some], some + 1, fontsize=8)
    right.set(xlabel="Network depth (layer)", ylabel="Head")
    right.tick_params(length=0)
    right.spines[:].set_visible(False)
    figure.colorbar(
        shown, label=label, extend="both", format="{x:g}", shrink=min(1, 2.6 / high)
    )
    title = shortened(title, int(9 * (wide + 3.4)))
    figure.suptitle(title, fontsize=11, parse_math=False)
    return figure
