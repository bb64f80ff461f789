"""Transfer as in the paper's Table 2: a sweep, then several runs at the best rate.

Section B.1.1 of the ViT paper (arXiv:2010.11929): the learning rate is the best of some
on a part of the training split that is left out; with it, several
runs train on the whole training split and are evaluated on the test split.
"""

from __future__ import annotations

import pathlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np

from keras_vit import distribution, recipes
from keras_vit.experiments.sweep import (
    best_of,
    checked_rates,
    dev_splits,
    keeping_labels,
)
from keras_vit.experiments.transfer_report import write_transfer
from keras_vit.experiments.trials import Outcome, Trial, run_trials
from keras_vit.recipes import Recipe
from keras_vit.recipes.tasks import name_of
from keras_vit.renamed import with_new_names
from keras_vit.training.arguments import (
    DatasetArgument,
    ModelArgument,
    Path,
    TrainArguments,
    TrainSettings,
    path_to_str,
    strategy_of,
)
from keras_vit.training.resolved_recipe import resolved
from keras_vit.verbosity import Verbose, lines_shown

if TYPE_CHECKING:
    import tensorflow as tf


@dataclass(frozen=True)
class Transfer:
    """The accuracy of a model on a data set after fine-tuning.

    Attributes:
        dataset: its name.
        rates: the learning rates that were tried.
        sweep: for each an `Outcome` on the part that was left out; empty
            where there is but one rate.
        rate: the one that was chosen.
        runs: for each seed an `Outcome` on the test split.
        folder: where everything lies.
    """

    dataset: str
    _: KW_ONLY
    rates: tuple[float, ...]
    sweep: tuple[Outcome, ...]
    rate: float
    runs: tuple[Outcome, ...]
    folder: pathlib.Path

    @property
    def accuracies(self) -> np.ndarray:
        """Return each run's accuracy on the test split, `(S,)`, in [0, 1]."""
        return np.array([one.top1 for one in self.runs])

    @property
    def mean(self) -> float:
        """Return the mean of the runs' accuracies."""
        return float(self.accuracies.mean())

    @property
    def deviation(self) -> float:
        """Return their standard deviation, over S - 1; 0 for one run alone."""
        return deviation_of(self.accuracies)


def transfer(
    recipe: str | Recipe,
    *,
    rates: Iterable[float] | None = None,
    seeds: int = 3,
    dev: str | None = None,
    folder: Path | None = None,
    model: ModelArgument | None = None,
    weights: Path | None = None,
    teacher: ModelArgument | None = None,
    dataset: DatasetArgument | None = None,
    strategy: str | tf.distribute.Strategy = "one",
    data_dir: Path | None = None,
    download: bool = False,
    verbose: Verbose = 1,
    **settings: Unpack[TrainSettings],
) -> Transfer:
    """Fine-tune by the paper's protocol, and return mean and standard deviation.

    Each learning rate is tried once, with the seed 0, on the training split
    without a part that is left out, on which it is evaluated. The best by
    accuracy there, by loss if several are equal, is the rate of `seeds` runs
    on the whole training split. These alone are evaluated on the test split.
    Images of a VTAB task are cropped and mirrored only where that does not
    change their labels.

    Interrupted and called again with the same arguments, it resumes; called
    with more rates or seeds, it adds them.

    Args:
        recipe: a key of `keras_vit.recipes.RECIPES`, or a `Recipe`.
        rates: learning rates to be tried. By default those of Table 4 for a fine-tuning
            recipe of the paper, else `sweep.FACTORS` times the recipe's own; for
            VTAB that alone, as in the paper. One alone is not tried.
        seeds: how many runs at the best rate; of seeds 0, 1, ...
        dev: the share of the training split that is left out, such as `"10%"`;
            or `"validation"`: none, the rates are evaluated on that split. By
            default as in the paper for its data sets and for VTAB (200 images),
            `"validation"` where the setting `validation` takes such a split from
            training, else `sweep.DEV_SHARE`.
        folder: where all runs go and resume, and their report, `transfer.json`,
            `.csv`, `.md` and `.png`; `transfers/<recipe>` by default.
        model: as `train` takes it. A Keras model stays as it is: each run
            trains a copy, with a new head where its classes are others.
        weights: as `train` takes it.
        teacher: as `train` takes it.
        dataset: as `train` takes it.
        strategy: as `train` takes it.
        data_dir: as `train` takes it.
        download: as `train` takes it.
        verbose: as `train` takes it.
        **settings: of the recipe, instead of its own, or options of
            `keras_vit.data.load`, as `train` takes them.

    Returns:
        A `Transfer`.

    Raises:
        ValueError, TypeError: before any training, for arguments that do not
            fit.

    Example:

    >>> found = transfer("paper/finetune_cifar10")  # doctest: +SKIP
    >>> print(found.rate, found.mean, found.deviation)  # doctest: +SKIP
    """
    changes = with_new_names(dict(settings), recipes.RENAMED, "transfer", stacklevel=3)
    name = recipe if isinstance(recipe, str) else _name_of(recipe)
    if "base_lr" in changes:
        raise ValueError(
            "base_lr must be left to rates, the learning rates that are tried. "
            f"Received: base_lr={changes['base_lr']}. Pass rates=[{changes['base_lr']}]"
        )
    if weights is not None:
        changes["weights"] = path_to_str(weights)
    arguments = TrainArguments.of(model, dataset, teacher).with_copied_model()
    recipe = keeping_labels(resolved(recipe, arguments, changes))
    _check(recipe, seeds)
    rates = checked_rates(rates, name, recipe)
    parts = dev_splits(dev, name, recipe)
    default = f"transfers/{name.replace('/', '-') or 'recipe'}"
    path = pathlib.Path(path_to_str(folder or default))
    how: dict[str, Any] = {  # what recipes cannot name
        "model": _object(arguments.model),
        "teacher": _object(arguments.teacher),
        "dataset": _object(arguments.dataset),
        "strategy": strategy_of(strategy),
        "data_dir": data_dir,
        "download": download,
        "verbose": verbose,
    }
    with lines_shown(verbose):
        found = _carried_out(recipe, rates, parts, seeds=seeds, folder=path, how=how)
    if distribution.is_chief(how["strategy"]):
        write_transfer(found)
    return found


