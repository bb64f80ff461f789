"""An image -> its facts; an image -> a small picture of it."""

import hashlib
import io
import math
import os
from typing import NamedTuple

import numpy as np

from keras_vit.data import images, samples
from keras_vit.data.images import UnreadableImageError, read_bytes
from keras_vit.data.labelled import Labelled
from keras_vit.data.quiet_pillow import quiet_pillow
from keras_vit.decoding import Decoding

DIGEST_BYTES = 16
_UPRIGHT = (None, 1)  # values of Exif's orientation, which is tag 0x0112


class Facts(NamedTuple):
    """What is known of an image besides what it shows.

    Attributes:
        digest: `DIGEST_BYTES` that tell its content from any other: that of
            the file's bytes, or of the pixels where there is no file.
        width: in pixels as stored, before any turning; 0 if not known.
        height: in pixels as stored.
        format: Pillow's name, such as `"JPEG"`; `""` where there is no file.
        mode: Pillow's name, such as `"RGB"`, `"L"` for grey, `"CMYK"`.
        turned: whether a camera noted that it has to be turned or mirrored.
        too_large: whether it has more than `max_pixels` of its decoding.
        low: the least of its samples, if they have more than 8 bits; else NaN.
        high: the largest of them.
        clear: whether it looks different on white than with what is transparent
            in it dropped.
        pages: of a TIFF file, of which the first alone is read.
        fourth: whether a fourth band of a TIFF file is not read.
        error: why it cannot be read; `""` for an image that can.
    """

    digest: bytes = bytes(DIGEST_BYTES)
    width: int = 0
    height: int = 0
    format: str = ""
    mode: str = ""
    turned: bool = False
    too_large: bool = False
    low: float = math.nan
    high: float = math.nan
    clear: bool = False
    pages: int = 1
    fourth: bool = False
    error: str = ""


def facts_of(split: Labelled, index: int) -> Facts:
    """Return the facts of an image of a split, or an error if it cannot be read."""
    if split.paths is not None:
        return facts_of_file(split.name(index), split.decoding)
    try:
        return facts_of_pixels(split.image(index))
    except Exception as error:  # whatever is behind the split may raise
        return Facts(error=_reason(error))


def facts_of_file(
    path: str | bytes | os.PathLike[str], decoding: Decoding = images.PLAIN
) -> Facts:
    """Return the facts of an image file, which is read and decoded once.

    Args:
        path: of the file.
        decoding: a `keras_vit.decoding.Decoding`.

    Example:

    >>> import PIL.Image
    >>> PIL.Image.new("L", (20, 10)).save("grey.png")
    >>> facts_of_file("grey.png")[1:5]
    (20, 10, 'PNG', 'L')
    """
    pillow, facts, data = quiet_pillow(decoding.max_pixels), Facts(), b""
    try:
        data = read_bytes(path)
        facts = Facts(_new_digest(data).digest())
        with pillow.open(io.BytesIO(data)) as image:
            facts = Facts(
                facts.digest, image.width, image.height, image.format, image.mode
            )
            if facts.width * facts.height > decoding.max_pixels:
                size = f"{facts.width} x {facts.height} pixels"
                error = _beyond_limit(size, decoding)
                return facts._replace(too_large=True, error=error)
            images.check_kind(image)
            return _of_content(facts, image, data, decoding)
    except UnreadableImageError as error:
        return facts._replace(error=_reason(error).removeprefix(f"{path}: "))
    except pillow.UnidentifiedImageError:
        reason = samples.reason_of_tiff(data)
        reason = reason or "no image that Pillow knows, or a damaged header"
        return facts._replace(error=reason)
    except pillow.DecompressionBombError as error:
        error = _beyond_limit(str(error), decoding)
        return facts._replace(too_large=True, error=error)
    except Exception as error:  # damage leads Pillow's decoders to anything
        return facts._replace(error=_reason(error))


def _of_content(facts, image, data, decoding):
    """Those facts that take decoding it."""
    bands = image.tag_v2.get(samples.BANDS, 1) if image.format == "TIFF" else 1
    facts = facts._replace(
        pages=getattr(image, "n_frames", 1) if image.format == "TIFF" else 1,
        fourth=bands == 4 and image.mode != "CMYK",
    )
    deep = samples.deep_samples(image, data)
    facts = facts._replace(turned=_is_turned(image))
    if deep is not None:
        low, high = float(deep.values.min()), float(deep.values.max())
        facts = facts._replace(low=low, high=high)
        levels, alpha = samples.levels_of(deep, decoding.pixel_range), deep.alpha
        if alpha is None:
            return facts
        levels = levels[..., np.newaxis] if levels.ndim == 2 else levels
        alpha = (alpha // 257).astype(np.uint8)
    elif images.seen_through(image):
        levels, alpha = images.of_8_bits(image, images.PLAIN)
    else:
        # A JPEG at an eighth of its size: all its bytes are decoded, and
        # most of the arithmetic that follows is saved.
        image.draft(None, (1, 1))
        image.load()
        return facts
    assert alpha is not None  # of an image that says what is transparent
    seen = samples.laid_on(levels, alpha, 255)
    return facts._replace(clear=bool((seen != levels).any()))


def facts_of_pixels(image: np.ndarray) -> Facts:
    """Return the facts of pixels `(H, W, 3)`."""
    height, width, _ = image.shape
    digest = _new_digest(f"{image.shape} {image.dtype}".encode())
    digest.update(np.ascontiguousarray(image).data)
    grey = (image == image[..., :1]).all()
    mode = "grey as RGB" if grey else "RGB"
    return Facts(digest.digest(), width, height, mode=mode)


def thumbnail(split: Labelled, index: int, side: int) -> np.ndarray:
    """Return a small picture of an image of a split, uint8 `(h, w, 3)`.

    At most `side` pixels high and wide, in the image's own proportions. Larger
    images are made smaller; smaller ones a whole number of times larger, so
    that their pixels can be seen.
    """
    from PIL import Image

    image = Image.fromarray(np.clip(split.image(index), 0, 255).astype(np.uint8))
    if max(image.size) > side:
        image.thumbnail((side, side))
    else:
        times = side // max(image.size)
        size = (times * image.width, times * image.height)
        image = image.resize(size, Image.Resampling.NEAREST)
    return np.asarray(image)


def _new_digest(data=b""):
    return hashlib.blake2b(data, digest_size=DIGEST_BYTES)


def _beyond_limit(size, decoding):
    return f"{size}, more than the limit of {decoding.max_pixels:,} (--max_pixels)"


def _reason(error):
    """What an error says, in one line and without the path, which stands beside it."""
    text = getattr(error, "strerror", None) or str(error)
    return " ".join(text.split()) or type(error).__name__


def _is_turned(image):
    try:
        return image.getexif().get(0x0112) not in _UPRIGHT
    except Exception:  # of damaged Exif data, which hide no pixel
        return False
