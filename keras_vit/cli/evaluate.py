"""`keras-vit evaluate`."""

import pathlib

from absl import flags

from keras_vit.cli import dataset_flags

SUMMARY = "Evaluates a trained model on a whole test split."
USAGE = "--model=MODEL [--dataset=NAME] [--folder=FOLDER]"
REQUIRED = ("model",)
TAKES_PATHS = False


def define(values):
    """Defines the flags."""
    from keras_vit.preprocessing import PRESETS

    options = {"flag_values": values}
    flags.DEFINE_string(
        "model", None, "A run's folder, a .keras file or a SavedModel.", **options
    )
    dataset_flags.define(values, "Whose test split", "fashion_mnist_sample")
    flags.DEFINE_string(
        "folder",
        None,
        "Where evaluation.json and confusion_matrix.png go; evaluations/<model's name> "
        "if not given.",
        **options,
    )
    flags.DEFINE_string(
        "preprocessing",
        None,
        f"How images become the model's size: one of {', '.join(PRESETS)}, with a crop "
        "fraction if need be, as in timm:0.95; the model's own if not given.",
        **options,
    )
    flags.DEFINE_integer(
        "batch_size", 200, "Images at a time.", lower_bound=1, **options
    )


def run(values):
    """Carries the command out and gives its exit status."""
    from keras_vit.data import load
    from keras_vit.evaluation import evaluate, write_report
    from keras_vit.model_files import load_classifier, name_of
    from keras_vit.preprocessing import resolve

    preprocessing = values.preprocessing and resolve(values.preprocessing)
    model = load_classifier(values.model).model
    dataset = load(values.dataset, **dataset_flags.arguments(values))
    if model.output_shape[-1] != dataset.num_classes:
        raise ValueError(
            f"The model has {model.output_shape[-1]} classes, "
            f"{dataset.name} has {dataset.num_classes}"
        )
    result = evaluate(model, dataset.test, values.batch_size, preprocessing)
    name = name_of(values.model)
    folder = pathlib.Path(values.folder or pathlib.Path("evaluations") / name)
    write_report(result, dataset.class_names, folder)
    print(
        f"{dataset.name}, {result.count:,} test images\n"
        f"  top-1  {100 * result.top1:.2f} %\n"
        f"  top-5  {100 * result.top5:.2f} %\n"
        f"  loss   {result.loss:.4f}\n"
        f"  files  {folder}/ (evaluation.json, confusion_matrix.png)"
    )
    return 0
