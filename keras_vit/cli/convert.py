"""`keras-vit convert`."""

import os
import pathlib
from typing import TYPE_CHECKING, cast

from absl import flags

from keras_vit.choices import HUB_PREFIX, MODELS
from keras_vit.cli.flag import Flag, with_flag
from keras_vit.cli.flag_types import Path, Separated, Size, Word
from keras_vit.cli.model_flag import TRAINED, Model, check_weights, kind_of

if TYPE_CHECKING:
    import keras

SUMMARY = "Convert weights from one publisher's layout to another's."
USAGE = "--from=WEIGHTS --to=PATH [--model=NAME] [--format=FORMAT]"
REQUIRED = ("from", "to")
WEIGHTS = (".npz", ".safetensors")
CALLS = "save_weights"
FLAGS = {
    "from": Flag(
        Path(),
        "A .npz or .safetensors file, a folder with one, hf:<owner>/<name>, or a "
        "release's name, whose size --model is; or a run's folder or a .keras file.",
    ),
    "to": Flag(Path(), "A .npz or .safetensors file, or Hugging Face's folder."),
    "format": Flag(),
    "model": Flag(
        Word("model", MODELS),
        "A model's name, such as ViT_B16; ViT, whose sizes are the file's, if not "
        "given.",
        None,
    ),
    "image_size": Flag(Size(), of="resize.image_size"),
    "patch_size": Flag(Size(), of="resize.patch_size"),
    "source_grid": Flag(
        Separated(int, "rows,columns", (2,)),
        "rows,columns of patches that the positions of --from are for, where a bare "
        "file could be read otherwise.",
    ),
    "architecture": Flag(),
}


def check(values: flags.FlagValues) -> None:
    """Refuse a source that is not there, a target that is, and flags that clash."""
    grid, source = values.source_grid, values["from"].value or ""
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
        with_flag("from", Model(TRAINED).check, source)
    else:
        with_flag("from", check_weights, model, source)


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
        model = resize(model, values.image_size, values.patch_size)
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
