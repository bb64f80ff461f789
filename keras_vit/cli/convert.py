"""`keras-vit convert`."""

import os
import pathlib
from typing import TYPE_CHECKING, cast

from absl import flags

from keras_vit.choices import HUB_PREFIX, MODELS, WEIGHT_FORMATS
from keras_vit.cli import flag_types
from keras_vit.cli.model_flag import TRAINED, Model, check_weights, kind_of

if TYPE_CHECKING:
    import keras

SUMMARY = "Convert weights from one publisher's layout to another's."
USAGE = "--from=WEIGHTS --to=PATH [--model=NAME] [--format=FORMAT]"
REQUIRED = ("from", "to")
TAKES_PATHS = False
WEIGHTS = (".npz", ".safetensors")


def define(values: flags.FlagValues) -> None:
    """Define the flags."""
    flag_types.path(
        values,
        "from",
        "A .npz or .safetensors file, a folder with one, hf:<owner>/<name>, or a "
        "release's name, whose size --model is; or a run's folder or a "
        ".keras file.",
    )
    flag_types.path(
        values, "to", "A .npz or .safetensors file, or Hugging Face's folder."
    )
    flag_types.word(
        values,
        "format",
        f"Whose layout: {', '.join(WEIGHT_FORMATS)}.",
        WEIGHT_FORMATS,
        "npz",
    )
    flag_types.word(
        values,
        "model",
        "A model's name, such as ViT_B16; ViT, whose sizes are the file's, if not "
        "given.",
        MODELS,
    )
    for name, what in (("image_size", "images"), ("patch_size", "patches")):
        flag_types.numbers(
            values,
            name,
            f"Pixels of the {what}, or height,width, to which weights are resized; "
            "as they are if not given.",
            int,
            expected="pixels, or height,width",
        )
    flag_types.numbers(
        values,
        "source_grid",
        "rows,columns of patches that the positions of --from are for, where a bare "
        "file could be read otherwise.",
        int,
        expected="rows,columns",
    )
    flag_types.text(
        values,
        "architecture",
        "For --format=timm: the name there that is to load the file, such as "
        "deit3_base_patch16_224.",
    )


def check(values: flags.FlagValues) -> None:
    """Refuse a source that is not there, a target that is, and flags that clash."""
    grid, source = values.source_grid, values["from"].value or ""
    if grid is not None and len(grid) != 2:
        raise ValueError(
            "--source_grid must be rows,columns. Received: "
            f"{','.join(map(str, grid))!r}"
        )
    for name in ("image_size", "patch_size"):
        size = values[name].value
        if size is not None and not (len(size) in (1, 2) and min(size) > 0):
            raise ValueError(
                f"--{name} must be pixels, or height,width. Received: "
                f"{','.join(map(str, size))!r}"
            )
    model = values.model or ("ViT" if _is_weights(source) else None)
    if model is None and grid is not None:
        raise ValueError(
            "--source_grid goes with --model and a file of weights; a run's model "
            f"knows its grid. Received: --from={source} without --model"
        )
    if values.architecture is not None and values.format != "timm":
        raise ValueError(
            "--architecture names one of timm's, so it goes with --format=timm. "
            f"Received: --format={values.format}"
        )
    if os.path.exists(values.to):
        raise FileExistsError(
            f"--to: {values.to} exists already. Name another, or remove it."
        )
    if model is None:
        flag_types.with_flag("from", Model((TRAINED,)).check, source)
    else:
        flag_types.with_flag("from", check_weights, model, source)


def _is_weights(source: str) -> bool:
    """Return whether weights are named that tell the sizes of their model."""
    path = pathlib.Path(source)
    if path.is_dir() and kind_of(path) is None:
        return any(one.suffix in (*WEIGHTS, ".h5") for one in path.iterdir())
    return source.startswith(HUB_PREFIX) or (path.is_file() and path.suffix in WEIGHTS)


def run(values: flags.FlagValues) -> int:
    """Write the weights and return the exit status."""
    from keras_vit.weights import resize, save_weights
    from keras_vit.weights.save import NAMED

    target = pathlib.Path(values.to)
    model, class_names = _model(values)
    if values.image_size is not None or values.patch_size is not None:
        image_size = values.image_size and (values.image_size[0], values.image_size[-1])
        patch_size = values.patch_size and (values.patch_size[0], values.patch_size[-1])
        model = resize(model, image_size, patch_size)
    save_weights(
        model,
        target,
        values.format,
        architecture=values.architecture,
        class_names=class_names if values.format in NAMED else None,
    )
    print(f"Written and read back: {target}")
    return 0


def _model(values: flags.FlagValues) -> "tuple[keras.Model, tuple[str, ...] | None]":
    """Return the model to be written, and its classes' names if they are known."""
    from keras_vit.classifier import Classifier
    from keras_vit.factories import FACTORIES
    from keras_vit.weights import find_checkpoint

    source: str = values["from"].value or ""
    grid = values.source_grid and (*values.source_grid,)
    if values.model is None and not _is_weights(source):
        classifier = Classifier.of(source)
        return cast("keras.Model", classifier.model), classifier.class_names
    name = values.model or "ViT"
    model = FACTORIES[name](weights=source, source_grid=grid, name=name.lower())
    return model, find_checkpoint(name, source, grid).class_names
