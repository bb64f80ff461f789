"""An image -> its facts; an image -> a small picture of it."""

import hashlib
import io
from typing import NamedTuple

import numpy as np

from keras_vit.data.images import (
    MOST_PIXELS,
    NOT_READ,
    UnreadableImageError,
    read_bytes,
)
from keras_vit.data.splits import Files

DIGEST_BYTES = 16
_UPRIGHT = (None, 1)  # values of Exif's orientation, which is tag 0x0112


class Facts(NamedTuple):
    """What can be told of an image without looking at what it shows.

    Attributes:
        digest: `DIGEST_BYTES` that tell its content from any other: that of
            the file's bytes, or of the pixels where there is no file.
        width: in pixels as stored, before any turning; 0 if not known.
        height: likewise.
        format: Pillow's name, such as `"JPEG"`; `""` where there is no file.
        mode: Pillow's name, such as `"RGB"`, `"L"` for grey, `"CMYK"`.
        turned: whether a camera noted that it has to be turned or mirrored.
        too_large: whether it has more than `MOST_PIXELS`.
        error: why it cannot be read; `""` for an image that can.
    """

    digest: bytes = bytes(DIGEST_BYTES)
    width: int = 0
    height: int = 0
    format: str = ""
    mode: str = ""
    turned: bool = False
    too_large: bool = False
    error: str = ""


def facts_of(split, index):
    """The facts of an image of a split; what cannot be read has an error."""
    if isinstance(split, Files):
        return facts_of_file(split.name(index))
    try:
        return facts_of_pixels(split.image(index))
    except Exception as error:  # whatever is behind the split may raise
        return Facts(error=_reason(error))


def facts_of_file(path):
    """The facts of an image file, which is read and decoded once.

    Example:

    >>> import PIL.Image
    >>> PIL.Image.new("L", (20, 10)).save("grey.png")
    >>> facts_of_file("grey.png")[1:5]
    (20, 10, 'PNG', 'L')
    """
    from PIL import Image

    facts = Facts()
    try:
        data = read_bytes(path)
        facts = Facts(_new_digest(data).digest())
        with Image.open(io.BytesIO(data)) as image:
            facts = Facts(facts.digest, *image.size, image.format, image.mode)
            if facts.width * facts.height > MOST_PIXELS:
                size = f"{facts.width} x {facts.height} pixels"
                return facts._replace(too_large=True, error=_beyond_limit(size))
            if facts.mode in NOT_READ or facts.format in NOT_READ:
                return facts._replace(error=NOT_READ.get(facts.mode) or NOT_READ["EPS"])
            # A JPEG at an eighth of its size: all its bytes are decoded, and
            # most of the arithmetic that follows is saved.
            image.draft(None, (1, 1))
            image.load()
            return facts._replace(turned=_is_turned(image))
    except UnreadableImageError as error:
        return facts._replace(error=_reason(error).removeprefix(f"{path}: "))
    except Image.UnidentifiedImageError:
        return facts._replace(error="no image that Pillow knows, or a damaged header")
    except Image.DecompressionBombError as error:
        return facts._replace(too_large=True, error=_beyond_limit(str(error)))
    except Exception as error:  # damage leads Pillow's decoders to anything
        return facts._replace(error=_reason(error))


def facts_of_pixels(image):
    """The facts of pixels `(H, W, 3)`."""
    height, width, _ = image.shape
    digest = _new_digest(f"{image.shape} {image.dtype}".encode())
    digest.update(np.ascontiguousarray(image))
    grey = (image == image[..., :1]).all()
    mode = "grey as RGB" if grey else "RGB"
    return Facts(digest.digest(), width, height, mode=mode)


def thumbnail(split, index, side):
    """A small picture of an image of a split, uint8 `(h, w, 3)`.

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


def _beyond_limit(size):
    return f"{size}, more than the limit of {MOST_PIXELS:,}"


def _reason(error):
    """What an error says, in one line and without the path, which stands beside it."""
    text = getattr(error, "strerror", None) or str(error)
    return " ".join(text.split()) or type(error).__name__


def _is_turned(image):
    try:
        return image.getexif().get(0x0112) not in _UPRIGHT
    except Exception:  # of damaged Exif data, which hide no pixel
        return False
