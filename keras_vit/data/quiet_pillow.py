"""Pillow, which says nothing of its own accord."""

import functools
import logging
import warnings
from typing import Any


def quiet_pillow(max_pixels: int) -> Any:
    """Return `PIL.Image`, which has the limit on pixels, and all messages, from here.

    Args:
        max_pixels: of an image that is going to be read.
    """
    pillow = _quiet_pillow()
    if pillow.MAX_IMAGE_PIXELS is not None and max_pixels > pillow.MAX_IMAGE_PIXELS:
        pillow.MAX_IMAGE_PIXELS = max_pixels  # what was asked for
    return pillow


@functools.cache
def _quiet_pillow():
    from PIL import Image

    # What has no handler would be printed.
    logging.getLogger("PIL").addHandler(logging.NullHandler())
    warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)
    return Image
