"""The folder that a run writes to: a new one, or that of the run it resumes."""

from __future__ import annotations

import itertools
import json
import logging
import os
import pathlib
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from keras_vit import recipes
from keras_vit.factories import find
from keras_vit.training.artifacts.folder import (
    CONFIG,
    RunFolder,
    evaluates_test,
    recipe_of,
)
from keras_vit.training.evaluated_splits import TEST

if TYPE_CHECKING:
    from keras_vit.training.config import RunConfig


LOG = logging.getLogger(__name__)


def open_run_folder(
    folder: str | os.PathLike[str] | None, name: str, run_config: RunConfig
) -> RunFolder:
    """Find the folder of a run: a new one, or that of the same run begun before.

    Args:
        folder: the requested path; `None`: `runs/<name>`, numbered if that
            holds another run or a finished one.
        name: of the run.
        run_config: the recipe and the seed of the run, and its objects.

    Returns:
        A `RunFolder`.

    Raises:
        FileExistsError: if the requested folder holds something else.
        ValueError: if it holds a run of another recipe or seed, naming the
            differences.
    """
    if folder is None:
        return _numbered(name, run_config)
    run = RunFolder(folder)
    if _is_free(run.path):
        return run
    if not (run.path / CONFIG).is_file():
        raise FileExistsError(
            "folder must be empty, new, or the folder of this run. Received: "
            f"{run.path}, which holds other files. Name another folder, or remove it"
        )
    differences = _differences(run, run_config, before_fitting=True)
    if differences and run.finished() and _of_length(differences):
        raise ValueError(
            f"The run in {run.path} has finished. To train its model further, begin "
            f"from it in another folder: --model={run.path} --folder=NEW. Existing run "
            f"and this run: {'; '.join(differences)}"
        )
    if differences:
        raise _of_another_run(run, differences)
    return run


def _numbered(name: str, run_config: RunConfig) -> RunFolder:
    """Return the first numbered folder that is free, or holds this very run."""
    names = itertools.chain(
        [name], (f"{name}-{number}" for number in itertools.count(2))
    )
    folders = map(RunFolder, map(pathlib.Path("runs").joinpath, names))
    one, shorter = next(folders), None
    while not _is_free(one.path):
        if (one.path / CONFIG).is_file():
            differences = _differences(one, run_config, before_fitting=True)
            finished = one.finished()
            if not differences and not finished:
                break
            if differences and finished and _of_length(differences):
                shorter = one
        one = next(folders)
    if shorter is not None:
        LOG.info(
            f"This run starts from the beginning, in {one.path}. To train the model of "
            f"the finished run in {shorter.path} further, pass --model={shorter.path}"
        )
    return one


def _is_free(path: pathlib.Path) -> bool:
    """Return whether nothing is there but what a killed start left."""
    if not path.is_dir():
        return not path.exists()
    return all(inside.name.startswith(f".{CONFIG}.") for inside in path.iterdir())


def check_same_run(folder: RunFolder, run_config: RunConfig) -> None:
    """Refuse to resume a run with other settings than those that it was fitted to.

    Args:
        folder: of the run.
        run_config: with settings that fit the training images.

    Raises:
        ValueError: naming the differences.
    """
    if (folder.path / CONFIG).is_file():
        differences = _differences(folder, run_config)
        if differences:
            raise _of_another_run(folder, differences)


def _of_another_run(folder: RunFolder, differences: Sequence[str]) -> ValueError:
    return ValueError(
        f"{folder.path} holds another run. Name another folder, or resume that run "
        "with its own settings. Existing run and this run: "
        f"{'; '.join(differences)}"
    )


def _differences(
    folder: RunFolder, run: RunConfig, *, before_fitting: bool = False
) -> list[str]:
    """Return how a run differs from that in a folder, in words.

    Args:
        folder: of the other run.
        run: of this one.
        before_fitting: whether its settings do not yet fit its training images.
    """
    try:
        config = json.loads((folder.path / CONFIG).read_text())
        # What an earlier version had no setting for was as it is by default.
        there, its_seed = recipe_of(config), config["seed"]
    except (KeyError, TypeError, ValueError) as error:
        return [f"its {CONFIG} is not of a run ({error!r})"]
    flat = recipes.as_flat(there)
    for name in ("dataset", "model", "teacher"):  # `~` once stood in files
        if isinstance(flat.get(name), str):
            there = recipes.changed(there, {name: os.path.expanduser(flat[name])})
    if _lacks_options(config["recipe"]):  # its images are compared later
        there = recipes.changed(there, {"dataset_options": run.recipe.data.options})
    if (
        "precision" not in config.get("model", {})
        and find(there.model.name or "") is None
    ):
        there = recipes.changed(there, {"precision": run.recipe.model.precision})
    if before_fitting:
        fitted = config.get("fitted_from", {})
        own = {n: v for n, v in fitted.items() if n not in run.set_by_user}
        there = recipes.changed(there, own)
    names = {there.data.eval_split, run.recipe.data.eval_split}
    if names == {None, TEST} and evaluates_test(config):
        there = recipes.changed(there, {"eval_split": run.recipe.data.eval_split})
    lines = recipes.difference(there, run.recipe)
    if its_seed != run.seed:
        lines.append(f"seed: {its_seed} and {run.seed}")
    before, now = config.get("objects", {}), run.described_objects()
    lines += [
        f"{name}: {before.get(name)} and {now.get(name)}"
        for name in before | now
        if before.get(name) != now.get(name)
    ]
    return lines


def _lacks_options(config: Mapping[str, Any]) -> bool:
    """Return whether a recipe is of a version that had no options of data sets."""
    return "data" not in config and "dataset_options" not in config


def _lacks_precision(config: Mapping[str, Any]) -> bool:
    """Return whether a run on a model that existed did not note its precision.

    Earlier versions wrote float32 for each of these.
    """
    name = recipes.from_json(config["recipe"]).model.name
    built = name is not None and find(name) is not None
    return not built and "precision" not in config.get("model", {})


_OF_LENGTH = ("epochs: ", "steps: ", "patience: ")


def _of_length(differences: Iterable[str]) -> bool:
    """Return whether two runs differ in their length alone."""
    return all(line.startswith(_OF_LENGTH) for line in differences)
