"""How the samples of an image file become RGB pixels in [0, 255].

`keras_vit.data` does what is written here, by Pillow and in a graph. It belongs
to the data that a model was trained on, so that the model carries it along.
"""

from __future__ import annotations

import math
import numbers
from dataclasses import dataclass
from typing import Any

MAX_PIXELS = 62_000_000  # 186 MB once decoded, up to 1 GB on the way
BACKGROUNDS = {"white": 255, "black": 0, "ignore": None}
AUTO, FULL = "auto", "full"
RANGES = "auto, full, or two numbers such as 0:4095"


@dataclass(frozen=True)
class Decoding:
    """How the samples of image files are read.

    Attributes:
        pixel_range: the samples of more than 8 bits that become 0 and 255,
            `(low, high)`; those beyond become 0 or 255 too. `None`: all that
            such a sample can be, which is known for unsigned samples alone.
            Samples of 8 bits are pixels already. Also as text: `"full"`,
            `"0:4095"`.
        background: what is seen behind transparent pixels: `"white"` or
            `"black"`; `"ignore"`: transparency is dropped, and the colours
            beneath it are taken.
        max_pixels: images of more are refused by their header.

    Raises:
        ValueError: naming the field, what was expected and what was received.

    Example:

    >>> Decoding("0:4095").pixel_range
    (0.0, 4095.0)
    """

    pixel_range: tuple[float, float] | None = None
    background: str = "white"
    max_pixels: int = MAX_PIXELS

    def __post_init__(self) -> None:
        object.__setattr__(self, "pixel_range", _range_of(self.pixel_range))
        if self.background not in BACKGROUNDS:
            raise ValueError(
                f"background must be one of {', '.join(BACKGROUNDS)}. "
                f"Received: background={self.background!r}"
            )
        number = isinstance(self.max_pixels, numbers.Real)
        if not number or not self.max_pixels >= 1:
            raise ValueError(
                "max_pixels must be at least 1. "
                f"Received: max_pixels={self.max_pixels!r}"
            )

    @property
    def backdrop(self) -> int | None:
        """The level behind transparent pixels; `None`: they are not seen through."""
        return BACKGROUNDS[self.background]

    def as_json(self) -> dict[str, Any]:
        """Return the fields as JSON has them, the range as text.

        Example:

        >>> Decoding((0, 4095)).as_json()["pixel_range"]
        '0:4095'
        """
        return {
            "pixel_range": range_as_text(self.pixel_range),
            "background": self.background,
            "max_pixels": self.max_pixels,
        }


def range_as_text(pixel_range: tuple[float, float] | None) -> str:
    """Return a range as a flag takes it.

    Example:

    >>> range_as_text((-1024.0, 0.5)), range_as_text(None)
    ('-1024:0.5', 'full')
    """
    if pixel_range is None:
        return FULL
    low, high = (int(one) if float(one).is_integer() else one for one in pixel_range)
    return f"{low}:{high}"


def check_range(value: Any) -> None:
    """Refuse what is neither `"auto"` nor a range.

    Raises:
        ValueError: saying what is.
    """
    if value != AUTO:
        _range_of(value)


def _range_of(value: Any) -> tuple[float, float] | None:
    """Two numbers, or `None`, that a user or a file states."""
    if value is None or value == FULL:
        return None
    try:
        parts = value.split(":") if isinstance(value, str) else value
        low, high = (float(part) for part in parts)
        if math.isfinite(low) and math.isfinite(high) and low < high:
            return low, high
    except (TypeError, ValueError):
        pass
    raise ValueError(
        f"pixel_range must be {RANGES}, the lower first. "
        f"Received: pixel_range={value!r}"
    )


# Of models saved before they carried it: transparency was dropped then.
OF_OLD_FILES = Decoding(background="ignore")
