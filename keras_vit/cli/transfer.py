"""`keras-vit transfer`."""

from typing import TYPE_CHECKING, Any

from absl import flags

from keras_vit import recipes
from keras_vit.choices import STRATEGIES
from keras_vit.cli import dataset_flags, flag_types, model_flag
from keras_vit.cli.model_flag import FACTORY, NETWORK, TRAINED
from keras_vit.recipes import RECIPES

if TYPE_CHECKING:
    from keras_vit.experiments.transfer_runs import Transfer
    from keras_vit.experiments.vtab import VtabTransfer

SUMMARY = "Fine-tune by the paper's protocol: a sweep of rates, then several runs."
USAGE = "[--recipe=NAME] [--dataset=NAME] [--rates=RATE,...]"
REQUIRED = ()
TAKES_PATHS = False
VTAB = "vtab"  # a data set of this name: all tasks of it


def define(values: flags.FlagValues) -> None:
    """Define the flags."""
    flag_types.word(
        values,
        "recipe",
        "What to fine-tune and how.",
        RECIPES,
        "paper/finetune_cifar10",
    )
    flag_types.texts(
        values, "set", "key=value, in place of the recipe's own; repeatable."
    )
    model_flag.define(
        values,
        "model",
        "A factory's name, a run's folder or a .keras file; the recipe's own if not "
        "given.",
        (FACTORY, NETWORK, TRAINED),
    )
    flag_types.path(values, "weights", "The pretrained weights of a factory's model.")
    dataset_flags.define(
        values, "In place of the recipe's own; vtab: all 19 tasks of VTAB-1k; or"
    )
    flag_types.numbers(
        values,
        "rates",
        "Learning rates to try on what is left out of the training split; the paper's "
        "if not given. One alone is not tried.",
    )
    flag_types.whole(values, "seeds", "Runs at the best rate.", 3)
    flag_types.text(
        values,
        "dev",
        "What of the training split is left out to judge rates by, such as 10%, or "
        "validation; the paper's if not given.",
    )
    flag_types.folder(
        values,
        "folder",
        "Of all runs and the table of them; transfers/<recipe> if not given. The same "
        "command again resumes.",
    )
    flag_types.word(
        values, "strategy", f"The devices: {', '.join(STRATEGIES)}.", STRATEGIES, "auto"
    )


def check(values: flags.FlagValues) -> None:
    """Refuse settings that do not exist, and rates that are none."""
    dataset_flags.check(values, VTAB)
    changes = recipes.read_settings(values["set"].value or [])
    recipe = recipes.changed(recipes.get(values.recipe), changes)
    flag_types.with_flag(
        "weights",
        model_flag.check_weights,
        values.model or recipe.model.name,
        values.weights,
    )
    if values.rates is not None and not all(rate > 0 for rate in values.rates or [0]):
        numbers = ", ".join(f"{rate:g}" for rate in values.rates) or "none"
        raise ValueError(
            f"--rates: Expected learning rates above 0. Received: {numbers}"
        )


def run(values: flags.FlagValues) -> int:
    """Fine-tune, print the table of runs, and return the exit status."""
    from keras_vit.experiments import transfer, transfer_vtab

    recipe = recipes.get(values.recipe)
    options = {
        "rates": values.rates,
        "seeds": values.seeds,
        "dev": values.dev,
        "folder": values.folder,
        "model": values.model,
        "weights": values.weights,
        "strategy": values.strategy,
        **dataset_flags.arguments(values),
        **recipes.read_settings(values["set"].value or []),
    }
    dataset = values.dataset
    if dataset is None and not recipe.data.name and values.recipe.endswith(VTAB):
        dataset = VTAB
    if dataset == VTAB:
        found = transfer_vtab(values.recipe, **options)
    else:
        found = transfer(values.recipe, dataset=dataset, **options)
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
