"""Image files -> RGB pixels."""

import io
import os
import pathlib
import stat

import numpy as np

SUFFIXES = (
    *(".jpg", ".jpeg", ".jfif", ".png", ".bmp", ".webp"),
    *(".gif", ".tif", ".tiff"),
)
MOST_PIXELS = 62_000_000  # 186 MB once decoded, up to 1 GB on the way
MOST_BYTES = 100_000_000
_UNKNOWN_WHITE = "what is black and what white in pixels of 32 bits is not known"
# Formats and modes of Pillow's that are refused, with the reason.
NOT_READ = {
    "EPS": "EPS is a program, which is not run",
    "I": _UNKNOWN_WHITE,  # which convert() would clip
    "F": _UNKNOWN_WHITE,
}


class UnreadableImageError(ValueError):
    """A file that cannot be read as an image; the message says which and why."""


def find_images(paths):
    """Gives image files for a mixture of files and folders.

    Files are taken as they are named, so that a wrong one is reported when it
    is read. A folder gives the files in it, and below it, that have an
    image's suffix, by name.

    Raises:
        FileNotFoundError: naming all the paths that do not exist.
        ValueError: for a folder without images.
    """
    paths = [pathlib.Path(path) for path in paths]
    missing = [str(path) for path in paths if not path.exists()]
    if missing:
        raise FileNotFoundError(f"No such file or folder: {', '.join(missing)}")
    found = []
    for path in paths:
        if not path.is_dir():
            found.append(path)
            continue
        inside = sorted(
            p for p in path.rglob("*") if p.is_file() and p.suffix.lower() in SUFFIXES
        )
        if not inside:
            raise ValueError(
                f"No images in {path}. Expected files ending in {', '.join(SUFFIXES)}"
            )
        found += inside
    return found


def read_image(path, exif_orientation=True):
    """Reads an image file as people see it.

    Any colour mode becomes RGB: grey and palette are expanded, CMYK is
    converted, transparency is dropped as other ViT pipelines drop it, 16 bits
    become 8. The orientation that a camera noted is applied. Of an animation
    the first frame counts.

    Args:
        path: of a JPEG, PNG, BMP or WebP file, or whatever else Pillow reads.
        exif_orientation: whether the camera's note on the orientation counts.

    Returns:
        uint8 pixels of shape `(H, W, 3)`.

    Raises:
        UnreadableImageError: if the file is missing, is no image, is damaged,
            has more than `MOST_BYTES`, or would decode to more than
            `MOST_PIXELS`, which its header tells.

    Example:

    >>> read_image("shoe.png").shape  # doctest: +SKIP
    (28, 28, 3)
    """
    return decode_image(read_bytes(path), os.fsdecode(path), exif_orientation)


def read_bytes(path):
    """Reads a file, if it is one of at most `MOST_BYTES`.

    Raises:
        UnreadableImageError: if not.
    """
    name = os.fsdecode(path)
    try:
        status = os.stat(path)
        if not stat.S_ISREG(status.st_mode):  # a pipe would never end
            raise UnreadableImageError(f"{name}: not a file")
        if status.st_size > MOST_BYTES:
            raise UnreadableImageError(
                f"{name}: {status.st_size:,} bytes are more than the limit "
                f"of {MOST_BYTES:,}"
            )
        with open(path, "rb") as file:
            return file.read()
    except OSError as error:
        raise UnreadableImageError(f"{name}: {error.strerror}") from error


def decode_image(data, name, exif_orientation=True):
    """Decodes what an image file contains, as `read_image` does.

    Args:
        data: bytes.
        name: what errors call the image.
        exif_orientation: whether the camera's note on the orientation counts.

    Returns:
        uint8 pixels of shape `(H, W, 3)`.

    Raises:
        UnreadableImageError: as `read_image`.

    Example:

    >>> from PIL import Image
    >>> file = io.BytesIO()
    >>> Image.new("CMYK", (6, 4)).save(file, "JPEG")
    >>> decode_image(file.getvalue(), "print.jpg").shape
    (4, 6, 3)
    """
    from PIL import Image, UnidentifiedImageError

    try:
        # Not held here, so that `_pixels` can let go of it.
        return _pixels(Image.open(io.BytesIO(data)), name, exif_orientation)
    except UnreadableImageError:
        raise
    except UnidentifiedImageError:  # whose text names a place in memory
        message = f"{name}: not a readable image (of no known format)"
        raise UnreadableImageError(message) from None
    # Pillow's decoders raise whatever a damaged file leads them to: OSError,
    # SyntaxError, struct.error, DecompressionBombError and more.
    except Exception as error:
        raise UnreadableImageError(f"{name}: not a readable image ({error})") from error


def _pixels(image, name, exif_orientation):
    width, height = image.size
    if width * height > MOST_PIXELS:
        raise UnreadableImageError(
            f"{name}: {width} x {height} pixels are more than the limit "
            f"of {MOST_PIXELS:,}"
        )
    if image.format in NOT_READ or image.mode in NOT_READ:
        reason = NOT_READ.get(image.format) or NOT_READ[image.mode]
        raise UnreadableImageError(f"{name}: {reason}")
    image.load()
    orientation = _orientation(image) if exif_orientation else 1
    if image.mode.startswith("I;16"):  # which convert() would clip
        grey = (np.asarray(image) // 257).astype(np.uint8)
        pixels = np.repeat(grey[..., np.newaxis], 3, axis=-1)
    else:
        image.info.pop("transparency", None)
        image = image if image.mode == "RGB" else image.convert("RGB")
        pixels = np.asarray(image)
    mirrored, turns = _UPRIGHT.get(orientation, (False, 0))
    pixels = np.rot90(np.fliplr(pixels) if mirrored else pixels, turns)
    return np.ascontiguousarray(pixels)


# How an image comes to stand upright, by its orientation in Exif: whether it is
# mirrored left to right, and how many quarters it is turned to the left then.
_UPRIGHT = {
    2: (True, 0),
    3: (False, 2),
    4: (True, 2),
    5: (True, 1),
    6: (False, 3),
    7: (True, 3),
    8: (False, 1),
}


def _orientation(image):
    from PIL import ExifTags

    try:
        return image.getexif().get(ExifTags.Base.Orientation, 1)
    except Exception:  # the notes are damaged; the pixels are not
        return 1
