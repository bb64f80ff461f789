"""Our names and layouts from a source's, and a source's from ours.

A source's rules say, for each of our weights, which of their arrays holds it
and how: `ours: (theirs, change)`. `*` in a name stands for a number, in the
order of appearance; `#` in theirs for the number less one, where they count
from 0 and we from 1.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from keras_vit.weights.architecture import Architecture, empty


@dataclass(frozen=True)
class Change:
    """The layouts of one array in a source's file and in this package.

    Attributes:
        theirs: our array and the `Architecture` -> theirs.
        ours: their array and our shape -> ours; undoes `theirs`.
        part: which of the parts, if their array holds several of ours, one
            after the other along its first axis.
        parts: how many parts there are.
    """

    theirs: Callable[[np.ndarray, Architecture], np.ndarray] = lambda array, _: array
    ours: Callable[[np.ndarray, tuple[int, ...]], np.ndarray] = lambda array, _: array
    part: int = 0
    parts: int = 1


Rules = dict[str, tuple[str, Change]]  # ours: (theirs, change)


def reshaped(shape: Callable[[np.ndarray, Architecture], tuple[int, ...]]) -> Change:
    """Return the change to an array of shape `shape(our array, architecture)`."""
    return Change(
        theirs=lambda array, architecture: array.reshape(shape(array, architecture)),
        ours=lambda array, ours: array.reshape(ours),
    )


def _their_patches(array, architecture):
    return array.reshape(*architecture.patch_size, -1, array.shape[-1])


def _parts(*names):
    """Return changes for an array of several dense layers' kernels or biases."""
    return {
        name: Change(
            theirs=lambda array, _: array.T,
            ours=lambda array, _: array.T,
            part=index,
            parts=len(names),
        )
        for index, name in enumerate(names)
    }


AS_IS = Change()
# PyTorch keeps a dense kernel as (outputs, inputs).
TRANSPOSED = Change(lambda array, _: array.T, lambda array, _: array.T)
# A convolution's kernel, (height, width, inputs, outputs) here.
CONVOLUTION = Change(
    lambda array, _: array.transpose(3, 2, 0, 1),
    lambda array, _: array.transpose(2, 3, 1, 0),
)
# Our projection of flat patches is a convolution elsewhere.
PATCHES = Change(_their_patches, lambda array, shape: array.reshape(shape))
PATCHES_TORCH = Change(
    lambda array, a: _their_patches(array, a).transpose(3, 2, 0, 1),
    lambda array, shape: array.transpose(2, 3, 1, 0).reshape(shape),
)
PATCH_AXES = {PATCHES: (0, 1), PATCHES_TORCH: (2, 3)}  # where theirs has their size
THIRDS = _parts("query", "key", "value")
HALVES = _parts("key", "value")
GATE_FIRST = _parts("gate", "fc1")


def names_in(rules: Rules, paths: Iterable[str]) -> tuple[Rules, list[str]]:
    """Find where each of our weights lies in a source.

    Returns:
        `{path: (theirs, change)}`, and the paths that no rule covers.
    """
    compiled = [
        (re.compile(re.sub(r"\\\*", r"(\\d+)", re.escape(ours))), theirs, change)
        for ours, (theirs, change) in rules.items()
    ]
    found, unknown = {}, []
    for path in paths:
        for pattern, theirs, change in compiled:
            match = pattern.fullmatch(path)
            if match:
                found[path] = _with_numbers(theirs, match.groups()), change
                break
        else:
            unknown.append(path)
    return found, unknown


def _with_numbers(name, numbers):
    """A name with numbers in place of its signs."""
    numbers = iter(numbers)
    return re.sub(r"[*#]", lambda sign: _count(sign.group(), next(numbers)), name)


def _count(sign, number):
    return str(int(number) - (sign == "#"))


def their_shape(
    shape: tuple[int, ...], change: Change, architecture: Architecture
) -> tuple[int, ...]:
    """Return the shape that an array of theirs must have to hold one of ours."""
    theirs = change.theirs(empty(shape), architecture).shape
    return (theirs[0] * change.parts, *theirs[1:]) if change.parts > 1 else theirs


def to_ours(array: np.ndarray, change: Change, shape: tuple[int, ...]) -> np.ndarray:
    """Return our array from theirs, as a view of it where possible."""
    if change.parts > 1:
        array = np.split(array, change.parts)[change.part]
    return change.ours(array, shape)


def to_theirs(
    arrays: Mapping[str, np.ndarray], names: Rules, architecture: Architecture
) -> dict[str, np.ndarray]:
    """Return all of their arrays from ours.

    Args:
        arrays: ours, by path.
        names: what `names_in` found.
        architecture: of the model.

    Returns:
        Theirs, by name, C-contiguous.
    """
    held = {}
    for path, (theirs, change) in names.items():
        part = change.theirs(arrays[path], architecture)
        held.setdefault(theirs, {})[change.part] = part
    return {
        name: np.ascontiguousarray(
            np.concatenate([parts[index] for index in sorted(parts)])
            if len(parts) > 1
            else parts[0]
        )
        for name, parts in held.items()
    }
