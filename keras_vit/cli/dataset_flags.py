"""The flags that name a data set, for all commands that take one."""

import pathlib

from absl import flags


def define(values, help_text, default=None):
    """Defines `--dataset` and the flags that say where it is and how it is read.

    Args:
        values: the `absl.flags.FlagValues` to define them in.
        help_text: what the data set is for, before what it may be.
        default: of `--dataset`.
    """
    from keras_vit.data.sources import EXPECTED

    options = {"flag_values": values}
    flags.DEFINE_string("dataset", default, f"{help_text}: {EXPECTED}.", **options)
    flags.DEFINE_string(
        "data_dir",
        None,
        "Where data sets are extracted or prepared; the usual places if not given.",
        **options,
    )
    flags.DEFINE_boolean(
        "download",
        False,
        "Whether TensorFlow Datasets may download and prepare what is not there.",
        **options,
    )
    flags.DEFINE_boolean(
        "exif_orientation",
        True,
        "Whether image files are turned as their camera noted.",
        **options,
    )
    for name, text in _OF_FILES.items():
        kind = flags.DEFINE_integer if name == "fold" else flags.DEFINE_string
        kind(name, None, text, **options)


_OF_FILES = {
    "group": "A column, or a pattern of paths, that tells which images stay together.",
    "fold": "The fold of a table that is tested on; the last if not given.",
    "image_column": "A table's column of paths, where it has an unusual name.",
    "label_column": "A table's column of labels; or of 0 and 1, as in MEL,NV,BCC.",
    "suffix": "What is added to a table's paths, such as .jpg.",
}


def arguments(values):
    """What `load` takes beside the name, as far as the flags say it."""
    from keras_vit.data.sources import OPTIONS

    given = {name: getattr(values, name) for name in OPTIONS if values[name].present}
    return {"data_dir": values.data_dir, "download": values.download} | given


def chosen(values, model, default=None):
    """The data set that the flags name, or that a model's run was trained on.

    The run's own is read as the run read it, so that its test split is the
    same one; what the flags say of that comes first.

    Args:
        values: the flags.
        model: the path of the run's folder, or of its model's file; `None`:
            there is no run.
        default: what is taken where neither names one.

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
    return values.dataset or own or default, options | arguments(values)


def _of_run(model):
    """The data set of a run and how it was read; `None` for what is of no run."""
    from keras_vit.training.folder import CONFIG, dataset_of

    path = pathlib.Path(model)
    config = (path if path.is_dir() else path.parent) / CONFIG
    return dataset_of(config) if config.is_file() else None
