"""What the numbers of an array of images stand for; pixels of them."""

import numpy as np
import numpy.typing as npt

from keras_vit.data.samples import Samples, levels_of

_OVERSHOOT = 32  # by which filters go beyond 0 and 255
_SMALL = 16  # what normalised pixels stay below
_LOOKED_AT = 64  # images that show that uint8 is no mask
_AT_A_TIME = 256
_TOPS = (1023, 4095, 16383, 65535)  # of 10, 12, 14 and 16 bits
_SAY = "or give pixel_range={}, which maps them so"


def check_pixels(images: np.ndarray) -> None:
    """Refuse numbers that are not pixels in [0, 255], and say what to do.

    Args:
        images: an array of any dtype, `(N, H, W, 3)`.

    Raises:
        ValueError: naming what they seem to be.
    """
    if not images.size or (images.dtype == np.uint8 and _more_than_two(images)):
        return
    if images.dtype.kind not in "biuf":
        raise ValueError(_message("numbers", f"{images.dtype}"))
    low, high = images.min(), images.max()
    if not (np.isfinite(low) and np.isfinite(high)):
        raise ValueError(
            _message("finite numbers", "some that are not (NaN or infinite)")
        )
    low, high = float(low), float(high)
    advice = _advice(images, low, high)
    if advice is not None:
        raise ValueError(
            f"Pixels must lie in [0, 255], uint8 or float32. Received: {images.dtype} "
            f"from {low:g} to {high:g}; {advice}"
        )


def pixels_in_range(
    images: npt.ArrayLike, pixel_range: tuple[float, float]
) -> np.ndarray:
    """Return numbers as pixels, linearly from a range to [0, 255].

    Args:
        images: an array of any numbers.
        pixel_range: those that become 0 and 255, `(low, high)`.

    Returns:
        uint8, of the same shape.

    Raises:
        ValueError: if some are no numbers.

    Example:

    >>> pixels_in_range(np.array([-1.0, 0.0, 1.0]), (-1, 1))
    array([  0, 128, 255], dtype=uint8)
    """
    images = np.asarray(images)
    result = np.empty(images.shape, np.uint8)
    for start in range(0, len(images), _AT_A_TIME):
        part = slice(start, start + _AT_A_TIME)
        result[part] = levels_of(Samples(images[part]), pixel_range)
    return result


def _more_than_two(images):
    return images[:_LOOKED_AT].max() > 1 or images.max() > 1


def _message(expected, received):
    return (
        f"Images must be {expected}, RGB pixels in [0, 255] of uint8 or float32. "
        f"Received: {received}"
    )


def _advice(images, low, high):
    """What is to be done with numbers from `low` to `high`; `None`: nothing."""
    whole = images.dtype.kind in "biu"
    if low >= 0 and 0 < high <= 1:
        what = "a mask of zeros and ones" if _two(images) else "pixels in [0, 1]"
        return f"{what}: multiply them by 255, {_SAY.format('(0, 1)')}"
    if -1 <= low < 0 and high <= 1:
        half = (-0.5, 0.5) if low >= -0.5 and high <= 0.5 else (-1, 1)
        return (
            f"pixels in [{half[0]:g}, {half[1]:g}]: add {half[1]:g} and multiply by "
            f"{255 / (half[1] - half[0]):g}, {_SAY.format(half)}"
        )
    if low < 0 and high <= _SMALL and low >= -_SMALL and not whole:
        return (
            "normalised pixels: multiply them by the deviations and add the means "
            "that were used, and then multiply by 255 if those were for [0, 1]. The "
            "model normalises pixels itself"
        )
    if low >= -_OVERSHOOT and high <= 255 + _OVERSHOOT and not whole:
        return None if images.dtype == np.float32 else 'cast them: .astype("float32")'
    if low >= 0 and high <= 255:
        return None if images.dtype == np.uint8 else 'cast them: .astype("uint8")'
    if low >= 0:
        top = next((top for top in _TOPS if high <= top), high)
        bits = f"pixels of {top.bit_length()} bits" if top in _TOPS else "no pixels"
        return f"{bits}: multiply them by 255 / {top:g}, {_SAY.format((0, top))}"
    if low >= -255 and high <= 255:
        return (
            "differences of pixels: add 255 and divide by 2, "
            f"{_SAY.format((-255, 255))}"
        )
    return (
        "signed numbers, as of CT: choose which are black and white, such as "
        f"pixel_range=(-1000, 3000), or all of them: pixel_range=({low:g}, {high:g})"
    )


def _two(images):
    return images.dtype == bool or bool(((images == 0) | (images == 1)).all())
