"""Tables of the reference, made of the package's own."""

from absl import flags

import keras_vit
from keras_vit import preprocessing, recipes
from keras_vit.augmentation_names import LAYERS, REFUSED
from keras_vit.cli.flag import define
from keras_vit.cli.main import COMMANDS
from keras_vit.evaluation.corruptions import CORRUPTIONS
from keras_vit.inspect import summary, unallocated
from keras_vit.variants import VARIANTS
from keras_vit.weights import list_weights


def table(header, rows, right=()):
    """A table in Markdown.

    Args:
        header: the columns' names.
        rows: of values, as many as columns.
        right: names of the columns of numbers.
    """
    lines = [header, ["---:" if name in right else "---" for name in header], *rows]
    return "\n".join(f"| {' | '.join(map(_cell, line))} |" for line in lines)


def variants():
    """Every size: its row of `VARIANTS`, its parameters and multiply-adds."""
    header = ("factory", "patch", "stride", "D", "L", "heads", "MLP", "ResNet")
    counted = ("parameters", "GMACs")
    rows = []
    for name, one in VARIANTS.items():
        parameters, multiply_adds = _costs(name)
        stem = one.stem_blocks
        rows.append(
            (
                *(f"`{name}`", one.patch_size, one.stride, one.hidden_dim),
                *(one.num_layers, one.num_heads, f"{one.mlp_dim:,}"),
                "" if stem is None else ", ".join(map(str, stem)) or "root",
                *(f"{parameters:,}", f"{multiply_adds / 1e9:.2f}"),
            )
        )
    return table((*header, *counted), rows, {*header[1:], *counted} - {"ResNet"})


def _costs(name):
    """Parameters and multiply-adds.

    Blocks are alike: those of one layer and of two tell those of all, in a tenth of
    the time.
    """
    one = VARIANTS[name]
    stem = one.stem_blocks
    told = []
    for layers in (1, 2):
        with unallocated():
            model = keras_vit.ViT(
                patch_size=one.patch_size,
                num_layers=layers,
                num_heads=one.num_heads,
                hidden_dim=one.hidden_dim,
                mlp_dim=one.mlp_dim,
                stem=None if stem is None else keras_vit.layers.ResNetStem(stem),
            )
            costs = summary(model)
        told.append((costs.parameters, costs.multiply_adds))
    return [
        first + (one.num_layers - 1) * (second - first)
        for first, second in zip(*told, strict=True)
    ]


def releases():
    """The releases that `weights=` can name."""
    header = ("factory", "`weights=`", "classes", "pixels", "parameters", "GMACs")
    header = (*header, "ImageNet top-1 (%)")
    rows = [
        (
            f"`{one.variant}`",
            f"`{one.name}`",
            f"{one.num_classes:,}",
            one.image_size,
            f"{one.costs.parameters:,}",
            f"{one.costs.multiply_adds / 1e9:.2f}",
            one.top1 or "",
        )
        for one in list_weights()
    ]
    return table(header, rows, header[2:])


def recipe_table():
    """Every recipe and the settings that tell it from others."""
    header = ("recipe", "rate", "augmentation", "model", "length", "batch", "pixels")
    header = (*header, "data", "optimizer", "decay", "weight decay")
    rows = [
        (
            f"`{name}`",
            f"{one.schedule.base_lr:g}",
            _augmentation(one),
            f"`{one.model.name}`",
            _length(one.run),
            f"{one.run.batch_size:,}",
            one.model.image_size,
            one.data.name or "yours",
            one.optimizer.name,
            one.schedule.decay,
            f"{one.optimizer.weight_decay:g}",
        )
        for name, one in recipes.RECIPES.items()
    ]
    return table(header, rows, ("pixels", "batch", "rate", "weight decay"))


def _length(run):
    return f"{run.steps:,}&nbsp;steps" if run.steps else f"{run.epochs}&nbsp;epochs"


def _augmentation(recipe):
    layers = recipe.augmentation.randaugment_layers
    strength = recipe.augmentation.randaugment_magnitude
    words = {
        recipe.augmentation.crop or "": recipe.augmentation.crop,
        "flip": recipe.augmentation.flip,
        " ".join(recipe.augmentation.layers): recipe.augmentation.layers,
        f"RandAugment({layers}, {strength:g})": layers,
        f"MixUp {recipe.augmentation.mixup}": recipe.augmentation.mixup,
        f"CutMix {recipe.augmentation.cutmix}": recipe.augmentation.cutmix,
    }
    return ", ".join(word for word, there in words.items() if there)


def choices():
    """The settings of recipes whose values are words."""
    rows = [
        (
            f"`{name}`",
            ", ".join(f"`{one}`" for one in kind.choices)
            + (", `none`" if kind.optional else ""),
        )
        for name, kind in recipes.setting_kinds().items()
        if kind.choices
    ]
    return table(("setting", "values"), rows)


def augmentations():
    """The layers that augment images, by name."""
    rows = [
        (f"`{name}`", ", ".join(f"`{key}={value}`" for key, value in options.items()))
        for name, options in LAYERS.items()
    ]
    return table(("name", "arguments"), rows)


def refused_augmentations():
    """The preprocessing layers that have no name here, and why."""
    return table(("layer", "because it"), [(f"`{n}`", r) for n, r in REFUSED.items()])


def corruptions():
    """The corruptions' names."""
    return ", ".join(f"`{name}`" for name in CORRUPTIONS)


def presets():
    """The ways to resize images for evaluation."""
    header = ("name", "sides", "filter", "antialias", "crop fraction", "levels")
    rows = [
        (
            f"`{name}`",
            one.aspect,
            one.method,
            "yes" if one.antialias else "no",
            f"{one.crop_fraction:g}",
            one.levels,
        )
        for name, one in preprocessing.PRESETS.items()
    ]
    return table(header, rows, ("crop fraction",))


def commands():
    """Each command with its flags, as they are defined."""
    return "\n\n".join(_command(name, one) for name, one in COMMANDS.items())


def _command(name, command):
    values = flags.FlagValues()
    define(values, command)
    usage, _, more = command.USAGE.partition("\n\n")
    rows = [
        (f"`--{flag}`", _default(values[flag]), _meaning(values[flag]))
        for flag in sorted(flag for flag in values if len(flag) > 1)
    ]
    parts = [
        f"## keras-vit {name}",
        command.SUMMARY,
        f"```text\nkeras-vit {name} {usage}\n```",
        more,
        table(("flag", "if not given", "meaning"), rows),
    ]
    return "\n\n".join(part for part in parts if part)


def _default(flag):
    if flag.default in (None, []):
        return ""
    value = flag.default
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _meaning(flag):
    text = flag.help.partition(";\n")[0]  # without absl's note on repeating
    words = getattr(flag.parser, "enum_values", None)
    if words:
        text += f" One of {', '.join(f'`{word}`' for word in words)}."
    return " ".join(text.split())


def _cell(value):
    return str(value).replace("|", "\\|").replace("<", "&lt;")


TABLES = {
    "augmentations": augmentations,
    "choices": choices,
    "commands": commands,
    "corruptions": corruptions,
    "presets": presets,
    "recipes": recipe_table,
    "refused_augmentations": refused_augmentations,
    "releases": releases,
    "variants": variants,
}
