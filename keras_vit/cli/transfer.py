"""`keras-vit transfer`."""

from typing import TYPE_CHECKING, Any

from absl import flags

from keras_vit import recipes
from keras_vit.choices import STRATEGIES
from keras_vit.cli import dataset_flags
from keras_vit.cli.flag import Flag, arguments, with_flag
from keras_vit.cli.flag_types import Folder, Separated, Word
from keras_vit.cli.model_flag import FACTORY, NETWORK, TRAINED, Model, check_weights
from keras_vit.recipes import RECIPES

if TYPE_CHECKING:
    from keras_vit.experiments.transfer_runs import Transfer
    from keras_vit.experiments.vtab import VtabTransfer

SUMMARY = "Fine-tune by the paper's protocol: a sweep of rates, then several runs."
USAGE = "[--recipe=NAME] [--dataset=NAME] [--rates=RATE,...]"
VTAB = "vtab"  # a data set of this name: all tasks of it
CALLS = "transfer"
FLAGS = {
    "recipe": Flag(
        Word("recipe", RECIPES),
        "What to fine-tune and how.",
        "paper/finetune_cifar10",
    ),
    "set": Flag(help="key=value, in place of the recipe's own.", repeated=True),
    "model": Flag(Model(FACTORY, NETWORK, TRAINED)),
    "weights": Flag(),
    **dataset_flags.of_dataset(
        "In place of the recipe's own; vtab: all 19 tasks of VTAB-1k; or"
    ),
    "rates": Flag(Separated()),
    "seeds": Flag(),
    "dev": Flag(),
    "folder": Flag(Folder()),
    "strategy": Flag(
        Word("strategy", STRATEGIES), f"The devices: {', '.join(STRATEGIES)}.", "auto"
    ),
}


def check(values: flags.FlagValues) -> None:
    """Refuse settings that do not exist, and rates that are none."""
    dataset_flags.check(values, VTAB)
    changes = recipes.read_settings(values["set"].value or [])
    recipe = recipes.changed(recipes.get(values.recipe), changes)
    model = values.model or recipe.model.name
    with_flag("weights", check_weights, model, values.weights)
    if values.rates is not None and not all(rate > 0 for rate in values.rates or [0]):
        numbers = ", ".join(f"{rate:g}" for rate in values.rates) or "none"
        raise ValueError(
            f"--rates: Expected learning rates above 0. Received: {numbers}"
        )


def run(values: flags.FlagValues) -> int:
    """Fine-tune, print the table of runs, and return the exit status."""
    from keras_vit.experiments import transfer, transfer_vtab

    recipe = recipes.get(values.recipe)
    options = arguments(values, CALLS, FLAGS) | dataset_flags.arguments(values)
    options |= recipes.read_settings(values["set"].value or [])
    dataset = options.setdefault("dataset", None)
    if dataset is None and not recipe.data.name and values.recipe.endswith(VTAB):
        dataset = VTAB
    if dataset == VTAB:
        del options["dataset"]
        found = transfer_vtab(**options)
    else:
        found = transfer(**options)
    _print_table(found)
    return 0


def _print_table(found: "Transfer | VtabTransfer") -> None:
    """Print a table like the paper's, and where the files are."""
    from keras_vit.experiments.transfer_report import plus_minus

    several = hasattr(found, "tasks")
    whole: Any = found
    rows = [(name, *row[:2]) for name, row in whole.groups().items()] if several else []
    for each in whole.tasks.values() if several else [whole]:
        title = f"{each.dataset} (learning rate {each.rate:g})"
        rows.append((title, each.mean, each.deviation))
    width = max(len(name) for name, _, _ in rows)
    print(f"\n{'':<{width}}  accuracy (%), mean ± deviation")
    for name, mean, deviation in rows:
        print(f"{name:<{width}}  {plus_minus(mean, deviation)}")
    sweep = not several and whole.sweep
    files = f"transfer.md, .json, .csv{', .png' if sweep else ''}"
    print(f"  everything  {found.folder}/ ({files}, a folder for each run)")
