"""`keras-vit train`."""

import pathlib
import shlex

from absl import flags

SUMMARY = "Trains a model by a recipe, evaluates it and exports it."
USAGE = "[--recipe=NAME] [--set key=value ...] [--folder=FOLDER]"
REQUIRED = ()
TAKES_PATHS = False
OF_THE_MODEL = ("image_size", "stem_width_factor")  # settings of the recipe's own


def define(values):
    """Defines the flags."""
    from keras_vit.data.sources import SOURCES
    from keras_vit.recipes import RECIPES

    options = {"flag_values": values}
    flags.DEFINE_enum(
        "recipe", "fashion_mnist", list(RECIPES), "What to train and how.", **options
    )
    flags.DEFINE_multi_string(
        "set", [], "key=value, in place of the recipe's own; repeatable.", **options
    )
    flags.DEFINE_string(
        "model",
        None,
        "A factory's name, such as ViT_Ti16, or a model trained before: a run's folder "
        "or a .keras file. The recipe's own if not given.",
        **options,
    )
    flags.DEFINE_enum(
        "dataset", None, list(SOURCES), "The recipe's own if not given.", **options
    )
    flags.DEFINE_string(
        "folder", None, "What the run writes; runs/<recipe> if not given.", **options
    )
    flags.DEFINE_integer(
        "seed", 0, "Of weights, order, augmentation and dropout.", **options
    )


def run(values):
    """Carries the command out and gives its exit status."""
    from keras_vit import recipes
    from keras_vit.training import train

    recipe = recipes.override(recipes.get(values.recipe), values["set"].value)
    run = train(
        recipe,
        name=values.recipe,
        model=_model(values),
        dataset=values.dataset,
        folder=values.folder,
        seed=values.seed,
    )
    _tell(run)
    return 0


def _model(values):
    """The model that --model means: a name as it is, a path loaded."""
    from keras_vit.factories import FACTORIES
    from keras_vit.model_files import ServedModel, load_classifier

    if values.model is None:
        return None
    for setting in values["set"].value:
        key = setting.partition("=")[0]
        if key in OF_THE_MODEL and not (
            key == "image_size" and values.model in FACTORIES
        ):
            raise ValueError(f"--set {key} clashes with --model={values.model}")
    if values.model in FACTORIES:
        return values.model
    if not pathlib.Path(values.model).exists():
        raise ValueError(
            "--model must be a factory's name or an existing path. Expected one of "
            f"{', '.join(FACTORIES)}. Received: {values.model!r}"
        )
    model = load_classifier(values.model).model
    if isinstance(model, ServedModel):
        raise ValueError(
            f"A SavedModel cannot be trained. Name a run's folder or a .keras file. "
            f"Received: {values.model!r}"
        )
    return model


def _tell(run):
    result = run.evaluation
    example = sorted((run.folder / "images").iterdir())[0]
    following = ["keras-vit", "predict", f"--model={run.folder}", str(example)]
    print(
        f"\nTest accuracy {100 * result.top1:.2f} % (top-5 {100 * result.top5:.2f} %, "
        f"loss {result.loss:.3f}) on {result.count:,} images\n"
        f"  everything  {run.folder}/ (config.json, history.csv, learning_curves.png, "
        "confusion_matrix.png, images/)\n"
        f"  model       {run.folder / 'model.keras'}\n"
        f"  SavedModel  {run.saved_model}/\n"
        f"Next: {shlex.join(following)}"
    )
