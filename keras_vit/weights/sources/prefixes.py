"""Names that all lie under the name of what a network was a part of.

A training script that wraps a network saves its arrays under the wrapper's
name: `module.` (data parallel), `_orig_mod.` (torch.compile), `model.`
(Lightning), `backbone.`, `student.` and `teacher.` (self-supervision).
"""

from collections.abc import Callable

from keras_vit.weights.sources.source import Arrays

PREFIXES = (  # where there are several, the first is meant: a teacher is evaluated
    "teacher",
    "model",
    "module",
    "_orig_mod",
    "backbone",
    "net",
    "encoder",
    "student",
)
DEEPEST = 4  # wrappers around each other


def without_prefix(
    stored: Arrays, recognised: Callable[[Arrays], object]
) -> tuple[Arrays, str]:
    """Take off the prefix under which names are somebody's.

    Args:
        stored: arrays by name.
        recognised: names -> whether they are somebody's.

    Returns:
        The arrays by their names without it, and the prefix, `""` if there is
        none. Arrays beside it lose what they share of it; those of the other
        one of a student and a teacher are left out.
    """
    if recognised(stored):
        return stored, ""
    level = [""]
    for _ in range(DEEPEST):
        level = [
            f"{outer}{inner}."
            for outer in level
            for inner in PREFIXES
            if any(name.startswith(f"{outer}{inner}.") for name in stored)
        ]
        for prefix in level:
            inside = {
                name.removeprefix(prefix): array
                for name, array in stored.items()
                if name.startswith(prefix)
            }
            if recognised(inside):
                return _with_others(inside, stored, prefix), prefix
    return stored, ""


def _with_others(inside, stored, prefix):
    """Add the arrays that do not lie under the prefix."""
    found, parts = dict(inside), prefix.rstrip(".").split(".")
    others = {"student", "teacher"} - set(parts)
    for name, array in stored.items():
        if name.startswith(prefix):
            continue
        if {"student", "teacher"} & set(parts) and name.split(".")[0] in others:
            continue
        short = name
        for part in parts:
            if not short.startswith(f"{part}."):
                break
            short = short.removeprefix(f"{part}.")
        found[name if short in found else short] = array
    return found
