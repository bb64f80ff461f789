"""`keras-vit train`."""

import shlex
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from absl import flags

from keras_vit import recipes
from keras_vit.choices import LOGGERS, STRATEGIES
from keras_vit.cli import dataset_flags, flag_types, model_flag
from keras_vit.cli.model_flag import FACTORY, NETWORK, SERVED, TRAINED
from keras_vit.recipes.settings_file import OF_A_RUN

if TYPE_CHECKING:
    from keras_vit.training.run import Run

ARGUMENTS = ("model", "weights", "teacher", "dataset")  # flags of their own

SUMMARY = "Train a model by a recipe, evaluate it and export it."
USAGE = "[--recipe=NAME] [--set key=value ...] [--folder=FOLDER]"
REQUIRED = ()
TAKES_PATHS = False


def define(values: flags.FlagValues) -> None:
    """Define the flags."""
    flag_types.word(
        values,
        "recipe",
        "What to train and how; keras-vit list --recipes names them all, keras-vit "
        "list --recipe=NAME prints one's settings.",
        recipes.RECIPES,
        "fashion_mnist",
    )
    flag_types.existing(
        values,
        "config",
        "A YAML or JSON file of settings, such as `epochs: 3`, which flags replace; or "
        "the config.json of a run, or recipe.yaml of a dry one: repeats that run.",
        "a file of settings or the config.json of a run",
    )
    flag_types.texts(
        values, "set", "key=value, in place of the recipe's own; repeatable."
    )
    model_flag.define(
        values,
        "model",
        "A factory's name, such as ViT_Ti16; one of Keras's networks, such as "
        "keras:EfficientNetV2B0; or a model trained before: a run's folder or a .keras "
        "file. The recipe's own if not given.",
        (FACTORY, NETWORK, TRAINED),
    )
    flag_types.path(values, "weights", "The pretrained weights of a factory's model.")
    model_flag.define(
        values,
        "teacher",
        "A saved model to learn from, for distillation or pseudo labels.",
        (TRAINED, SERVED),
    )
    dataset_flags.define(values, "In place of the recipe's own")
    flag_types.folder(
        values,
        "cache",
        "Where large image files are kept small, so that later epochs and runs "
        "decode the small ones alone; what it takes is said before the run.",
    )
    flag_types.folder(
        values,
        "folder",
        "Where the run's results go; runs/<recipe> if not given. The same command "
        "again resumes a run that was stopped.",
    )
    flag_types.word(
        values, "strategy", f"The devices: {', '.join(STRATEGIES)}.", STRATEGIES, "auto"
    )
    flag_types.path(
        values, "tensorboard", "A folder to write curves to, for TensorBoard."
    )
    flag_types.text(
        values,
        "wandb",
        "A project of Weights & Biases to log to; WANDB_MODE=offline keeps it here.",
    )
    flag_types.text(
        values,
        "mlflow",
        "An experiment of MLflow to log to; MLFLOW_TRACKING_URI says where that is.",
    )
    flag_types.boolean(
        values, "dry_run", "Whether to show what the run would do, and train nothing."
    )
    flag_types.boolean(values, "jit", "Whether XLA compiles the step.")
    flag_types.whole(values, "seed", "Of weights, order, augmentation and dropout.", 0)


def check(values: flags.FlagValues) -> None:
    """Refuse flags that contradict each other, and settings that do not exist."""
    dataset_flags.check(values)
    settings = recipes.read_settings(values["set"].value or [])
    of_file = {}
    if values.config is not None and not _repeats(values):
        of_file = recipes.read_settings_file(values.config)
    elif values.config is not None:
        if values["recipe"].present or values["seed"].present:
            raise ValueError(
                "--config sets recipe and seed. Expected neither --recipe nor --seed "
                f"beside it. Received: --config={values.config}. Leave them out"
            )
        return
    name = _recipe_name(values, of_file)
    settings = {n: v for n, v in of_file.items() if n not in OF_A_RUN} | settings
    try:
        recipe = recipes.changed(recipes.get(name), settings)
    except TypeError as error:  # of a value in the file
        raise ValueError(str(error)) from None
    flag_types.with_flag(
        "weights",
        model_flag.check_weights,
        values.model or recipe.model.name,
        values.weights or settings.get("weights"),
    )


