"""An image file -> the bytes that are kept of it in a record.

They are of an upright JPEG or PNG file of 8 bits without transparency, which every
reader of TensorFlow Datasets decodes. A file that is one already is kept as it is;
any other becomes a PNG of the pixels that training would read from it. One whose
short side is to be reduced is encoded anew: a JPEG as JPEG, others as PNG.
"""

from __future__ import annotations

import io

from PIL import Image

from keras_vit.data.images import decode_image
from keras_vit.data.quiet_pillow import quiet_pillow
from keras_vit.decoding import Decoding

QUALITY = 95  # of a JPEG that is made smaller
_END_OF_JPEG = b"\xff\xd9"
_ORIENTATION = 0x0112


def stored(
    data: bytes,
    name: str,
    *,
    short_side: int | None = None,
    exif_orientation: bool = True,
    decoding: Decoding | None = None,
) -> bytes:
    """Return the bytes that a record keeps of an image file.

    Args:
        data: the file's bytes, of an image that `facts_of_file` finds readable.
        name: what errors call the image.
        short_side: pixels to which a longer short side is reduced, by Lanczos'
            filter; `None`: images keep their size.
        exif_orientation: whether the camera's note on the orientation counts.
        decoding: how samples become pixels.

    Raises:
        UnreadableImageError: as `keras_vit.data.images.decode_image`.

    Example:

    >>> file = io.BytesIO()
    >>> Image.new("RGB", (60, 40)).save(file, "PNG")
    >>> kept = stored(file.getvalue(), "a.png")
    >>> small = stored(file.getvalue(), "a.png", short_side=20)
    >>> kept == file.getvalue(), Image.open(io.BytesIO(small)).size
    (True, (30, 20))
    """
    decoding = decoding or Decoding()
    if short_side is None and _is_plain(data, exif_orientation, decoding):
        return data
    pixels = decode_image(data, name, exif_orientation, decoding)
    longer = short_side is not None and min(pixels.shape[:2]) > short_side
    if not longer and _is_plain(data, exif_orientation, decoding):
        return data
    image = Image.fromarray(pixels)
    kind: dict = {"format": "PNG"}
    if longer and short_side is not None:
        ratio = short_side / min(image.size)
        size = [max(short_side, round(side * ratio)) for side in image.size]
        image = image.resize((size[0], size[1]), Image.Resampling.LANCZOS)
        if data[:2] == b"\xff\xd8":
            kind = {"format": "JPEG", "quality": QUALITY, "subsampling": 0}
    file = io.BytesIO()
    image.save(file, **kind)
    return file.getvalue()


def _is_plain(data: bytes, exif_orientation: bool, decoding: Decoding) -> bool:
    """Whether TensorFlow's own operations read a file to the same pixels.

    Where Pillow cannot even open it, the error comes from decoding it.
    """
    try:
        return _is_plain_image(data, exif_orientation, decoding)
    except Exception:  # Pillow's are of many kinds
        return False


def _is_plain_image(data: bytes, exif_orientation: bool, decoding: Decoding) -> bool:
    with quiet_pillow(decoding.max_pixels).open(io.BytesIO(data)) as image:
        if exif_orientation and image.getexif().get(_ORIENTATION, 1) != 1:
            return False
        if image.format == "JPEG":
            return image.mode in ("RGB", "L") and data.endswith(_END_OF_JPEG)
        of_8_bits = image.format == "PNG" and data[24:25] == b"\x08"
        still = getattr(image, "n_frames", 1) == 1
        return bool(
            of_8_bits
            and still
            and image.mode in ("RGB", "L")
            and not image.has_transparency_data
        )
