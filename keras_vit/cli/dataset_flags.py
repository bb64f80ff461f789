"""The flags that name a data set, for all commands that take one."""

import pathlib
from typing import TYPE_CHECKING, Any

from absl import flags

from keras_vit import dataset_names
from keras_vit.choices import MODELS
from keras_vit.cli.flag import Flag, with_flag
from keras_vit.cli.flag_types import AT_LEAST_1, Checked, Path, Word
from keras_vit.decoding import BACKGROUNDS, check_range
from keras_vit.preprocessing import PRESETS, resolve

if TYPE_CHECKING:
    from keras_vit.classifier import Classifier
    from keras_vit.data import Dataset

PREPROCESSING = Flag(
    Checked(resolve),
    f"How images become the model's size: one of {', '.join(PRESETS)}, with a crop "
    "fraction if need be, as in timm:0.95; the model's own if not given.",
    None,
)


def of_dataset(
    help: str, default: str | None = None, reader: str = "load"
) -> dict[str, Flag]:
    """Return `--dataset` and the flags that say where it is and how it is read.

    Args:
        help: what the data set is for, before what it may be.
        default: of `--dataset`.
        reader: the function whose `--pixel_range` and so on are meant: `"load"`, or
            `"predict"`, which reads files as the model's training did.
    """
    dataset = Flag(Path(), f"{help}: {dataset_names.EXPECTED}.", default)
    names = ("data_dir", "download", *dataset_names.OPTIONS)
    of_load = {name: Flag(of=f"load.{name}") for name in names}
    return {"dataset": dataset} | of_load | of_decoding(reader)


def of_decoding(reader: str = "predict") -> dict[str, Flag]:
    """Return `--pixel_range`, `--background` and `--max_pixels`, as `of_dataset`."""
    parsers = {
        "pixel_range": Checked(check_range),
        "background": Word("background", BACKGROUNDS),
        "max_pixels": AT_LEAST_1,
    }
    return {
        name: Flag(parser, default=None, of=f"{reader}.{name}")
        for name, parser in parsers.items()
    }


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
        with_flag("dataset", dataset_names.check_exists, name, values.data_dir)


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


def opened(
    values: flags.FlagValues,
    classifier: "Classifier",
    default: str | None = None,
    advice: str = "",
) -> "Dataset | None":
    """Return the data set that the flags name, or that a model's run was trained on.

    The run's own is read as the run read it, so that its test split has the same
    images; flags override this, and the model says what neither does.

    Args:
        values: the flags, `--model` among them.
        classifier: that model.
        default: what is taken where neither names one; `None`: none is.
        advice: what to do where the run's data has no name.

    Raises:
        ValueError: if none is named and the run's data has no name.
    """
    from keras_vit.data import load

    try:
        own, options = _of_run(values.model) or (None, {})
    except ValueError as error:
        if values.dataset is None:
            raise ValueError(f"{error} {advice}".rstrip()) from error
        own, options = None, {}
    name = values.dataset or own or default
    if name is None:
        return None
    options = options if name == own else {}
    return load(name, **options | classifier.decoding.as_json() | arguments(values))


def _of_run(model: str) -> tuple[str | None, dict[str, Any]] | None:
    """The data set of a run and how it was read; `None` for what is of no run."""
    from keras_vit.training.artifacts.folder import CONFIG, dataset_of

    path = pathlib.Path(model)
    config = (path if path.is_dir() else path.parent) / CONFIG
    of_a_run = model not in MODELS and path.exists() and config.is_file()
    return dataset_of(config) if of_a_run else None
