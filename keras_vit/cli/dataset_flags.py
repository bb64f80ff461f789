"""The flags that name a data set, for all commands that take one."""

import pathlib

from absl import flags


def define(values, help_text, default=None):
    """Defines `--dataset`, `--data_dir`, `--download` and `--exif_orientation`.

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


def arguments(values):
    """What `load` takes beside the name, as the flags say."""
    return {
        "data_dir": values.data_dir,
        "download": values.download,
        "exif_orientation": values.exif_orientation,
    }


def of_run(model):
    """The name of the data set that a run's model was trained on; `None` for others.

    Args:
        model: the path of the run's folder, or of its model's file.

    Raises:
        ValueError: if the run's data has no name.
    """
    from keras_vit.training.folder import CONFIG, dataset_of

    path = pathlib.Path(model)
    config = (path if path.is_dir() else path.parent) / CONFIG
    return dataset_of(config) if config.is_file() else None
