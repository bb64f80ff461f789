"""Image files -> RGB pixels."""

import contextlib
import io
import os
import pathlib
import stat
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from keras_vit.data import samples
from keras_vit.data.quiet_pillow import quiet_pillow
from keras_vit.decoding import Decoding

if TYPE_CHECKING:
    from PIL.Image import Image


SUFFIXES = (
    ".jpg",
    ".jpeg",
    ".jfif",
    ".png",
    ".bmp",
    ".webp",
    ".gif",
    ".tif",
    ".tiff",
)
MOST_BYTES = 100_000_000
# Formats of Pillow's that are refused, with the reason.
NOT_READ = {"EPS": "EPS is a program, which is not run"}
PLAIN = Decoding()


class UnreadableImageError(ValueError):
    """A file that cannot be read as an image; the message says which and why."""


def find_images(paths: Iterable[str | os.PathLike[str]]) -> list[pathlib.Path]:
    """Return the image files that a mixture of files and folders holds.

    Files are taken as they are named, so that a wrong one is reported when it
    is read. A folder stands for the files in and below it that have an
    image's suffix, by name.

    Raises:
        FileNotFoundError: naming all the paths that do not exist.
        ValueError: for a folder without images.
    """
    paths = [pathlib.Path(path).expanduser() for path in paths]
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
                f"Expected files ending in {', '.join(SUFFIXES)}. Received: {path}, a "
                "folder without images. Pass a folder of images"
            )
        found += inside
    return found


def read_image(
    path: str | bytes | os.PathLike[str],
    exif_orientation: bool = True,
    decoding: Decoding = PLAIN,
) -> np.ndarray:
    """Read an image file as people see it.

    Any colour mode becomes RGB: grey and palette are expanded, CMYK is
    converted. More than 8 bits become 8, and a background is seen through what
    is transparent, as `decoding` says; of a TIFF file's four bands the first
    three are read. The orientation that a camera noted is applied. Of an
    animation, or of several pages, the first counts.

    Args:
        path: of a JPEG, PNG, BMP or WebP file, or whatever else Pillow reads.
        exif_orientation: whether the camera's note on the orientation counts.
        decoding: a `keras_vit.decoding.Decoding`.

    Returns:
        uint8 pixels of shape `(H, W, 3)`.

    Raises:
        UnreadableImageError: if the file is missing, is no image, is damaged,
            has more than `MOST_BYTES`, or would decode to more than
            `decoding.max_pixels`, which its header says; if what is black and
            white in its samples is not known.

    Example:

    >>> read_image("shoe.png").shape  # doctest: +SKIP
    (28, 28, 3)
    """
    return decode_image(read_bytes(path), os.fsdecode(path), exif_orientation, decoding)


def read_bytes(path: str | bytes | os.PathLike[str]) -> bytes:
    """Read a file, if it is one of at most `MOST_BYTES`.

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


def decode_image(
    data: bytes, name: str, exif_orientation: bool = True, decoding: Decoding = PLAIN
) -> np.ndarray:
    """Decode the contents of an image file, as `read_image` does.

    Args:
        data: bytes.
        name: what errors call the image.
        exif_orientation: whether the camera's note on the orientation counts.
        decoding: a `keras_vit.decoding.Decoding`.

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
    with _unreadable(name, decoding, data) as pillow:
        # Not held here, so that `_pixels` can let go of it.
        image = _pixels(pillow.open(io.BytesIO(data)), data, name, decoding)
        return _upright(*image, exif_orientation)


def pixels_of_pillow(
    image: "Image", name: str, exif_orientation: bool = True, decoding: Decoding = PLAIN
) -> np.ndarray:
    """Return the pixels of an image that Pillow has opened or made.

    They are those of `read_image` where its file was opened and not changed. The
    image stays as it is, but for its pixels, which may be loaded.

    Args:
        image: a `PIL.Image.Image` of any mode.
        name: what errors call the image.
        exif_orientation: whether the camera's note on the orientation counts.
        decoding: a `keras_vit.decoding.Decoding`.

    Returns:
        uint8 pixels of shape `(H, W, 3)`.

    Raises:
        UnreadableImageError: as `read_image`.

    Example:

    >>> from PIL import Image
    >>> pixels_of_pillow(Image.new("LA", (6, 4)), "logo")[0, 0].tolist()
    [255, 255, 255]
    """
    data = _unread_file(image)
    if data:
        return decode_image(data, name, exif_orientation, decoding)
    with _unreadable(name, decoding):
        return _upright(*_pixels(image, b"", name, decoding), exif_orientation)


