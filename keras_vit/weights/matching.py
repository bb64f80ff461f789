"""The arrays of a file and the weights of a model: which is which, or what differs."""

import math

import keras

from keras_vit.weights.architecture import KERNEL, Architecture, shapes
from keras_vit.weights.grids import AXES, POSITIONS, grid_of_axes
from keras_vit.weights.sources.causes import causes
from keras_vit.weights.sources.source import Arrays, Source
from keras_vit.weights.translate import PATCH_AXES, Rules, names_in, their_shape

OF_ONE_GRID = (
    " (a table of relative positions is for the grid of the images that it was "
    "trained with: build the model with their image_size)"
)
HEADS = ("head/", "head_distillation/")


def matched(
    model: keras.Model,
    architecture: Architecture,
    source: Source,
    stored: Arrays,
    *,
    head: str,
    name: str,
    table_problem: str | None,
) -> Rules:
    """Return in which array of a file each weight of a model lies, and how.

    Args:
        model: a ViT that a factory of this package built.
        architecture: its own, with patches of the file's size.
        source: whose file it is.
        stored: its arrays, by canonical names.
        head: `"keep"` or `"reset"`.
        name: of the file, for the message.
        table_problem: what is wrong with the position table; `None`: nothing.

    Raises:
        ValueError: with all that is missing, left over or misshapen.
    """
    wanted = shapes(model)
    cells = math.prod(architecture.patch_size)  # of the file's patches
    size = math.prod(model.get_layer("patches").patch_size)
    inputs, width = wanted[KERNEL]
    wanted[KERNEL] = inputs // size * cells, width
    if head == "reset":
        wanted = {k: v for k, v in wanted.items() if not k.startswith(HEADS)}
    rules = source.rules(architecture, source.spelling(stored))
    names, unknown = names_in(rules, wanted)
    of_file = grid_of_axes(names, stored)
    for axis, count in zip(AXES, of_file or (), strict=False):
        wanted[axis] = count, wanted[axis][1]
    missing, misshapen, unfit = [], [], []
    for ours, (theirs, change) in names.items():
        if theirs not in stored:
            unfit.append(theirs)
            missing.append(f"{theirs} (for {ours})")
            continue
        shape = tuple(stored[theirs].shape)
        if ours == POSITIONS:
            problem = table_problem
        else:
            expected = their_shape(wanted[ours], change, architecture)
            problem = shape != expected and f"expected {expected}"
            if problem and ours == KERNEL:
                problem += _patches_of(shape, change, expected)
            elif problem and ours.endswith("relative_bias/table"):
                problem += OF_ONE_GRID
        if problem:
            unfit.append(theirs)
            misshapen.append(f"{theirs} (for {ours}): {problem}, received {shape}")
    used = {theirs for theirs, _ in names.values()}
    over = [one for one in stored if one not in used]
    if head == "reset":
        over = [one for one in over if not one.startswith(source.dropped_with_head)]
    if _pools_otherwise(architecture, head):
        dropped = source.dropped_without_pooling
        over = [one for one in over if not one.startswith(dropped)]
    problems = {
        "missing": missing,
        "left over": over,
        "misshapen": misshapen,
        f"without a place in {source.name}'s files": unknown,
    }
    if any(problems.values()):
        problems = {
            "the file's network has": causes(stored, [*unfit, *over])
        } | problems
        raise ValueError(
            f"{name} ({source.name}) does not fit the model {model.name!r}."
            + "".join(
                f"\n  {what}: {', '.join(dict.fromkeys(some))}"
                for what, some in problems.items()
                if some
            )
        )
    return names


def _pools_otherwise(architecture, head):
    """Whether a file's pooling by attention has no place in a model, and needs none."""
    pooling = architecture.pooling
    return pooling is None or (head == "reset" and pooling.kind != "map")


def _patches_of(shape, change, expected):
    """What to do about a patch embedding of another size."""
    if len(shape) != 4 or len(expected) != 4:
        return ""
    theirs, ours = (
        [size[axis] for axis in PATCH_AXES[change]] for size in (shape, expected)
    )
    if theirs == ours:
        return ""
    size = theirs[0] if theirs[0] == theirs[1] else tuple(theirs)
    return (
        f" (the file's patches are those of patch_size={size}: build the model with "
        "it, or take them to the model's size by patches='resize')"
    )
