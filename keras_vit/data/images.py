"""Image files -> RGB pixels."""

import pathlib
import warnings

import numpy as np

SUFFIXES = (
    *(".jpg", ".jpeg", ".jfif", ".png", ".bmp", ".webp"),
    *(".gif", ".tif", ".tiff"),
)
MOST_PIXELS = 100_000_000  # 300 MB once decoded


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


def read_image(path):
    """Reads an image file as people see it.

    Any colour mode becomes RGB: grey and palette are expanded, CMYK is
    converted, transparency is dropped as other ViT pipelines drop it, 16 bits
    become 8. The orientation that a camera noted is applied. Of an animation
    the first frame counts.

    Args:
        path: of a JPEG, PNG, BMP or WebP file, or whatever else Pillow reads.

    Returns:
        uint8 pixels of shape `(H, W, 3)`.

    Raises:
        UnreadableImageError: if the file is no image, is damaged, or would decode
            to more than `MOST_PIXELS`, which its header tells.
    """
    from PIL import Image, ImageOps

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's lower limit: ours counts
            image = Image.open(path)
        with image:
            width, height = image.size
            if width * height > MOST_PIXELS:
                raise UnreadableImageError(
                    f"{path}: {width} x {height} pixels are more than the limit "
                    f"of {MOST_PIXELS:,}"
                )
            image = ImageOps.exif_transpose(image)
            if image.mode.startswith("I;16"):  # which convert() would clip
                image = Image.fromarray((np.asarray(image) // 257).astype(np.uint8))
            return np.asarray(image.convert("RGB"))
    except UnreadableImageError:
        raise
    # Pillow's decoders raise whatever a damaged file leads them to: OSError,
    # SyntaxError, struct.error, DecompressionBombError and more.
    except Exception as error:
        raise UnreadableImageError(f"{path}: not a readable image ({error})") from error
