"""`keras-vit train`."""

import shlex

from absl import flags

from keras_vit.cli import dataset_flags

SUMMARY = "Trains a model by a recipe, evaluates it and exports it."
USAGE = "[--recipe=NAME] [--set key=value ...] [--folder=FOLDER]"
REQUIRED = ()
TAKES_PATHS = False


def define(values):
    """Defines the flags."""
    from keras_vit.distribution import STRATEGIES

    options = {"flag_values": values}
    flags.DEFINE_string(
        "recipe",
        "fashion_mnist",
        "What to train and how; keras-vit list --recipes names them all.",
        **options,
    )
    flags.DEFINE_string(
        "config",
        None,
        "The config.json of a run, in place of a recipe: repeats that run.",
        **options,
    )
    flags.DEFINE_multi_string(
        "set", [], "key=value, in place of the recipe's own; repeatable.", **options
    )
    flags.DEFINE_string(
        "model",
        None,
        "A factory's name, such as ViT_Ti16; one of Keras's networks, such as "
        "keras:EfficientNetV2B0; or a model trained before: a run's folder or a .keras "
        "file. The recipe's own if not given.",
        **options,
    )
    flags.DEFINE_string(
        "weights", None, "What a factory's model begins from.", **options
    )
    flags.DEFINE_string(
        "teacher",
        None,
        "A saved model to learn from, for distillation or pseudo labels.",
        **options,
    )
    dataset_flags.define(values, "In place of the recipe's own")
    flags.DEFINE_string(
        "folder",
        None,
        "What the run writes; runs/<recipe> if not given. The same command again goes "
        "on with a run that was ended.",
        **options,
    )
    flags.DEFINE_string(
        "strategy", "auto", f"The devices: {', '.join(STRATEGIES)}.", **options
    )
    flags.DEFINE_boolean("jit", False, "Whether XLA compiles the step.", **options)
    flags.DEFINE_integer(
        "seed", 0, "Of weights, order, augmentation and dropout.", **options
    )


def run(values):
    """Carries the command out and gives its exit status."""
    from keras_vit import recipes
    from keras_vit.training import read_config, train

    recipe, seed, name = _recipe(values, recipes, read_config)
    run = train(
        recipe,
        name=name,
        model=values.model,
        weights=values.weights,
        teacher=values.teacher,
        dataset=values.dataset,
        folder=values.folder,
        strategy=values.strategy,
        jit_compile=values.jit,
        seed=seed,
        **dataset_flags.arguments(values),
        **recipes.read_settings(values["set"].value),
    )
    _tell(run)
    return 0


def _recipe(values, recipes, read_config):
    """What to do: of --config, or of --recipe."""
    if values.config is None:
        return recipes.get(values.recipe), values.seed, values.recipe.replace("/", "-")
    if values["recipe"].present or values["seed"].present:
        raise ValueError("--config settles recipe and seed, so neither can be given.")
    recipe, seed = read_config(values.config)
    return recipe, seed, "repeated"


def _tell(run):
    from keras_vit.evaluation.headline import headline, without_area
    from keras_vit.model_files import LABELS
    from keras_vit.training.examination import MaskedPatchEvaluation

    result = run.evaluation
    if isinstance(result, MaskedPatchEvaluation):
        following = ["keras-vit", "train", f"--model={run.folder}"]
        print(
            f"\nOf masked patches, {100 * result.accuracy:.2f} % of the colours are "
            f"right (loss {result.loss:.3f}) on {result.count:,} images\n"
            f"  everything  {run.folder}/ (config.json, history.csv, "
            "learning_curves.png)\n"
            f"  model       {run.folder / 'model.keras'}, without a head\n"
            f"Next: {shlex.join(following)}"
        )
        return
    if run.saved_model is None:  # of a worker that is not the chief
        return
    examples = sorted((run.folder / "images").iterdir())[:1] or ["photo.jpg"]
    following = ["keras-vit", "predict", f"--model={run.folder}", str(examples[0])]
    names = (run.folder / LABELS).read_text(encoding="utf-8").splitlines()
    (first, *others), left_out = headline(result, names), without_area(result)
    left_out = f"  {left_out}\n" if left_out else ""
    told = "".join(f"{one.label} {100 * one.value:.2f} %, " for one in others)
    name = "accuracy" if first.metric == "top1" else first.label
    print(
        f"\nTest {name} {100 * first.value:.2f} % ({told}"
        f"loss {result.loss:.3f}) on {result.count:,} images\n"
        f"{left_out}"
        f"  everything  {run.folder}/ (config.json, history.csv, learning_curves.png, "
        "confusion_matrix.png, images/)\n"
        f"  model       {run.folder / 'model.keras'}\n"
        f"  SavedModel  {run.saved_model}/\n"
        f"Next: {shlex.join(following)}"
    )
