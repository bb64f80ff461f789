"""`keras-vit predict`."""

import sys

from absl import flags

from keras_vit.cli import dataset_flags

SUMMARY = "Says what image files show."
USAGE = "--model=MODEL IMAGE_OR_FOLDER ..."
UNREADABLE = 1
REQUIRED = ("model",)
TAKES_PATHS = True


def define(values):
    """Defines the flags."""
    from keras_vit.preprocessing import PRESETS

    options = {"flag_values": values}
    flags.DEFINE_string(
        "model", None, "A run's folder, a .keras file or a SavedModel.", **options
    )
    flags.DEFINE_string(
        "preprocessing",
        None,
        f"How images become the model's size: one of {', '.join(PRESETS)}, with a crop "
        "fraction if need be, as in timm:0.95; the model's own if not given.",
        **options,
    )
    flags.DEFINE_integer(
        "top", 3, "How many classes to name.", lower_bound=1, **options
    )

    flags.DEFINE_boolean(
        "exif_orientation",
        True,
        "Whether images are turned as their camera noted.",
        **options,
    )
    dataset_flags.define_decoding(values, "as the model was trained")


def run(values, paths):
    """Carries the command out and gives its exit status."""
    from keras_vit.prediction import iter_predictions

    if not paths:
        raise ValueError("no images. Expected image files or folders after the flags")
    status = 0
    predictions = iter_predictions(
        values.model,
        paths,
        preprocessing=values.preprocessing,
        exif_orientation=values.exif_orientation,
        **dataset_flags.decoding(values),
    )
    for one in predictions:
        if one.error:
            print(f"keras-vit predict: {one.error}", file=sys.stderr)
            status = UNREADABLE
            continue
        top = one.top(values.top)
        print(f"{one.path}: " + ", ".join(f"{name} {100 * p:.1f} %" for name, p in top))
    return status
