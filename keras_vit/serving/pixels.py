"""How much there is to decode in a request, measured before any of it is."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from keras_vit.decoding import MAX_PIXELS
from keras_vit.serving.limits import RefusedError

if TYPE_CHECKING:
    from keras_vit.serving.request import PredictRequest

# A PNG's header stands at one place. Pillow reads the others', and reads on in a PNG:
# texts could keep it from telling the size of one that the model decodes.
_PNG, _WIDTH, _HEIGHT = b"\x89PNG\r\n\x1a\n", slice(16, 20), slice(20, 24)
_BEGINNINGS = (_PNG, b"\xff\xd8\xff", b"RIFF", b"BM", b"GIF8")
_OTHERS = ("JPEG", "WEBP", "BMP", "GIF")


def is_image(body: bytes | bytearray) -> bool:
    """Return whether bytes begin as an image file does, which no JSON does.

    Example:

    >>> is_image(b"GIF89a..."), is_image(b'{"instances": []}')
    (True, False)
    """
    return body.startswith(_BEGINNINGS)


def check_pixels(request: PredictRequest, most: int, largest: int = MAX_PIXELS) -> None:
    """Refuse image files that are too large together.

    Args:
        request: the request.
        most: pixels that its files may have together.
        largest: pixels of one file, above which the model does not decode it.

    Raises:
        RefusedError: 413.
    """
    total = sum(
        pixels_of(file, largest)
        for column in request.inputs.values()
        if isinstance(column, list)
        for file in column
    )
    if total > most:
        raise RefusedError(
            413,
            f"Expected images of at most {most:,} pixels together. "
            f"Received: {total:,}. Ask about fewer at a time.",
        )


def pixels_of(file: bytes, largest: int = MAX_PIXELS) -> int:
    """Return the number of pixels of an image file, by its header.

    Args:
        file: its bytes.
        largest: pixels above which it is not decoded.

    Returns:
        0 for a file that is not decoded: no image, or one above `largest`.

    Example:

    >>> from PIL import Image
    >>> file = io.BytesIO()
    >>> Image.new("RGB", (6, 4)).save(file, "PNG")
    >>> pixels_of(file.getvalue()), pixels_of(b"no image")
    (24, 0)
    """
    if file.startswith(_PNG):
        width, height = (int.from_bytes(file[at]) for at in (_WIDTH, _HEIGHT))
    else:
        width, height = _sides_by_pillow(file)
    return width * height if width * height <= largest else 0


def _sides_by_pillow(file: bytes) -> tuple[int, int]:
    from PIL import Image

    try:
        with Image.open(io.BytesIO(file), formats=_OTHERS) as image:
            return image.size
    except Exception:  # of many kinds, for what is damaged: the model reports why
        return 0, 0
