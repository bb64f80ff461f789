"""What is to be known of the stems of a publisher's hybrids."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from keras_vit.weights.files import Stored
from keras_vit.weights.translate import Rules


@dataclass(frozen=True, kw_only=True)
class Stem:
    """A stem: how a file shows it, and which layer it is here.

    Attributes:
        layer: the class of `keras_vit.layers` that computes it.
        shown_by: a pattern of canonical names, one of which a file with this
            stem has, and no other.
        arguments: canonical `{name: Stored}` -> those of the layer.
        rules: of its arrays, beyond those of every file of the publisher.
        architectures: the publisher's names of models -> the arguments of the
            layer, `patch_size` and `hidden_dim` that no other argument of
            theirs can change.
    """

    layer: type[Any]
    shown_by: str
    arguments: Callable[[Mapping[str, Stored]], dict[str, Any]]
    rules: Rules = field(default_factory=dict)
    architectures: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def is_in(self, stored: Mapping[str, Stored]) -> bool:
        """Return whether a file's canonical arrays show this stem."""
        return any(re.fullmatch(self.shown_by, name) for name in stored)


def units(pattern: str, stored: Mapping[str, Stored]) -> tuple[int, ...]:
    """Return the number of units in each stage of a ResNet.

    Args:
        pattern: of a name that each unit has, whose group is its stage's number.
        stored: arrays by canonical names.

    Example:

    >>> units(r"layer(\\d+)\\.\\d+\\.conv1", dict.fromkeys(
    ...     ["layer1.0.conv1", "layer1.1.conv1", "layer2.0.conv1"]))
    (2, 1)
    """
    matches = (re.fullmatch(pattern, name) for name in stored)
    stages = [int(match[1]) for match in matches if match]
    return tuple(stages.count(stage) for stage in sorted({*stages}))
