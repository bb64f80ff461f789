"""An opened image -> its samples as the file has them -> RGB pixels of 8 bits.

Pillow keeps the high bytes alone of colours of 16 bits. Asked for the samples of
the opposite order of bytes it returns the low ones, so that two readings give all.
"""

import io
import sys
from typing import Any, NamedTuple

import numpy as np

_SWAPPED = {"L": "B", "B": "L", "N": "B" if sys.byteorder == "little" else "L"}
# Tags of TIFF.
_BITS, _PHOTOMETRIC, BANDS, _PLANES, _KIND = 258, 262, 277, 284, 339
_SIGNED = 2  # a kind of samples
_KINDS = {1: "unsigned", 2: "signed", 3: "floats"}
# How many bands a TIFF file of a mode of Pillow's may have; of others, one.
_BANDS_OF = {
    **dict.fromkeys(("RGB", "RGBA", "RGBX", "CMYK"), (3, 4)),
    **dict.fromkeys(("YCbCr", "LAB"), (3,)),
    **dict.fromkeys(("LA", "PA"), (2,)),
}
_ROWS = 2**20  # pixels that are laid on a background at a time
SAY_RANGE = "--pixel_range=LOW:HIGH says which samples are black and white"


class Samples(NamedTuple):
    """The samples of an image that has more than 8 bits of them.

    Attributes:
        values: `(H, W)` or `(H, W, 3)`, integers or floats.
        alpha: uint16 `(H, W)`, 65535 where nothing is seen through; `None`:
            nowhere.
        highest: what an unsigned sample can be at most; `None` for others.
        inverted: whether the lowest is white.
    """

    values: np.ndarray
    alpha: np.ndarray | None = None
    highest: int | None = None
    inverted: bool = False


def check_bands(image: Any) -> None:
    """Refuse a TIFF file whose bands are neither grey nor RGB.

    Args:
        image: as Pillow opened it, before its pixels are loaded.

    Raises:
        ValueError: naming the number of bands.
    """
    if image.format != "TIFF":
        return
    bands = image.tag_v2.get(BANDS, 1)
    expected = _BANDS_OF.get(image.mode, (1,))
    if bands not in expected:
        raise ValueError(_other_tiff(image.tag_v2))


def deep_samples(image: Any, data: bytes) -> Samples | None:
    """Return the samples of an image that has more than 8 bits of them.

    Args:
        image: as Pillow opened it, before its pixels are loaded.
        data: the file's bytes.

    Returns:
        `Samples`; `None` for an image of 8 bits.
    """
    found = _grey(image) if image.mode[0] in "IFL" else _coloured(image, data)
    if found is None:
        return None
    seen = image.info.get("transparency") if image.format == "PNG" else None
    if seen is not None:  # the one grey or colour that is transparent
        hidden = found.values == np.asarray(seen)
        hidden = hidden.all(-1) if hidden.ndim == 3 else hidden
        found = found._replace(alpha=np.where(hidden, 0, 65535).astype(np.uint16))
    white_is_zero = image.format == "TIFF" and image.tag_v2.get(_PHOTOMETRIC) == 0
    return found._replace(inverted=white_is_zero)


def _grey(image):
    tags = getattr(image, "tag_v2", {})
    if image.mode.startswith("I;16"):
        bits = tags.get(_BITS, (16,))[0]
        return Samples(np.asarray(image).astype(np.uint16), highest=2**bits - 1)
    if image.mode == "L" and tags.get(_KIND, (1,))[0] == _SIGNED:
        return Samples(np.asarray(image).view(np.int8))
    if image.mode == "I":
        samples = np.asarray(image)
        unsigned = tags.get(_KIND, (1,))[0] == 1 and tags.get(_BITS, (0,))[0] == 32
        return Samples(samples.view(np.uint32) if unsigned else samples)
    return Samples(np.asarray(image)) if image.mode == "F" else None


def _coloured(image, data):
    """Those of RGB, of grey with alpha and of RGB with alpha, of 16 bits each."""
    if image.format not in ("PNG", "TIFF"):
        return None
    tiles, order = list(image.tile), "L" if data[:2] == b"II" else "B"
    if image.format == "TIFF" and set(image.tag_v2.get(_BITS, (8,))) == {16}:
        # One tile a band, of which Pillow takes the bytes for samples.
        tiles = [
            _with(one, f"{_raw(one)};16{order}") if _raw(one) in [*"RGBA"] else one
            for one in tiles
        ]
    kinds = {_raw(one).partition(";")[::2] for one in tiles} or {("", "")}
    if kinds == {("LA", "16B")}:
        halves = _loaded(data, image.mode, [_with(one, "RGBA") for one in tiles])
        samples = halves[..., ::2].astype(np.uint16) * 256 + halves[..., 1::2]
        return Samples(samples[..., 0], samples[..., 1], 65535)
    deep = all(bits[:2] == "16" and len(bits) == 3 for _, bits in kinds)
    bands = {bands for bands, _ in kinds}
    if not deep or "CMYK" in bands:
        return None  # of 8 bits; of inks, Pillow's are good enough
    in_planes = image.format == "TIFF" and image.tag_v2.get(_PLANES) == 2
    if "RGBa" in bands or (in_planes and tiles[0][0] != "raw"):
        raise ValueError(
            "16 bits in compressed planes, or multiplied by their alpha, of which "
            "Pillow gives 8. Write the samples of a pixel beside each other, and as "
            "they are"
        )
    high = _loaded(data, image.mode, tiles)
    low = _loaded(data, image.mode, [_with(one, _swapped(_raw(one))) for one in tiles])
    samples = high.astype(np.uint16) * 256 + low
    alpha = samples[..., 3] if image.mode == "RGBA" and image.format != "TIFF" else None
    return Samples(samples[..., :3], alpha, 65535)


