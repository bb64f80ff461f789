"""A misspelt name -> the names that were probably meant."""

import difflib
import re
from collections.abc import Iterable


def did_you_mean(name: str, choices: Iterable[str], count: int = 1) -> str:
    """Return a question to put behind a message, or nothing.

    Args:
        name: what was received.
        choices: what would have been accepted.
        count: the most names to suggest.

    Returns:
        Text that begins with a space; empty where no choice is similar.

    Example:

    >>> did_you_mean("fasion_mnist", ["cifar10", "fashion_mnist"])
    " Did you mean 'fashion_mnist'?"
    >>> did_you_mean("mine", ["cifar10", "fashion_mnist"])
    ''
    """
    near = close_to(name, choices, count)
    return f" Did you mean {' or '.join(map(repr, near))}?" if near else ""


def close_to(name: str, choices: Iterable[str], count: int = 1) -> list[str]:
    """Return the choices that are similar; case and punctuation do not count.

    Example:

    >>> close_to("vit-b/16", ["ViT_B16", "ViT_L16", "finetune"])
    ['ViT_B16']
    """
    plain: dict[str, str] = {}
    for choice in choices:
        plain.setdefault(_plain(choice), choice)
    near = difflib.get_close_matches(_plain(name), plain, count, 0.7)
    return [plain[one] for one in near]


def unknown(
    kind: str, name: str, choices: Iterable[str], *, expected: str | None = None
) -> str:
    """Return the message for a name that is not among the choices.

    Args:
        kind: what the name was to name, such as `"recipe"`.
        name: what was received.
        choices: what would have been accepted.
        expected: how that is described; a list of all choices by default.

    Example:

    >>> unknown("format", "onx", ["onnx"])
    "Unknown format. Expected one of onnx. Received: 'onx'. Did you mean 'onnx'?"
    """
    choices = list(choices)
    expected = expected or f"one of {', '.join(choices)}"
    return (
        f"Unknown {kind}. Expected {expected}. Received: {name!r}."
        f"{did_you_mean(name, choices)}"
    )


def _plain(name: str) -> str:
    return re.sub(r"[\W_]+", "", name).lower()
