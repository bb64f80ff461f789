"""Which images are held out to evaluate on: by a name, or by a stable hash."""

import contextlib
import hashlib
import math
import os
import unicodedata
from collections.abc import Mapping
from fractions import Fraction
from typing import TypeVar

import numpy as np

T = TypeVar("T")

TEST_FRACTION = 0.2
# Of each class at least and at most so many times the fraction are held out.
_LEAST, _MOST = Fraction(3, 4), Fraction(5, 4)

SPLIT_WORDS = {
    "train": "train",
    "training": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "dev": "validation",
    "test": "test",
    "testing": "test",
}


def with_test_split(
    parts: Mapping[str, T],
    where: str | os.PathLike[str],
    advice: str = "Expected train, and test or validation.",
) -> dict[str, T]:
    """Return splits under the names that `Dataset` has for them.

    Beside training, the only other split is tested on, whatever it is called.

    Args:
        parts: a dict from some of train, validation and test.
        where: what is read, for the message.
        advice: what to do where one is missing.

    Raises:
        ValueError: without train, or with nothing else.
    """
    parts = dict(parts)
    if "validation" in parts and "test" not in parts:
        parts["test"] = parts.pop("validation")
    missing = [name for name in ("train", "test") if name not in parts]
    if missing:
        raise ValueError(
            f"{where} has no {missing[0]} split. {advice} "
            f"Received: {', '.join(parts)} alone"
        )
    return parts


def held_out(
    hashes: np.ndarray,
    labels: np.ndarray,
    *,
    fraction: float = TEST_FRACTION,
    every_class: bool = True,
) -> np.ndarray:
    """Choose the images to be held out: about that fraction of every class.

    An image is held out if its hash lies in the lowest fraction, a fifth by
    default, so adding and removing others changes nothing for it. That alone
    would leave some small class without such an image, or with hardly another
    one. So where less than 3/4 or more than 5/4 of the fraction of a class were
    chosen, the images whose hashes are nearest to the bound change sides. Of a
    fifth, that happens in classes of fewer than about 500 images, where one image
    in some that come or go may move another, and hardly ever in larger ones.
    Of two images of a class one is held out, unless `every_class` is false; one
    alone is trained on.

    Images of equal hash, such as those of one group, are on one side: then all
    of this counts groups.

    Args:
        hashes: of `path_hash` or `content_hash`, `(N,)` uint64.
        labels: the class of each, `(N,)`, or which classes each shows,
            `(N, K)`. Where images show several, the rarest classes have the
            last word; but every class keeps an image to be trained on.
        fraction: of the images of each class, in (0, 1).
        every_class: whether at least one image is held out of every class that
            has two, however small the fraction.

    Returns:
        Which images are held out, `(N,)` bool.

    Example:

    >>> hashes = np.array([9, 5, 7, 4, 1, 8], np.uint64) << np.uint64(60)
    >>> held_out(hashes, np.array([0, 0, 0, 0, 0, 1]))
    array([False, False, False, False,  True, False])
    """
    units, unit = np.unique(hashes, return_inverse=True)  # in the order of hashes
    unit = unit.reshape(-1)
    chosen = units < np.uint64(int(fraction * 2**64))
    rows, classes = np.nonzero(labels) if labels.ndim == 2 else (slice(None), labels)
    pairs = np.unique(np.asarray(classes, np.int64) * len(units) + unit[rows])
    classes, members = np.divmod(pairs, max(len(units), 1))
    of_classes = np.split(members, np.flatnonzero(np.diff(classes)) + 1)
    share = Fraction(fraction).limit_denominator(10**6)
    for members in sorted(of_classes, key=len, reverse=True):
        _balance(chosen, members, share, int(every_class))
    for members in of_classes:
        if len(members) and chosen[members].all():  # moved for another class's sake
            chosen[members[-1]] = False
    return chosen[unit]


def _balance(chosen, members, share, at_least):
    """Move as few units of a class, in the order of hashes, as its share needs."""
    count = len(members)
    least = min(max(math.floor(count * share * _LEAST), at_least), count - 1)
    most = min(max(math.ceil(count * share * _MOST), least), max(count - 1, 0))
    among = chosen[members]
    now = int(among.sum())
    if now < least:
        chosen[members[~among][: least - now]] = True
    elif now > most:
        chosen[members[among][most:]] = False


def path_hash(path: str | bytes | os.PathLike[str]) -> int:
    """Return the hash that decides on an image: BLAKE2b of its path, below 2^64.

    Follows from the path alone, so it is the same on every machine.

    Args:
        path: relative to the data set's folder, text or bytes, with either
            kind of slash. Accents count as composed (NFC).
    """
    key = os.fsencode(path).replace(b"\\", b"/")
    if not key.isascii():
        # Bytes that are not UTF-8 count as they are.
        with contextlib.suppress(UnicodeDecodeError):
            key = unicodedata.normalize("NFC", key.decode()).encode()
    return content_hash(key)


def content_hash(content: bytes) -> int:
    """Return BLAKE2b of some bytes, as a number below 2^64."""
    return int.from_bytes(hashlib.blake2b(content, digest_size=8).digest(), "big")
