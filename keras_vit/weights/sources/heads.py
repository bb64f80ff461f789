"""The spellings of a classifier's name.

`model.head = nn.Linear(...)` or a `Sequential` with dropout in it, in place of
what the publisher's network has, renames the same two arrays.
"""

import re

from keras_vit.weights.sources.source import Arrays

ROOTS = ("head", "heads", "classifier", "fc")
# Of a Sequential's number, or of a module that holds the layer.
INSIDE = r"(?:\.(?:\d+|head|fc|classifier|linear))*"


def respell(stored: Arrays, canonical: str) -> tuple[Arrays, str | None]:
    """Rename the arrays of the one dense layer that is a classifier.

    Args:
        stored: arrays by name.
        canonical: the name of the layer in the source.

    Returns:
        The arrays, and the name that the layer had; `None` where it had the
        source's own, or where there is no such layer.
    """
    roots = ROOTS if canonical.split(".")[0] in ROOTS else (canonical,)
    under = [
        name
        for name in stored
        if name.split(".")[0] in roots and ".pre_logits." not in name
    ]
    if f"{canonical}.weight" in stored or not under:
        return stored, None
    spelled = re.fullmatch(
        rf"((?:{'|'.join(roots)}){INSIDE})\.(?:weight|bias)", under[0]
    )
    theirs = spelled and spelled[1]
    if not theirs or {*under} != {f"{theirs}.weight", f"{theirs}.bias"}:
        return stored, None
    weight, bias = stored[f"{theirs}.weight"], stored[f"{theirs}.bias"]
    if len(weight.shape) != 2 or bias.shape != weight.shape[:1]:
        return stored, None
    names = {f"{theirs}.{kind}": f"{canonical}.{kind}" for kind in ("weight", "bias")}
    return {names.get(name, name): array for name, array in stored.items()}, theirs
