"""`keras-vit train`."""

import shlex
from typing import TYPE_CHECKING, Any

from absl import flags

from keras_vit import recipes
from keras_vit.choices import LOGGERS, STRATEGIES
from keras_vit.cli import dataset_flags
from keras_vit.cli.flag import Flag, with_flag
from keras_vit.cli.flag_types import Boolean, Existing, Folder, Path, Word
from keras_vit.cli.model_flag import (
    FACTORY,
    NETWORK,
    SERVED,
    TRAINED,
    Model,
    check_weights,
)
from keras_vit.recipes.settings_file import OF_A_RUN

if TYPE_CHECKING:
    from keras_vit.training.run import Run

ARGUMENTS = ("model", "weights", "teacher", "dataset")  # flags of their own

SUMMARY = "Train a model by a recipe, evaluate it and export it."
USAGE = "[--recipe=NAME] [--set key=value ...] [--folder=FOLDER]"
CALLS = "train"
FLAGS = {
    "recipe": Flag(
        Word("recipe", recipes.RECIPES),
        "What to train and how; keras-vit list --recipes names them all, keras-vit "
        "list --recipe=NAME prints one's settings.",
    ),
    "config": Flag(
        Existing("a file of settings or the config.json of a run"),
        "A YAML or JSON file of settings, such as `epochs: 3`, which flags replace; or "
        "the config.json of a run, or recipe.yaml of a dry one: repeats that run.",
    ),
    "set": Flag(help="key=value, in place of the recipe's own.", repeated=True),
    "model": Flag(Model(FACTORY, NETWORK, TRAINED)),
    "weights": Flag(),
    "teacher": Flag(Model(TRAINED, SERVED)),
    **dataset_flags.of_dataset("In place of the recipe's own"),
    "cache": Flag(Folder()),
    "folder": Flag(Folder()),
    "strategy": Flag(
        Word("strategy", STRATEGIES), f"The devices: {', '.join(STRATEGIES)}.", "auto"
    ),
    "tensorboard": Flag(Path(), "A folder to write curves to, for TensorBoard."),
    "wandb": Flag(
        None,
        "A project of Weights & Biases to log to; WANDB_MODE=offline keeps it here.",
    ),
    "mlflow": Flag(
        None,
        "An experiment of MLflow to log to; MLFLOW_TRACKING_URI says where that is.",
    ),
    "dry_run": Flag(
        Boolean(), "Whether to show what the run would do, and train nothing.", False
    ),
    "jit": Flag(of="jit_compile"),
    "seed": Flag(),
}


def check(values: flags.FlagValues) -> None:
    """Refuse flags that contradict each other, and settings that do not exist."""
    dataset_flags.check(values)
    name, _, of_file, settings = _named(values)
    if _repeats(values):
        if values["recipe"].present or values["seed"].present:
            raise ValueError(
                "--config sets recipe and seed. Expected neither --recipe nor --seed "
                f"beside it. Received: --config={values.config}. Leave them out"
            )
        return
    try:
        recipe = recipes.changed(recipes.get(name), of_file | settings)
    except TypeError as error:  # of a value in the file
        raise ValueError(str(error)) from None
    model = values.model or recipe.model.name
    weights = values.weights or (of_file | settings).get("weights")
    with_flag("weights", check_weights, model, weights)


def _repeats(values: flags.FlagValues) -> bool:
    """Return whether --config names the config.json of a run, which is repeated."""
    path = values.config
    return path is not None and with_flag("config", recipes.holds_a_run, path)


def _named(
    values: flags.FlagValues,
) -> tuple[str, int, dict[str, Any], dict[str, Any]]:
    """Return the recipe's name, the seed, the settings of --config and of --set."""
    settings, of_file = recipes.read_settings(values["set"].value or []), {}
    if values.config is not None and not _repeats(values):
        of_file = recipes.read_settings_file(values.config)
    of_run: dict[str, Any] = {name: values[name].value for name in OF_A_RUN}
    on_command_line = {name: of_run[name] for name in of_run if values[name].present}
    merged = of_run | of_file | on_command_line
    of_file = {name: one for name, one in of_file.items() if name not in OF_A_RUN}
    return merged["recipe"], merged["seed"], of_file, settings


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

    name, seed, of_file, settings = _named(values)
    of_flags = {one: values[one].value for one in ARGUMENTS}
    of_flags = {name: one for name, one in of_flags.items() if one is not None}
    changes = of_file | of_flags | settings
    if _repeats(values):
        recipe, seed = read_config(values.config)
        return recipe, seed, "repeated", changes
    return name, seed, name.replace("/", "-"), changes


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