def _unread_file(image):
    """The bytes of the file that an image is of, whose pixels are not loaded yet."""
    file = getattr(image, "fp", None)
    if file is None or not getattr(image, "tile", None) or image.tell() != 0:
        return b""
    try:
        place = file.tell()
        file.seek(0)
        data = file.read()
        file.seek(place)
    except (OSError, ValueError, AttributeError):  # closed, or no file that seeks
        return b""
    return data


@contextlib.contextmanager
def _unreadable(name, decoding, data=b""):
    """Whatever Pillow raises, as an `UnreadableImageError` of that name."""
    pillow = quiet_pillow(decoding.max_pixels)
    try:
        yield pillow
    except UnreadableImageError:
        raise
    except pillow.UnidentifiedImageError:  # whose text names a place in memory
        reason = (
            samples.reason_of_tiff(data) or "not a readable image (of no known format)"
        )
        raise UnreadableImageError(f"{name}: {reason}") from None
    except pillow.DecompressionBombError as error:
        raise UnreadableImageError(
            f"{name}: more pixels than the limit of {decoding.max_pixels:,}, which "
            f"--max_pixels sets ({error})"
        ) from error
    # Pillow's decoders raise whatever a damaged file leads them to: OSError,
    # SyntaxError, struct.error and more.
    except Exception as error:
        raise UnreadableImageError(f"{name}: not a readable image ({error})") from error


def check_size(width: int, height: int, decoding: Decoding) -> None:
    """Refuse an image of too many pixels.

    Raises:
        ValueError: saying how many there may be, and what allows more.
    """
    if width * height > decoding.max_pixels:
        raise ValueError(
            f"{width} x {height} pixels are more than the limit "
            f"of {decoding.max_pixels:,}: --max_pixels={width * height} reads it"
        )


def check_kind(image: Any) -> None:
    """Refuse a kind of image that Pillow opens and this package does not read.

    Raises:
        ValueError: saying why.
    """
    if image.format in NOT_READ:
        raise ValueError(NOT_READ[image.format])
    samples.check_bands(image)


def _pixels(image, data, name, decoding):
    """Pixels as they are stored, and the orientation that is noted."""
    with _named(name):
        width, height = image.size
        check_size(width, height, decoding)
        check_kind(image)
    with _named(name):  # before the notes, for which Pillow may load the pixels
        deep = samples.deep_samples(image, data)
    orientation = _orientation(image)
    if deep is None:
        pixels, alpha = of_8_bits(image, decoding)
    else:
        with _named(name):
            pixels = samples.levels_of(deep, decoding.pixel_range)
        if pixels.ndim == 2:
            pixels = np.repeat(pixels[..., np.newaxis], 3, axis=-1)
        alpha = deep.alpha
        if alpha is not None:
            alpha = samples.levels_of(samples.Samples(alpha, highest=65535))
    if alpha is not None and decoding.backdrop is not None:
        pixels = samples.laid_on(pixels, alpha, decoding.backdrop)
    return pixels, orientation


def of_8_bits(image: Any, decoding: Decoding) -> tuple[np.ndarray, np.ndarray | None]:
    """Return RGB `(H, W, 3)`, and alpha `(H, W)`, or `None` where none counts.

    Args:
        image: as Pillow opened it.
        decoding: a `keras_vit.decoding.Decoding`.
    """
    image.load()
    if seen_through(image) and decoding.backdrop is not None:
        rgba = np.asarray(image if image.mode == "RGBA" else image.convert("RGBA"))
        return rgba[..., :3], rgba[..., 3]
    if "transparency" in image.info:
        image = image.copy()  # another's image stays as it is
        image.info.pop("transparency")
    return np.asarray(image if image.mode == "RGB" else image.convert("RGB")), None


def seen_through(image: Any) -> bool:
    """Return whether an image, as Pillow has it, says what is transparent.

    The fourth band of a TIFF file does not: it may be whatever was measured.
    """
    return image.format != "TIFF" and image.has_transparency_data


@contextlib.contextmanager
def _named(name):
    """A refusal, as one of the file of that name."""
    try:
        yield
    except ValueError as error:
        raise UnreadableImageError(f"{name}: {error}") from error


def _upright(pixels, orientation, exif_orientation):
    orientation = orientation if exif_orientation else 1
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

    if image.format == "TIFF":
        return 1  # Pillow turns these itself as it loads them
    try:
        return image.getexif().get(ExifTags.Base.Orientation, 1)
    except Exception:  # the notes are damaged; the pixels are not
        return 1
