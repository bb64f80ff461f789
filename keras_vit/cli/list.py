"""`keras-vit list`."""

import textwrap
from collections.abc import Sequence

from absl import flags

from keras_vit.cli.flag import Flag, with_flag
from keras_vit.cli.flag_types import Boolean, Size, Word
from keras_vit.cli.model_flag import FACTORY, NETWORK, Model
from keras_vit.recipes import RECIPES, as_flat
from keras_vit.recipes.settings import documented
from keras_vit.releases import list_weights
from keras_vit.suggestions import unknown
from keras_vit.variants import VARIANTS

WIDTH = 88

SUMMARY = "List the models, the weights they can be built with, and the recipes."
USAGE = "[--model=NAME] [--details] [--recipes] [--recipe=NAME]"
CALLS = ""
FLAGS = {
    "model": Flag(help="A model's name; all of them if not given."),
    "details": Flag(
        Boolean(),
        "Whether to list parameters, multiply-adds and memory instead: of each model, "
        "or of each layer of one.",
        False,
    ),
    "image_size": Flag(
        Size(), "For --details: pixels, or height,width. 224 if not given."
    ),
    "recipes": Flag(Boolean(), "Whether to list the recipes instead.", False),
    "recipe": Flag(Word("recipe", RECIPES), "A recipe, to list its settings instead."),
}


def check(values: flags.FlagValues) -> None:
    """Refuse a model that does not exist, and flags that do not go together."""
    size = values.image_size
    if size is not None and not values.details:
        raise ValueError("--image_size goes with --details. Received: no --details")
    if values.model is None or values.model in VARIANTS:
        return
    if values.details and values.model != "ViT":
        with_flag("model", Model(FACTORY, NETWORK).check, values.model)
        return
    expected = (
        f"one of {', '.join(VARIANTS)}; with --details also ResNet_R50, or one of "
        "Keras's such as keras:ResNet50V2"
    )
    raise ValueError(unknown("model", values.model, VARIANTS, expected=expected))


def needs_keras(values: flags.FlagValues) -> bool:
    """Return whether models are built to be measured."""
    return values.details


def run(values: flags.FlagValues) -> int:
    """Print a table and return the exit status."""
    names = list(VARIANTS) if values.model is None else [values.model]
    if values.recipe is not None:
        return _list_settings(values.recipe)
    if values.recipes:
        return _list_recipes()
    if values.details:
        size = values.image_size or (224, 224)
        return _list_details(names, size, values.model is not None)
    return _list_weights(names)


def _list_weights(names: Sequence[str]) -> int:
    """Print the releases of each model."""
    print(
        f"{'model':<12} {'weights':<18} {'classes':>7} {'pixels':>6} "
        f"{'parameters':>11} {'GMACs':>7}  top-1 %"
    )
    for name in names:
        rows = list_weights(name)
        for row in rows:
            top1 = f"{row.top1:.2f}  ({row.top1_source})" if row.top1 else ""
            line = f"{name:<12} {row.name:<18} {row.num_classes:>7} {row.image_size:>6}"
            line += f" {row.costs.parameters:>11,}"
            line += f" {row.costs.multiply_adds / 1e9:>7.2f}"
            print(f"{line}  {top1}".rstrip())
        if not rows:
            print(f"{name:<12} -")
    print(
        "\nAll are Google's, Apache-2.0; the model itself makes (x - 127.5) / 127.5 of "
        "pixels,\nand evaluation squashes images to the size above (vit_jax). Also:\n"
        "weights='hf:<owner>/<name>', and the path of a .npz or .safetensors file."
    )
    return 0


def _list_details(names: Sequence[str], size: tuple[int, int], by_layer: bool) -> int:
    """Print the size and cost of each model, or of each layer of one."""
    from keras_vit.factories import find
    from keras_vit.inspect import summary, unallocated

    if not by_layer:
        print(
            f"{'model':<12} {'parameters':>13} {'GMACs':>8} {'training':>12} "
            f"{'inference':>12}",
            flush=True,
        )
    for name in names:
        built = find(name)
        assert built is not None  # as `check` found
        with unallocated():
            info = summary(built(image_size=size))
        if by_layer:
            print(info)
            continue
        memory = (info.activation_bytes / 2**20, info.peak_bytes / 2**20)
        print(
            f"{name:<12} {info.parameters:>13,} {info.multiply_adds / 1e9:>8.2f} "
            f"{memory[0]:>8,.1f} MiB {memory[1]:>8,.1f} MiB",
            flush=True,
        )
    if not by_layer:
        print(
            f"\nWith 1,000 classes, an image of {size[0]} x {size[1]}. Activations in "
            "float32: what training\nkeeps for the gradients, and what inference holds "
            "at once. --model=NAME: by layer."
        )
    return 0


def _list_recipes() -> int:
    """Print a line for each recipe."""
    width = max(map(len, RECIPES))
    print(f"{'recipe':<{width}}  {'model':<11} {'data set':<20} {'length':<12} batch")
    for name, one in RECIPES.items():
        run = one.run
        length = f"{run.steps:,} steps" if run.steps else f"{run.epochs} epochs"
        print(
            f"{name:<{width}}  {one.model.name:<11} {one.data.name or '(yours)':<20} "
            f"{length:<12} {run.batch_size}"
        )
    return 0


def _list_settings(name: str) -> int:
    """Print each setting of a recipe with what it is."""
    values = as_flat(RECIPES[name])
    print(f"{name}: keras-vit train --recipe={name} --set key=value changes a setting.")
    for setting, sentence in documented().items():
        if setting not in values:  # of another task
            continue
        print(f"\n{setting} = {_as_text(values[setting])}")
        plain = sentence.replace("`", "")
        text = plain[:1].upper() + plain[1:]
        print(
            textwrap.fill(text, WIDTH, initial_indent="    ", subsequent_indent="    ")
        )
    return 0


def _as_text(value: object) -> str:
    """A setting's value as `--set` takes it."""
    if isinstance(value, dict):
        return ",".join(f"{key}:{one}" for key, one in value.items()) or "(none)"
    if isinstance(value, (tuple, list)):
        return ",".join(map(str, value)) or "(none)"
    if isinstance(value, bool):
        return str(value).lower()
    return "none" if value is None else str(value)
