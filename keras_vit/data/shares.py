"""Who is for training and who for testing: by a name, or by a stable hash."""

import contextlib
import hashlib
import os
import unicodedata

TEST_SHARE = 0.2
_BELOW = int(TEST_SHARE * 2**64).to_bytes(8, "big")

SPLIT_WORDS = {
    "train": "train",
    "training": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "test": "test",
    "testing": "test",
}


def settled(parts, where, advice="Expected train, and test or validation."):
    """Gives splits under the names that `Dataset` has for them.

    Beside training, one other split is that to be tested on, whatever it is
    called.

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


def in_test_share(path):
    """Whether an image is among the fifth to be tested on.

    Follows from its path alone, by BLAKE2b, so it is the same on every
    machine, and adding or removing other images changes nothing for it.

    Args:
        path: relative to the data set's folder, text or bytes, with either
            kind of slash. Accents count as composed (NFC).

    Example:

    >>> [name for name in "abcdefgh" if in_test_share(f"cats/{name}.jpg")]
    ['h']
    """
    key = os.fsencode(path).replace(b"\\", b"/")
    if not key.isascii():
        # Bytes that are not UTF-8 count as they are.
        with contextlib.suppress(UnicodeDecodeError):
            key = unicodedata.normalize("NFC", key.decode()).encode()
    return bytes_in_test_share(key)


def bytes_in_test_share(content):
    """Whether the hash of some bytes lies in the lowest fifth."""
    return hashlib.blake2b(content, digest_size=8).digest() < _BELOW