def _object(argument: Any) -> Any:
    return None if isinstance(argument, str) else argument


def deviation_of(values: Sequence[float] | np.ndarray) -> float:
    """Return the sample's standard deviation, over N - 1; 0 for one value."""
    return float(np.std(values, ddof=1)) if len(values) > 1 else 0.0


def _carried_out(
    recipe: Recipe,
    rates: tuple[float, ...],
    parts: tuple[str, str],
    *,
    seeds: int,
    folder: pathlib.Path,
    how: Mapping[str, Any],
) -> Transfer:
    """Run the sweep, trained and evaluated on `parts`, and the runs that follow."""

    def at(rate, **changes):
        return recipes.changed(recipe, {"base_lr": rate, **changes})

    tried = dict(zip(("train_split", "eval_split"), parts, strict=True))
    tries = [Trial(f"rate_{rate:g}_dev", at(rate, **tried)) for rate in rates]
    sweep: tuple[Outcome, ...] = ()
    first, *others = rates
    if others:
        sweep = tuple(run_trials(tries, folder, **how).values())
    best = best_of(rates, sweep) if sweep else first
    final = [Trial(f"rate_{best:g}_seed_{n}", at(best), n) for n in range(seeds)]
    runs = tuple(run_trials(final, folder, **how).values())
    name = str(recipe.data.name)
    return Transfer(name, rates=rates, sweep=sweep, rate=best, runs=runs, folder=folder)


def _name_of(recipe: Recipe) -> str:
    return next((name for name, r in recipes.RECIPES.items() if r == recipe), "")


def _check(recipe: Recipe, seeds: int) -> None:
    if not recipe.data.name:
        raise ValueError(
            "dataset= (--dataset=) must be a name or the path of your images, as the "
            "recipe names no data set. Received: none"
        )
    if not recipe.task.learns_labels:
        raise ValueError(
            "transfer needs a recipe that trains on labels, not without. "
            f"Received: task={name_of(recipe.task)}"
        )
    if (recipe.data.eval_split or "").startswith("train"):
        raise ValueError(
            "eval_split must not be a part of the training split; the part that the "
            "sweep of learning rates is evaluated on is dev. "
            f"Received: eval_split={recipe.data.eval_split!r}"
        )
    if seeds < 1:
        raise ValueError(f"seeds must be at least 1. Received: seeds={seeds}")
