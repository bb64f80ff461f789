"""Which images are held out for testing: by a name, or by a stable hash."""

import contextlib
import hashlib
import os
import unicodedata
from collections.abc import Mapping
from typing import TypeVar

import numpy as np

T = TypeVar("T")

TEST_FRACTION = 0.2
_BELOW = int(TEST_FRACTION * 2**64)
# Of each class at least and at most so many twentieths are tested on.
_LEAST, _MOST, _OF = 3, 5, 20

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


def held_out(hashes: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Choose the images to be tested on: about a fifth of every class.

    An image is tested on if its hash lies in the lowest fifth, so adding and
    removing others changes nothing for it. That alone would leave some small
    class without a test image, or with hardly another one. So where less than
    3 or more than 5 twentieths of a class were chosen, the images whose hashes
    are nearest to the bound change sides. That happens in classes of fewer
    than about 500 images, where one image in some that come or go may move
    another, and hardly ever in larger ones. Of two images of a class one is
    tested on; one alone is trained on.

    Images of equal hash, such as those of one group, are on one side: then all
    of this counts groups.

    Args:
        hashes: of `path_hash` or `content_hash`, `(N,)` uint64.
        labels: the class of each, `(N,)`, or which classes each shows,
            `(N, K)`. Where images show several, the rarest classes have the
            last word.

    Returns:
        Which images are tested on, `(N,)` bool.

    Example:

    >>> hashes = np.array([9, 5, 7, 4, 1, 8], np.uint64) << np.uint64(60)
    >>> held_out(hashes, np.array([0, 0, 0, 0, 0, 1]))
    array([False, False, False, False,  True, False])
    """
    units, unit = np.unique(hashes, return_inverse=True)  # in the order of hashes
    unit = unit.reshape(-1)
    tested = units < np.uint64(_BELOW)
    rows, classes = np.nonzero(labels) if labels.ndim == 2 else (slice(None), labels)
    pairs = np.unique(np.asarray(classes, np.int64) * len(units) + unit[rows])
    classes, members = np.divmod(pairs, max(len(units), 1))
    of_classes = np.split(members, np.flatnonzero(np.diff(classes)) + 1)
    for members in sorted(of_classes, key=len, reverse=True):
        _balance(tested, members)
    return tested[unit]


def _balance(tested, members):
    """Move as few units of a class, in the order of hashes, as its share needs."""
    count = len(members)
    least = min(max(count * _LEAST // _OF, 1), count - 1)
    most = min(max(-(-count * _MOST // _OF), least), max(count - 1, 0))
    chosen = tested[members]
    now = int(chosen.sum())
    if now < least:
        tested[members[~chosen][: least - now]] = True
    elif now > most:
        tested[members[chosen][most:]] = False


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
