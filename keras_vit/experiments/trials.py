"""Several runs that are compared: each trained once, whatever comes in between."""

from __future__ import annotations

import dataclasses
import gc
import json
import logging
import pathlib
import time
from collections.abc import Iterable, Mapping
from dataclasses import KW_ONLY, dataclass
from typing import TYPE_CHECKING, Any, Unpack

from keras_vit import distribution
from keras_vit.data.inputs import ReadOptions
from keras_vit.experiments.same_images import check_same_images
from keras_vit.files import write_json
from keras_vit.inspect import summary
from keras_vit.recipes import Recipe
from keras_vit.training.arguments import (
    DatasetArgument,
    ModelArgument,
    Path,
    TrainArguments,
    path_to_str,
    strategy_of,
)
from keras_vit.training.artifacts.opening import open_run_folder
from keras_vit.training.config import RunConfig
from keras_vit.training.run import train
from keras_vit.verbosity import Verbose, lines_shown

if TYPE_CHECKING:
    import tensorflow as tf

LOG = logging.getLogger(__name__)
OUTCOME = "outcome.json"  # in a trial's folder once it is finished


@dataclass(frozen=True)
class Trial:
    """One training run among several that are compared.

    Attributes:
        name: unlike the others'; also that of its folder.
        recipe: what it trains, a `Recipe`.
        seed: of the run.
        begins_from: the name of a trial before it, whose trained model this one
            begins from; empty: the recipe's own model.
    """

    name: str
    recipe: Recipe
    seed: int = 0
    begins_from: str = ""


@dataclass(frozen=True)
class Outcome:
    """The results of a trial.

    Attributes:
        top1: the accuracy on the split that is evaluated at the end; of the colours of
            corrupted patches, where the model was trained without labels.
        loss: the mean there.
        count: the images there.
        steps: that were taken.
        images: that were seen in them, the same ones again included.
        seconds: of training, with its evaluations, over all its sessions.
        parameters: of the model.
        multiply_adds: of the model, for one image.
        folder: of the run.
    """

    top1: float
    _: KW_ONLY
    loss: float
    count: int
    steps: int
    images: int
    seconds: float
    parameters: int
    multiply_adds: int
    folder: pathlib.Path


def run_trials(
    trials: Iterable[Trial],
    folder: Path,
    *,
    model: ModelArgument | None = None,
    teacher: ModelArgument | None = None,
    dataset: DatasetArgument | None = None,
    strategy: str | tf.distribute.Strategy = "one",
    data_dir: Path | None = None,
    download: bool = False,
    verbose: Verbose = 1,
    **options: Unpack[ReadOptions],
) -> dict[str, Outcome]:
    """Train each trial that is not finished, without exporting it.

    Interrupted and called again with the same arguments it resumes: a finished
    trial is read, an unfinished one resumes from its checkpoint, the others are
    started. Each is reported in a line.

    Args:
        trials: a sequence of `Trial`.
        folder: in which each trial has its folder, `<folder>/<name>`.
        model: as `train` takes it, of every trial that begins from no other; by
            default each recipe's own. A Keras model stays as it is: each trial
            trains a copy.
        teacher: as `train` takes it; by default each recipe's own.
        dataset: as `train` takes it; by default each recipe's own.
        strategy: as `train` takes it.
        data_dir: as `train` takes it.
        download: as `train` takes it.
        verbose: as `train` takes it.
        **options: of `keras_vit.data.load`, as `train` takes them.

    Returns:
        `{name: Outcome}`, in the order of `trials`.

    Raises:
        ValueError: before any training, for names that are equal or no names
            of folders, for `begins_from` that names no trial before, and for a
            folder that holds a run of another recipe or seed, with the
            differences. Also where the images that trials are evaluated on have
            changed between two of them.
        FileExistsError: if a folder holds something else.

    Example:

    >>> from keras_vit import recipes
    >>> recipe = recipes.changed(recipes.get("fashion_mnist"), {"epochs": 1})
    >>> trials = [Trial(f"seed_{seed}", recipe, seed) for seed in (0, 1, 2)]
    >>> outcomes = run_trials(trials, "runs/seeds")  # doctest: +SKIP
    >>> outcomes["seed_1"].top1  # doctest: +SKIP
    0.7215
    """
    trials, path = tuple(trials), pathlib.Path(path_to_str(folder))
    check_names(trials)
    first = TrainArguments.of(model, dataset, teacher).with_copied_model()
    with lines_shown(verbose):
        _check_folders(trials, path, first, options)
        settings = {
            "teacher": first.teacher,
            "dataset": first.dataset,
            "data_dir": data_dir,
            "download": download,
            "verbose": verbose,
            "strategy": strategy_of(strategy),
            **options,
        }
        outcomes, begun, trained, evaluated = {}, time.perf_counter(), 0, {}
        for number, trial in enumerate(trials, start=1):
            outcome = _read(path / trial.name)
            if outcome is None:
                outcome = _train(trial, path, model_of(trial, path, first), settings)
                trained += 1
            check_same_images(path / trial.name, evaluated)
            outcomes[trial.name] = outcome
            left = sum(_read(path / one.name) is None for one in trials[number:])
            line = _line(number, len(trials), trial, outcome)
            if trained and left:
                spent = time.perf_counter() - begun
                line += f"; {_duration(left * spent / trained)} left"
            LOG.info(line)
    return outcomes


