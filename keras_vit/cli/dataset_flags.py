"""The flags that name a data set, for all commands that take one."""

import pathlib

from absl import flags


def define(values, help_text, default=None, *, unless="decided by a sample"):
    """Defines `--dataset` and the flags that say where it is and how it is read.

    Args:
        values: the `absl.flags.FlagValues` to define them in.
        help_text: what the data set is for, before what it may be.
        default: of `--dataset`.
        unless: what counts where no `--pixel_range` is given.
    """
    from keras_vit.data.sources import EXPECTED

    options = {"flag_values": values}
    flags.DEFINE_string("dataset", default, f"{help_text}: {EXPECTED}.", **options)
    flags.DEFINE_string(
        "data_dir",
        None,
        "Where data sets are extracted or prepared, or the images of a table lie.",
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
    define_decoding(values, unless)


_OF_FILES = {
    "group": "A column, or a pattern of paths, that says which images stay together.",
    "fold": "The fold of a table that is tested on; the last if not given.",
    "image_column": "A table's column of paths, where it has an unusual name.",
    "label_column": "A table's column of labels; or of 0 and 1, as in MEL,NV,BCC.",
    "suffix": "What is added to a table's paths, such as .jpg.",
}


def define_decoding(values, unless):
    """Defines `--pixel_range`, `--background` and `--max_pixels`.

    Args:
        values: the `absl.flags.FlagValues` to define them in.
        unless: what counts where none is given.
    """
    from keras_vit.decoding import BACKGROUNDS

    options = {"flag_values": values}
    flags.DEFINE_string(
        "pixel_range",
        None,
        "Which samples of more than 8 bits are black and white: two numbers such as "
        "0:4095; full: all that their bits can hold; auto: what a sample of the "
        f"training files uses. {unless.capitalize()} if not given.",
        **options,
    )
    flags.DEFINE_enum(
        "background",
        None,
        list(BACKGROUNDS),
        "What is seen behind transparent pixels; ignore: the colours beneath them. "
        "White, or the model's own, if not given.",
        **options,
    )
    flags.DEFINE_integer(
        "max_pixels",
        None,
        "Image files of more pixels are refused: 62,000,000, or the model's own, if "
        "not given. A file takes 3 bytes a pixel, and up to 16 while it is decoded.",
        lower_bound=1,
        **options,
    )


def decoding(values):
    """How files are read, by the flags that are given."""
    names = ("pixel_range", "background", "max_pixels")
    return {name: getattr(values, name) for name in names if values[name].present}


def arguments(values):
    """What `load` takes beside the name, as far as the flags say it."""
    from keras_vit.data.sources import OPTIONS

    given = {name: getattr(values, name) for name in OPTIONS if values[name].present}
    return {"data_dir": values.data_dir, "download": values.download} | given


def chosen(values, model, default=None, *, decoding=None):
    """The data set that the flags name, or that a model's run was trained on.

    The run's own is read as the run read it, so that its test split is the
    same one; what the flags say of that comes first.

    Args:
        values: the flags.
        model: the path of the run's folder, or of its model's file; `None`:
            there is no run.
        default: what is taken where neither names one.
        decoding: how the model reads files, which counts where no flag says
            another; `None`: a sample decides.

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


def _of_run(model):
    """The data set of a run and how it was read; `None` for what is of no run."""
    from keras_vit.training.folder import CONFIG, dataset_of

    path = pathlib.Path(model)
    config = (path if path.is_dir() else path.parent) / CONFIG
    return dataset_of(config) if config.is_file() else None
