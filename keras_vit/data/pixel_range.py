"""Which samples of a data set are black and white, found from a share of its files."""

import io
import math
from typing import Any

import numpy as np

from keras_vit.data import images, samples
from keras_vit.data.dataset import Dataset
from keras_vit.data.labelled import Labelled
from keras_vit.data.quiet_pillow import quiet_pillow
from keras_vit.decoding import AUTO, Decoding

# Formats that never have samples of more than 8 bits, by how their files begin.
_EIGHT_BITS = (b"\xff\xd8\xff", b"GIF8", b"RIFF", b"BM")
_PNG, _PNG_BITS = b"\x89PNG\r\n\x1a\n", 24
_LOOKED_AT, _READ = 1024, 64  # files: of which the head is, and the pixels are
_BITS = (8, 10, 12, 14)  # that sensors have, in files of 16
_MASK = 1  # the largest sample of a mask


def read_as(
    dataset: Dataset,
    *,
    pixel_range: str | tuple[float, float] | None = AUTO,
    background: str = "white",
    max_pixels: int | None = None,
) -> Dataset:
    """Return a data set whose files are read in one way.

    Args:
        dataset: a `Dataset`. Splits in memory, and records, stay as they are.
        pixel_range: as `Decoding` has it; `"auto"`: as `range_of_files` finds
            in the training split.
        background: as `Decoding` has it.
        max_pixels: as `Decoding` has it; `None`: its default.

    Raises:
        ValueError: for a value that `Decoding` refuses.
    """
    values: dict[str, Any] = {"background": background}
    if max_pixels is not None:
        values["max_pixels"] = max_pixels
    stated: Any = None if pixel_range == AUTO else pixel_range
    decoding = Decoding(stated, **values)
    if pixel_range == AUTO:
        decoding = Decoding(range_of_files(dataset.train, decoding), **values)
    return dataset.decoded(decoding)


def range_of_files(
    split: Labelled, decoding: Decoding = images.PLAIN
) -> tuple[float, float] | None:
    """Find the range that the samples of more than 8 bits use.

    Unsigned samples of 16 bits are taken to come from a sensor of 8, 10, 12 or 14
    bits where none is above what those can hold, a mask of zeros and ones to be
    one. Of signed samples, of 32 bits and of floats, the least and the largest
    count. It is the same for the same files: 64 of them are read, evenly spread.

    Args:
        split: of which `paths` counts.
        decoding: of which `max_pixels` counts.

    Returns:
        `(low, high)`; `None` for files of 8 bits, for such as use all that 16
        bits can hold, and where there are no files.

    Example:

    >>> import PIL.Image
    >>> from keras_vit.data import Files
    >>> PIL.Image.fromarray(np.full((4, 4), 3000, np.uint16)).save("12_bits.png")
    >>> range_of_files(Files(["12_bits.png"], np.array([0])))
    (0.0, 4095.0)
    """
    paths = () if split.paths is None else split.paths
    deep = [path for path in _spread(paths, _LOOKED_AT) if _may_be_deep(path)]
    low, high, bounded = math.inf, -math.inf, True
    for path in _spread(deep, _READ):
        found = _samples_of(path, decoding)
        if found is None or not found.values.size:
            continue
        least, most = np.nanmin(found.values), np.nanmax(found.values)
        if np.isfinite(least) and np.isfinite(most):
            low, high = min(low, float(least)), max(high, float(most))
            bounded &= found.highest is not None
    if not low < high and not (bounded and high > 0):
        return None
    if not bounded:
        return low, high
    tops = (_MASK, *(2**bits - 1 for bits in _BITS))
    top = next((top for top in tops if high <= top), None)
    return None if top is None else (0.0, float(top))


def _spread(values, count):
    """So many of a sequence, or all, evenly spread over it."""
    if len(values) <= count:
        return values
    return [values[i] for i in np.linspace(0, len(values) - 1, count).astype(int)]


def _may_be_deep(path):
    try:
        with open(path, "rb") as file:
            head = file.read(_PNG_BITS + 1)
    except OSError:
        return False
    if head.startswith(_PNG):
        return head[_PNG_BITS:] == b"\x10"
    return bool(head) and not head.startswith(_EIGHT_BITS)


def _samples_of(path, decoding):
    """`Samples` of a file; `None` where it has 8 bits, or cannot be read."""
    pillow = quiet_pillow(decoding.max_pixels)
    try:
        data = images.read_bytes(path)
        with pillow.open(io.BytesIO(data)) as image:
            width, height = image.size
            images.check_size(width, height, decoding)
            images.check_kind(image)
            return samples.deep_samples(image, data)
    except Exception:  # whatever is wrong with it is said by who reads it
        return None
