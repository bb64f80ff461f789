"""`keras-vit export`."""

import pathlib

from absl import flags

SUMMARY = "Writes a trained model for TensorFlow Serving."
USAGE = "--model=MODEL [--format=saved_model] [--folder=FOLDER]"
REQUIRED = ("model",)
TAKES_PATHS = False


def define(values):
    """Defines the flags."""
    from keras_vit.exporting.export import FORMATS

    options = {"flag_values": values}
    flags.DEFINE_string("model", None, "A run's folder or a .keras file.", **options)
    flags.DEFINE_enum(
        "format", "saved_model", list(FORMATS), "What to write.", **options
    )
    flags.DEFINE_string(
        "folder",
        None,
        "Of all versions, of which the next is written; savedmodels/<model's name> if "
        "not given.",
        **options,
    )


def run(values):
    """Carries the command out and gives its exit status."""
    from keras_vit.exporting import export
    from keras_vit.model_files import ServedModel, load_classifier, name_of

    classifier = load_classifier(values.model)
    if isinstance(classifier.model, ServedModel):
        raise ValueError(
            "A SavedModel is exported already. Name a run's folder or a .keras file. "
            f"Received: {values.model!r}"
        )
    name = name_of(values.model)
    folder = values.folder or pathlib.Path("savedmodels") / name
    written = export(classifier.model, folder, values.format, classifier.class_names)
    print(f"Written and checked: {written}/")
    return 0