def _repeats(values: flags.FlagValues) -> bool:
    """Return whether --config names the config.json of a run, which is repeated."""
    return flag_types.with_flag("config", recipes.holds_a_run, values.config)


def _recipe_name(values: flags.FlagValues, of_file: Mapping[str, Any]) -> str:
    """Return the name of the recipe: that of its flag, of --config, or the default."""
    if values["recipe"].present:
        return values.recipe
    return of_file.get("recipe", values.recipe)


def run(values: flags.FlagValues) -> int:
    """Train, print the numbers of the run, and return the exit status."""
    from keras_vit.training import dry_run, train
    from keras_vit.training.loggers import open_loggers

    recipe, seed, name, settings = _recipe(values)
    arguments = {
        "name": name,
        "folder": values.folder,
        "cache": values.cache,
        "strategy": values.strategy,
        "seed": seed,
        **dataset_flags.arguments(values),
        **settings,
    }
    if values.dry_run:
        print(f"\n{dry_run(recipe, **arguments)}")
        return 0
    loggers = {one: values[one].value for one in LOGGERS}
    with open_loggers(**loggers) as callbacks:
        run = train(recipe, callbacks=callbacks, jit_compile=values.jit, **arguments)
    _print_results(run)
    return 0


def _recipe(
    values: flags.FlagValues,
) -> tuple[str | recipes.Recipe, int, str, dict[str, Any]]:
    """Return the recipe of a run, its seed and name, and what is set otherwise.

    The recipe is a name, or that of a run to be repeated as it was.
    """
    from keras_vit.training import read_config

    flags_set = {name: values[name].value for name in ARGUMENTS}
    settings = {name: value for name, value in flags_set.items() if value is not None}
    settings |= recipes.read_settings(values["set"].value or [])
    if values.config is None:
        name = values.recipe.replace("/", "-")
        return values.recipe, values.seed, name, settings
    if _repeats(values):
        recipe, seed = read_config(values.config)
        return recipe, seed, "repeated", settings
    of_file = recipes.read_settings_file(values.config)
    name, seed = _recipe_name(values, of_file), of_file.get("seed", 0)
    seed = values.seed if values["seed"].present else seed
    settings = {n: v for n, v in of_file.items() if n not in OF_A_RUN} | settings
    return name, seed, name.replace("/", "-"), settings


def _print_results(run: "Run") -> None:
    """Print the numbers of a run, where its files are, and what to do next."""
    from keras_vit.evaluation.headline import (
        headline,
        majority,
        support,
        without_area,
    )
    from keras_vit.model_files import LABELS
    from keras_vit.training.tasks.evaluators import LossEvaluation

    result = run.evaluation
    if isinstance(result, LossEvaluation):
        following = ["keras-vit", "train", f"--model={run.folder}"]
        print(
            f"\n{100 * result.accuracy:.2f} % of the {result.predicted} are correct "
            f"(loss {result.loss:.3f}) on {result.count:,} images\n"
            f"  everything  {run.folder}/ (report.html, config.json, "
            "history.csv, learning_curves.png)\n"
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
    more = "".join(f"{one.label} {one.text}, " for one in others)
    name = "accuracy" if first.metric == "top1" else first.label
    name = f"{run.eval_split[0].upper()}{run.eval_split[1:]} {name}"
    print(
        f"\n{name} {first.text} on {result.count:,} images; {majority(result)}\n"
        f"  {more}loss {result.loss:.3f}\n"
        f"  {support(result, names)}\n"
        f"{left_out}"
        f"  everything  {run.folder}/ (report.html, config.json, history.csv, "
        "learning_curves.png, confusion_matrix.png, images/)\n"
        f"  model       {run.folder / 'model.keras'}\n"
        f"  SavedModel  {run.saved_model}/\n"
        f"Next: {shlex.join(following)}"
    )
