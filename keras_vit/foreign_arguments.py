"""Keywords that a factory does not take -> one line that says which one to use."""

import difflib
from collections.abc import Iterable, Mapping
from typing import Any

from keras_vit.model_options import HybridOptions, ViTOptions
from keras_vit.renamed import with_new_names

RENAMED = {"pixel_deviation": "pixel_std"}


def known_options(
    function: str, options: Mapping[str, Any], table: type[Any]
) -> dict[str, Any]:
    """Return a factory's options by the names that its table has.

    Raises:
        TypeError: in one line, naming the function, the keyword and what to use.
    """
    options = with_new_names(dict(options), RENAMED, function, stacklevel=5)
    known = table.__annotations__.keys()
    for word in options:
        if word not in known:
            raise TypeError(
                f"{function}() has no argument {word!r}. {_advice(word, known, table)}"
            )
    return options


def _advice(word: str, known: Iterable[str], table: type[Any]) -> str:
    """What to use instead of a keyword."""
    of_vit = ViTOptions.__annotations__.keys()
    if table is not ViTOptions and word in of_vit:
        return f"Its name sets {word}. Use keras_vit.ViT, which takes every size."
    if table is HybridOptions and word == "patch_size":
        return "Its name sets patch_size. Use keras_vit.ViT, which takes every size."
    if word == "standardization":
        return "Only hybrids such as R50_ViT_B16 have a ResNet stem that has one."
    near = difflib.get_close_matches(word, ["num_classes", *known], 1)
    if near:
        return f"Did you mean {near[0]!r}?"
    return f"Expected num_classes or one of {', '.join(known)}."
