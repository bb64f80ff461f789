"""`keras-vit convert`."""

import os
import pathlib
from typing import TYPE_CHECKING, cast

from absl import flags

from keras_vit.choices import MODELS, WEIGHT_FORMATS
from keras_vit.cli import flag_types
from keras_vit.cli.model_flag import TRAINED, Model, check_weights

if TYPE_CHECKING:
    import keras

SUMMARY = "Convert weights from one publisher's layout to another's."
USAGE = "--model=NAME --from=WEIGHTS --to=PATH [--format=FORMAT]"
REQUIRED = ("from", "to")
TAKES_PATHS = False


def define(values: flags.FlagValues) -> None:
    """Define the flags."""
    flag_types.path(
        values,
        "from",
        "A .npz or .safetensors file, a folder of Hugging Face's, a release's name or "
        "hf:<owner>/<name>, for which --model tells the sizes; or a run's folder or a "
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
    flag_types.word(values, "model", "A model's name, such as ViT_B16.", MODELS)
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
    grid, source = values.source_grid, values["from"].value
    if grid is not None and len(grid) != 2:
        raise ValueError(
            "--source_grid must be rows,columns. Received: "
            f"{','.join(map(str, grid))!r}"
        )
    if values.model is None and grid is not None:
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
    if values.model is None:
        flag_types.with_flag("from", Model((TRAINED,)).check, source)
    else:
        flag_types.with_flag("from", check_weights, values.model, source)


def run(values: flags.FlagValues) -> int:
    """Write the weights and return the exit status."""
    from keras_vit.weights import save_weights
    from keras_vit.weights.save import NAMED

    target = pathlib.Path(values.to)
    model, class_names = _model(values)
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
    if values.model is None:
        classifier = Classifier.of(source)
        return cast("keras.Model", classifier.model), classifier.class_names
    model = FACTORIES[values.model](
        weights=source, source_grid=grid, name=values.model.lower()
    )
    return model, find_checkpoint(values.model, source, grid).class_names
