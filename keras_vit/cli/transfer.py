"""`keras-vit transfer`."""

from absl import flags

from keras_vit.cli import dataset_flags

SUMMARY = "Fine-tunes by the paper's protocol: a sweep of rates, then several runs."
USAGE = "[--recipe=NAME] [--dataset=NAME] [--rates=RATE,...] [--seeds=N]"
REQUIRED = ()
TAKES_PATHS = False
VTAB = "vtab"  # a data set of this name: all tasks of it


def define(values):
    """Defines the flags."""
    from keras_vit.distribution import STRATEGIES

    options = {"flag_values": values}
    flags.DEFINE_string(
        "recipe", "paper/finetune_cifar10", "What to fine-tune and how.", **options
    )
    flags.DEFINE_multi_string(
        "set", [], "key=value, in place of the recipe's own; repeatable.", **options
    )
    flags.DEFINE_string(
        "model",
        None,
        "A factory's name, a run's folder or a .keras file; the recipe's own if not "
        "given.",
        **options,
    )
    flags.DEFINE_string(
        "weights", None, "What a factory's model begins from.", **options
    )
    dataset_flags.define(
        values, "In place of the recipe's own; vtab: all 19 tasks of VTAB-1k; or"
    )
    flags.DEFINE_list(
        "rates",
        None,
        "Learning rates to try on what is left out of the training split; the paper's "
        "if not given. One alone is not tried.",
        **options,
    )
    flags.DEFINE_integer("seeds", 3, "Runs at the best rate.", **options)
    flags.DEFINE_string(
        "dev",
        None,
        "What of the training split is left out to judge rates by, such as 10%, or "
        "validation; the paper's if not given.",
        **options,
    )
    flags.DEFINE_string(
        "folder",
        None,
        "Of all runs and the table of them; transfers/<recipe> if not given. The same "
        "command again goes on.",
        **options,
    )
    flags.DEFINE_string(
        "strategy", "auto", f"The devices: {', '.join(STRATEGIES)}.", **options
    )


def run(values):
    """Carries the command out and gives its exit status."""
    from keras_vit import recipes
    from keras_vit.training import transfer, transfer_vtab

    recipe = recipes.get(values.recipe)
    options = {
        "rates": values.rates and _numbers(values.rates),
        "seeds": values.seeds,
        "dev": values.dev,
        "folder": values.folder,
        "model": values.model,
        "weights": values.weights,
        "strategy": values.strategy,
        **dataset_flags.arguments(values),
        **recipes.read_settings(values["set"].value),
    }
    dataset = values.dataset
    if dataset is None and not recipe.dataset and values.recipe.endswith(VTAB):
        dataset = VTAB
    if dataset == VTAB:
        found = transfer_vtab(values.recipe, **options)
    else:
        found = transfer(values.recipe, dataset=dataset, **options)
    _tell(found)
    return 0


def _numbers(texts):
    try:
        return [float(text) for text in texts]
    except ValueError:
        raise ValueError(
            f"--rates must be numbers separated by commas. Received: {','.join(texts)}"
        ) from None


def _tell(found):
    """Prints a table like the paper's, and where the files are."""
    from keras_vit.training.transfer_report import plus_minus

    one = not hasattr(found, "tasks")
    rows = [] if one else [(name, *row[:2]) for name, row in found.groups().items()]
    for each in [found] if one else found.tasks.values():
        told = f"{each.dataset} (learning rate {each.rate:g})"
        rows.append((told, each.mean, each.deviation))
    width = max(len(name) for name, _, _ in rows)
    print(f"\n{'':<{width}}  accuracy (%), mean ± deviation")
    for name, mean, deviation in rows:
        print(f"{name:<{width}}  {plus_minus(mean, deviation)}")
    sweep = one and found.sweep
    files = f"transfer.md, .json, .csv{', .png' if sweep else ''}"
    print(f"  everything  {found.folder}/ ({files}, a folder for each run)")