def check_names(trials: Iterable[Trial]) -> None:
    """Refuse trials whose names clash, or that begin from none before them.

    Raises:
        ValueError: for what `run_trials` refuses of names.
    """
    seen = set()
    for trial in trials:
        if trial.name in seen or pathlib.Path(trial.name).name != trial.name:
            raise ValueError(
                "A trial's name must be a valid and unique name of a folder. "
                f"Received: {trial.name!r} after {', '.join(sorted(seen)) or 'none'}"
            )
        if trial.begins_from and trial.begins_from not in seen:
            raise ValueError(
                f"The trial {trial.name!r} must begin from a trial before it, one of "
                f"{', '.join(sorted(seen)) or 'none'}. Received: {trial.begins_from!r}"
            )
        seen.add(trial.name)


def model_of(
    trial: Trial, folder: pathlib.Path, arguments: TrainArguments | None = None
) -> Any:
    """Return what `train` is to begin from.

    Another trial's folder as text, or the model of the arguments.
    """
    if trial.begins_from:
        return str(folder / trial.begins_from)
    return arguments.model if arguments else None


def _check_folders(
    trials: Iterable[Trial],
    folder: pathlib.Path,
    arguments: TrainArguments,
    options: Mapping[str, Any],
) -> None:
    """Refuse a folder before any other trial is trained."""
    for trial in trials:
        own = dataclasses.replace(arguments, model=model_of(trial, folder, arguments))
        config = RunConfig.of(trial.recipe, own, options, seed=trial.seed)
        open_run_folder(folder / trial.name, trial.name, config)


def _train(
    trial: Trial, folder: pathlib.Path, model: Any, settings: Mapping[str, Any]
) -> Outcome:
    run = train(
        trial.recipe,
        model=model,
        folder=folder / trial.name,
        seed=trial.seed,
        export=False,
        **settings,
    )
    steps = run.history[-1]["steps"]
    outcome = Outcome(
        top1=run.evaluation.accuracy,
        loss=run.evaluation.loss,
        count=run.evaluation.count,
        steps=steps,
        images=steps * trial.recipe.run.batch_size,
        seconds=run.history[-1]["seconds"],
        parameters=run.model.count_params(),
        multiply_adds=summary(run.model).multiply_adds,
        folder=run.folder,
    )
    if distribution.is_chief(settings["strategy"]):
        numbers = dataclasses.asdict(outcome)
        del numbers["folder"]
        write_json(run.folder / OUTCOME, numbers)
    del run
    gc.collect()  # a model and its graphs refer to each other
    return outcome


def _read(folder: pathlib.Path) -> Outcome | None:
    """Return the outcome of a finished trial; `None` of any other."""
    path = folder / OUTCOME
    if not path.is_file():
        return None
    return Outcome(**json.loads(path.read_text()), folder=folder)


def _line(number: int, count: int, trial: Trial, outcome: Outcome) -> str:
    return (
        f"{number}/{count} {trial.name}: {100 * outcome.top1:.2f} % of "
        f"{outcome.count:,} images, {outcome.seconds:.0f} s"
    )


def _duration(seconds: float) -> str:
    """Return a duration as text.

    Example:

    >>> _duration(3725), _duration(84)
    ('1:02:05', '1:24')
    """
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