def _raw(tile):
    """The samples that a tile's decoder is asked for, as Pillow names them."""
    raw = tile[3] if isinstance(tile[3], str) else tile[3][0]
    return raw if isinstance(raw, str) else ""


def _with(tile, raw):
    rest = raw if isinstance(tile[3], str) else (raw, *tile[3][1:])
    return type(tile)(*tile[:3], rest)


def _swapped(raw):
    return raw[:-1] + _SWAPPED[raw[-1]]


def _loaded(data, mode, tiles):
    """The image's pixels, decoded as `tiles` say."""
    from PIL import Image

    with Image.open(io.BytesIO(data)) as image:
        image.tile = tiles
        image.load()
        if image.mode != mode:
            raise ValueError(f"a mode {image.mode} in place of {mode}")
        return np.asarray(image)


def levels_of(
    samples: Samples, pixel_range: tuple[float, float] | None = None
) -> np.ndarray:
    """Return samples as levels, linearly and to the nearest.

    Args:
        samples: `Samples`.
        pixel_range: those that become 0 and 255; `None`: 0 and the highest.

    Returns:
        uint8, of the values' shape.

    Raises:
        ValueError: if neither is known, or a sample is no number.

    Example:

    >>> levels_of(Samples(np.array([0, 2048, 4095, 5000], np.uint16)), (0, 4095))
    array([  0, 128, 255, 255], dtype=uint8)
    """
    values = samples.values
    if pixel_range is None and samples.highest is None:
        raise ValueError(
            f"which samples of {values.dtype} are black and white is unknown, here "
            f"{values.min():g} to {values.max():g}: {SAY_RANGE}"
        )
    low, high = pixel_range or (0, samples.highest or 0)
    if values.dtype.kind == "f" and np.isnan(values).any():
        raise ValueError("some samples are not numbers (NaN)")
    exact = np.float32 if values.dtype == np.uint16 else np.float64
    levels = (values.astype(exact) - exact(low)) * exact(255 / (high - low))
    levels = np.clip(levels, 0, 255)
    levels = 255 - levels if samples.inverted else levels
    return np.floor(levels + exact(0.5)).astype(np.uint8)


def laid_on(pixels: np.ndarray, alpha: np.ndarray, backdrop: int) -> np.ndarray:
    """Return pixels as they are seen before a background.

    Args:
        pixels: uint8 `(H, W, 3)`.
        alpha: uint8 `(H, W)`: 255 where nothing is seen through.
        backdrop: the level behind them, 0 to 255.

    Returns:
        uint8 `(H, W, 3)`.

    Example:

    >>> laid_on(np.uint8([[[0, 100, 255]]]), np.uint8([[51]]), 255).tolist()
    [[[204, 224, 255]]]
    """
    if (alpha == 255).all():
        return pixels
    result = np.empty_like(pixels)
    rows = max(_ROWS // max(pixels.shape[1], 1), 1)
    for start in range(0, len(pixels), rows):
        part = slice(start, start + rows)
        share = alpha[part, :, np.newaxis].astype(np.uint16)
        mixed = pixels[part] * share + np.uint16(backdrop) * (255 - share)
        result[part] = (mixed + np.uint16(127)) // 255
    return result


def reason_of_tiff(data: bytes) -> str | None:
    """Return why a TIFF file that Pillow does not open is not read.

    Args:
        data: the file's bytes.

    Returns:
        Text; `None` for what is no TIFF file, or a damaged one.
    """
    from PIL import TiffImagePlugin

    try:
        tags = TiffImagePlugin.ImageFileDirectory_v2(data[:8])
        file = io.BytesIO(data)
        file.seek(tags.next)
        tags.load(file)
        return _other_tiff(tags) if BANDS in tags or _BITS in tags else None
    except Exception:  # whatever a damaged file leads to
        return None


def _other_tiff(tags):
    bands, bits = tags.get(BANDS, 1), tags.get(_BITS, (1,))[0]
    kind = _KINDS.get(tags.get(_KIND, (1,))[0], "unknown")
    return (
        f"a TIFF file of {bands} {'band' if bands == 1 else 'bands'} of {bits} bits "
        f"({kind}). Expected one band of grey, of up to 32 bits, or three of 8 or 16 "
        "bits (unsigned) that are marked as RGB, with at most one more, which is not "
        "read: write the file so"
    )
