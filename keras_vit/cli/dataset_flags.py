"""The flags that name a data set, for all commands that take one."""

import pathlib
from typing import TYPE_CHECKING, Any

from absl import flags

from keras_vit import dataset_names
from keras_vit.cli import flag_types
from keras_vit.decoding import BACKGROUNDS, check_range

if TYPE_CHECKING:
    from keras_vit.decoding import Decoding


def define(
    values: flags.FlagValues,
    help_text: str,
    default: str | None = None,
    *,
    unless: str = "decided by a sample",
) -> None:
    """Define `--dataset` and the flags that say where it is and how it is read.

    Args:
        values: where they are defined.
        help_text: what the data set is for, before what it may be.
        default: of `--dataset`.
        unless: what counts where no `--pixel_range` is given.
    """
    flag_types.path(
        values, "dataset", f"{help_text}: {dataset_names.EXPECTED}.", default
    )
    flag_types.path(
        values,
        "data_dir",
        "Where data sets are extracted or prepared, or the images of a table lie.",
    )
    flag_types.boolean(
        values,
        "download",
        "Whether TensorFlow Datasets may download and prepare what is not there.",
    )
    flag_types.boolean(
        values,
        "exif_orientation",
        "Whether image files are turned as their camera noted.",
        True,
    )
    for name, text in _OF_FILES.items():
        kind = flag_types.whole if name == "fold" else flag_types.text
        kind(values, name, text)
    define_decoding(values, unless)


_OF_FILES = {
    "group": "A column, or a pattern of paths, that says which images stay together.",
    "fold": "The fold of a table that is tested on; the last if not given.",
    "image_column": "A table's column of paths, where it has an unusual name.",
    "label_column": "A table's column of labels; or of 0 and 1, as in MEL,NV,BCC.",
    "suffix": "What is added to a table's paths, such as .jpg.",
}


def define_decoding(values: flags.FlagValues, unless: str) -> None:
    """Define `--pixel_range`, `--background` and `--max_pixels`.

    Args:
        values: where they are defined.
        unless: what counts where none is given.
    """
    flag_types.checked(
        values,
        "pixel_range",
        "Which samples of more than 8 bits are black and white: two numbers such as "
        "0:4095; full: all that their bits can hold; auto: what a sample of the "
        f"training files uses. {unless.capitalize()} if not given.",
        check_range,
    )
    flag_types.word(
        values,
        "background",
        "What is seen behind transparent pixels; ignore: the colours beneath them. "
        "White, or the model's own, if not given.",
        BACKGROUNDS,
    )
    flag_types.whole(
        values,
        "max_pixels",
        "Image files of more pixels are refused: 62,000,000, or the model's own, if "
        "not given. A file takes 3 bytes a pixel, and up to 16 while it is decoded.",
        least=1,
    )


def check(values: flags.FlagValues, *others: str) -> None:
    """Refuse a `--dataset` of nothing, without loading what would read it.

    Args:
        values: the flags.
        *others: names that the command takes besides.

    Raises:
        FileNotFoundError: for the path of nothing.
        ValueError: for an unknown name.
    """
    name = values.dataset
    if name is not None and name not in others:
        flag_types.with_flag(
            "dataset", dataset_names.check_exists, name, values.data_dir
        )


def decoding(values: flags.FlagValues) -> dict[str, Any]:
    """Return how files are read, as far as flags say it."""
    names = ("pixel_range", "background", "max_pixels")
    return {name: getattr(values, name) for name in names if values[name].present}


def arguments(values: flags.FlagValues) -> dict[str, Any]:
    """Return what `load` takes beside the name, as far as flags say it."""
    args = {
        name: getattr(values, name)
        for name in dataset_names.OPTIONS
        if values[name].present
    }
    return {"data_dir": values.data_dir, "download": values.download} | args


def chosen(
    values: flags.FlagValues,
    model: str | None,
    default: str | None = None,
    *,
    decoding: "Decoding | None" = None,
) -> tuple[Any, dict[str, Any]]:
    """Return the data set that the flags name, or that a model's run was trained on.

    The run's own is read as the run read it, so that its test split has the same
    images; flags override this.

    Args:
        values: the flags.
        model: the path of the run's folder, or of its model's file; `None`:
            there is no run.
        default: what is taken where neither names one.
        decoding: how the model reads files, where no flag says it; `None`: a
            sample decides.

    Returns:
        Its name or `default`, and what `load` takes beside that.

    Raises:
        ValueError: if none is named and the run's data has no name.
    """
    try:
        own, options = (model is not None and _of_run(model)) or (None, {})
    except ValueError:
        if values.dataset is None:
            raise
        own, options = None, {}
    if values.dataset not in (None, own):
        options = {}
    if decoding is not None:
        options = options | decoding.as_json()
    return values.dataset or own or default, options | arguments(values)


def _of_run(model: str) -> tuple[str | None, dict[str, Any]] | None:
    """The data set of a run and how it was read; `None` for what is of no run."""
    from keras_vit.training.artifacts.folder import CONFIG, dataset_of

    path = pathlib.Path(model)
    config = (path if path.is_dir() else path.parent) / CONFIG
    return dataset_of(config) if config.is_file() else None
