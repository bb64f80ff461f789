"""All of VTAB-1k by one call, and the means of its groups (arXiv:1910.04867)."""

from __future__ import annotations

import pathlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np

from keras_vit import distribution
from keras_vit.data import tfds
from keras_vit.data.vtab import GROUPS, PREFIX, TASKS
from keras_vit.experiments.transfer_report import (
    numbers_of,
    plus_minus,
    rows_of,
    write_numbers,
)
from keras_vit.experiments.transfer_runs import Transfer, deviation_of, transfer
from keras_vit.recipes import Recipe
from keras_vit.training.arguments import (
    ModelArgument,
    Path,
    TrainSettings,
    path_to_str,
    strategy_of,
)
from keras_vit.verbosity import Verbose

if TYPE_CHECKING:
    import tensorflow as tf

ALL = "all"  # the mean over tasks, whatever their groups


@dataclass(frozen=True)
class VtabTransfer:
    """The accuracy of a model on tasks of VTAB-1k after fine-tuning.

    Attributes:
        tasks: a `Transfer` for each task, by its name.
        folder: where everything lies.
    """

    tasks: dict[str, Transfer]
    folder: pathlib.Path

    def groups(self) -> dict[str, tuple[float, float, int]]:
        """Return mean, deviation and number of tasks of each group, and of `"all"`.

        Every task has the same weight. The deviation is over runs, of the mean
        over tasks for each seed.
        """
        wanted = GROUPS | {ALL: tuple(TASKS)}
        found = {}
        for group, names in wanted.items():
            there = [
                self.tasks[name].accuracies for name in names if name in self.tasks
            ]
            if there:
                of_seeds = np.mean(there, axis=0)
                found[group] = (
                    float(of_seeds.mean()),
                    deviation_of(of_seeds),
                    len(there),
                )
        return found


def transfer_vtab(
    recipe: str | Recipe = "paper/finetune_vtab",
    *,
    tasks: Iterable[str] | None = None,
    rates: Iterable[float] | None = None,
    seeds: int = 3,
    dev: str | None = None,
    folder: Path | None = None,
    model: ModelArgument | None = None,
    weights: Path | None = None,
    teacher: ModelArgument | None = None,
    strategy: str | tf.distribute.Strategy = "one",
    data_dir: Path | None = None,
    download: bool = False,
    verbose: Verbose = 1,
    **settings: Unpack[TrainSettings],
) -> VtabTransfer:
    """Fine-tune on the tasks of VTAB-1k, one after the other, by `transfer`.

    Interrupted and called again, it resumes.

    Args:
        recipe: a key of `keras_vit.recipes.RECIPES`, or a `Recipe`.
        tasks: keys of `keras_vit.data.vtab.TASKS`; all 19 by default.
        rates: as `transfer` takes them.
        seeds: as `transfer` takes them.
        dev: as `transfer` takes it.
        folder: in which each task has a folder; also of `transfer.json`,
            `.csv` and `.md`. `transfers/vtab` by default.
        model: as `transfer` takes it.
        weights: as `transfer` takes them.
        teacher: as `transfer` takes it.
        strategy: as `transfer` takes it.
        data_dir: where TensorFlow Datasets has prepared the tasks.
        download: whether TensorFlow Datasets may download what is not there.
        verbose: as `train` takes it.
        **settings: as `transfer` takes them.

    Returns:
        A `VtabTransfer`.

    Raises:
        ValueError: for an unknown task.
        FileNotFoundError: before any training, naming all data sets that are
            not prepared, unless `download` is true.

    Example:

    >>> found = transfer_vtab(data_dir="tfds")  # doctest: +SKIP
    >>> mean, deviation, count = found.groups()["natural"]  # doctest: +SKIP
    """
    names = tuple(TASKS) if tasks is None else tuple(tasks)
    unknown = [name for name in names if name not in TASKS]
    if unknown or not names:
        raise ValueError(
            f"Expected tasks of {', '.join(TASKS)}. "
            f"Received: {', '.join(unknown) or 'none'}"
        )
    rates = None if rates is None else tuple(rates)  # which may come only once
    data_dir = None if data_dir is None else path_to_str(data_dir)
    if not download:
        check_prepared(names, data_dir)
    devices = strategy_of(strategy)
    path, found = pathlib.Path(path_to_str(folder or "transfers/vtab")), {}
    for name in names:
        found[name] = transfer(
            recipe,
            rates=rates,
            seeds=seeds,
            dev=dev,
            folder=path / name,
            model=model,
            weights=weights,
            teacher=teacher,
            dataset=f"{PREFIX}{name}",
            strategy=devices,
            data_dir=data_dir,
            download=download,
            verbose=verbose,
            **settings,
        )
    whole = VtabTransfer(found, path)
    if distribution.is_chief(devices):
        rows = [row for one in found.values() for row in rows_of(one)]
        write_numbers(path, _numbers(whole), rows, _markdown(whole))
    return whole


def check_prepared(names: Sequence[str], data_dir: Path | None) -> None:
    """Refuse tasks whose data sets are not on this machine, naming all of them.

    Raises:
        FileNotFoundError: for those that are not prepared.
        ValueError: for one in another format than TFRecord.
    """
    missing = []
    for data in dict.fromkeys(TASKS[name].data for name in names):
        try:
            tfds.prepared(data, data_dir=data_dir)
        except FileNotFoundError:
            missing.append(data)
    if missing:
        raise FileNotFoundError(
            f"Not prepared: {', '.join(missing)}. To have them downloaded, as far as "
            "they can be, pass download=True (--download), or build each: tfds build "
            f"{missing[0]}"
        )


def _numbers(whole: VtabTransfer) -> dict[str, Any]:
    groups = {
        name: {"mean": mean, "deviation": deviation, "tasks": count}
        for name, (mean, deviation, count) in whole.groups().items()
    }
    tasks = {name: numbers_of(one) for name, one in whole.tasks.items()}
    return {"groups": groups, "tasks": tasks}


def _markdown(whole: VtabTransfer) -> list[str]:
    runs = len(next(iter(whole.tasks.values())).runs)
    lines = ["# Transfer to VTAB-1k", "", "| tasks | accuracy (%) |", "| --- | ---: |"]
    for name, (mean, deviation, count) in whole.groups().items():
        lines.append(f"| {name} ({count}) | {plus_minus(mean, deviation)} |")
    lines += ["", "| task | accuracy (%) | learning rate |", "| --- | ---: | ---: |"]
    for name, one in whole.tasks.items():
        accuracy = plus_minus(one.mean, one.deviation)
        lines.append(f"| {name} | {accuracy} | {one.rate:g} |")
    return [
        *lines,
        "",
        f"Mean and standard deviation (over n - 1) of {runs} fine-tuning "
        f"run{'s' * (runs > 1)} on 1,000 images of each task, tested on its whole test "
        "split; of several tasks, of the mean over them for each seed.",
    ]
