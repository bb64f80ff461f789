"""Which images of a class are tested on, from the definition, in plain Python."""

import hashlib
import math


def hash_of(path):
    """In [0, 1)."""
    return int(hashlib.blake2b(path.encode(), digest_size=8).hexdigest(), 16) / 2**64


def chosen_of_class(paths):
    """Those in the lowest fifth of hashes, but from 15 to 25 % of the class."""
    paths = sorted(paths, key=hash_of)
    if len(paths) == 1:
        return set()
    least = max(1, math.floor(0.15 * len(paths) + 1e-9))
    most = max(least, math.ceil(0.25 * len(paths)))
    chosen = sum(hash_of(path) < 0.2 for path in paths)
    return {*paths[: min(max(chosen, least), most)]}
