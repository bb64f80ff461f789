"""The folder of a run: what is written there, and how a run resumes."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import logging
import os
import pathlib
import shutil
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import keras
import tensorflow as tf

from keras_vit import recipes
from keras_vit.data.caching import is_cached
from keras_vit.files import locked, write_csv, write_json
from keras_vit.recipes.settings_file import checked_seed
from keras_vit.training.artifacts.checkpoints import Checkpoints
from keras_vit.training.evaluated_splits import TEST
from keras_vit.training.header import precision_of
from keras_vit.version import VERSION

if TYPE_CHECKING:
    from keras_vit.data import Dataset
    from keras_vit.data.labelled import Labelled
    from keras_vit.recipes import Recipe
    from keras_vit.training.config import RunConfig
    from keras_vit.training.memory import MemoryEstimate
    from keras_vit.training.progress import Plan


LOG = logging.getLogger(__name__)

CONFIG = "config.json"
FINISHED = "finished.json"


class RunFolder:
    """The folder of one run.

    Args:
        path: of the folder, which need not exist.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = pathlib.Path(path)
        self.checkpoints = Checkpoints(self.path / "checkpoints")

    def finished(self) -> dict[str, Any] | None:
        """Return what the run noted when it finished; `None` before that."""
        path = self.path / FINISHED
        return json.loads(path.read_text()) if path.is_file() else None

    def clear_scratch(self) -> None:
        """Remove what a killed process was writing."""
        for scratch in self.path.rglob(".*"):
            if scratch.is_dir():
                shutil.rmtree(scratch, ignore_errors=True)

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Lock the folder against a second run meanwhile.

        Raises:
            BlockingIOError: if another process trains there.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        refusal = (
            f"Another process trains in {self.path}. Wait until it has finished, or "
            "name another folder."
        )
        with locked(self.path, refusal):
            yield

    def check_data(self, split: Labelled, eval_split: Labelled) -> None:
        """Refuse images that are not those the run began with.

        A run of an earlier version did not record its evaluation images; then
        these are assumed to be the same.

        Args:
            split: to train on.
            eval_split: to evaluate on.

        Raises:
            ValueError: naming the one that has changed, and what to do.
        """
        try:
            began = json.loads((self.path / CONFIG).read_text())["dataset"]
        except (OSError, KeyError, ValueError):
            return  # the run has only begun
        if began.get("fingerprint", split.fingerprint()) != split.fingerprint():
            raise ValueError(
                f"The run in {self.path} must resume on the training images that it "
                f"began on: {began['training_images']:,} in all. Received: other "
                "images, or the same in another orientation. Restore them, or name "
                "another folder"
            )
        evaluated = began.get("eval_fingerprint", eval_split.fingerprint())
        if evaluated != eval_split.fingerprint():
            raise ValueError(
                f"The run in {self.path} must be evaluated on the images and labels "
                f"that it began with, {began['eval_images']:,} images, so that its "
                f"history is comparable. Received: {len(eval_split):,} images, or "
                "labels, that differ. Restore them; or begin from its model in another "
                f"folder: --model={self.path} --folder=NEW"
            )

    def pixel_range(self) -> dict[str, Any]:
        """Return the range of samples that the run began with, once it has begun.

        Returns:
            `{"pixel_range": range}`, an argument of `keras_vit.data.load`, or
            nothing.
        """
        try:
            dataset = json.loads((self.path / CONFIG).read_text())["dataset"]
            return {"pixel_range": dataset["decoding"]["pixel_range"]}
        except (OSError, KeyError, ValueError):
            return {}

    def began_on_test(self) -> bool:
        """Return whether the run has begun, and evaluates the test split on the way.

        A run of an earlier version does, unless its recipe names another split.
        """
        try:
            return evaluates_test(json.loads((self.path / CONFIG).read_text()))
        except (OSError, KeyError, TypeError, ValueError):
            return False

    def write_config(
        self,
        run: RunConfig,
        model: keras.Model,
        dataset: Dataset,
        splits: tuple[Labelled, Plan],
        *,
        counts: Mapping[str, int],
        devices: Mapping[str, Any],
        memory: MemoryEstimate,
    ) -> None:
        """Write the resolved recipe, from which the run can be repeated.

        Args:
            run: the recipe, the seed, and what was given in Python.
            model: that is trained.
            dataset: that it learns from.
            splits: the part of it to train on, and what is evaluated.
            counts: of the model's parameters: all, and the trained ones.
            devices: that train it. Another machine may resume the run.
            memory: that a step holds on each of them.
        """
        train_split, plan = splits
        twice = plan.final_split is not plan.eval_split
        config = {
            "recipe": recipes.as_json(run.recipe),
            "fitted_from": dict(run.fitted_from),
            "seed": run.seed,
            "given_in_python": run.given_in_python(),
            "objects": run.described_objects(),
            "model": {
                "name": model.name,
                **counts,
                "input_shape": model.input_shape,
                "precision": precision_of(model),
            },
            "dataset": {
                "name": dataset.name,
                "training_images": len(dataset.train),
                "fingerprint": train_split.fingerprint(),
                "test_images": len(dataset.test),
                **_noted("eval", plan.eval_name, plan.eval_split),
                **(_noted("final", plan.final_name, plan.final_split) if twice else {}),
                "class_names": dataset.class_names,
                "decoding": dataset.decoding.as_json(),
                **_cache_of(train_split),
            },
            "devices": devices,
            "memory_estimate": memory.as_json(),
            "versions": {
                "keras-vision-transformer": VERSION,
                "keras": keras.__version__,
                "tensorflow": tf.__version__,
            },
        }
        write_json(self.path / CONFIG, config)

    def write_history(self, history: Sequence[Mapping[str, Any]]) -> None:
        """Write `history.csv`, one row for each evaluation."""
        columns = dict.fromkeys(name for row in history for name in row)
        write_csv(self.path / "history.csv", history, columns)


def read_config(path: str | os.PathLike[str]) -> tuple[Recipe, int]:
    """Return the recipe and the seed of a run's `config.json`.

    Args:
        path: of that file, or of the `recipe.yaml` of a dry run.

    Raises:
        ValueError: if it is no such file, or the run's model or data were
            objects in Python, which a file cannot name.
    """
    recipe, seed, objects = _read(path)
    if objects:
        raise ValueError(
            "Expected a config.json that names the run's model and data. Received: "
            f"{path}, whose run had objects of Python as {', '.join(objects)}. Repeat "
            "it in Python, with the same objects"
        )
    return recipe, seed


def dataset_of(path: str | os.PathLike[str]) -> tuple[str | None, dict[str, Any]]:
    """Return the data set of a run, by its `config.json`.

    Returns:
        Its name, and how it is read: arguments of `keras_vit.data.load`.

    Raises:
        ValueError: if it is no such file, or the data were an object in
            Python, which has no name.
    """
    recipe, _, objects = _read(path)
    if "dataset" in objects or recipe.data.name is None:
        raise ValueError(
            f"Expected the {CONFIG} of a run on a data set with a name. Received: "
            f"{path}, whose run had an object of Python as dataset. Pass that dataset"
        )
    return recipe.data.name, recipe.data.options


def recipe_of(config: Mapping[str, Any]) -> Recipe:
    """Return the recipe of a run's `config.json`, as the run trained by it.

    Earlier versions wrote the recipe's own image size for a model that was loaded or
    passed, and trained at the model's.

    Args:
        config: what the file holds.

    Raises:
        KeyError, TypeError, ValueError: if it is no such file.
    """
    recipe = recipes.from_json(config["recipe"])
    if "model" not in config:
        return recipe
    return recipes.with_image_size(recipe, config["model"]["input_shape"][1:3])


def _read(path: str | os.PathLike[str]) -> tuple[Recipe, int, list[str]]:
    try:
        config = recipes.read_file(path)
        seed = checked_seed(config["seed"])
        return recipe_of(config), seed, config["given_in_python"]
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(
            f"Expected the {CONFIG} of a run. Received: {path} ({error})"
        ) from error


def evaluates_test(config: Mapping[str, Any]) -> bool:
    """Return whether a run evaluates the test split on the way, by its `config.json`.

    An earlier version noted no split, and its recipes named one.
    """
    named = recipes.from_json(config["recipe"]).data.eval_split
    return config.get("dataset", {}).get("eval_split", named) == TEST


def _cache_of(split):
    if not is_cached(split):
        return {}
    return {"cache": dataclasses.asdict(split.cache.settings)}


def _noted(use: str, name: str, split: Labelled) -> dict[str, Any]:
    """Return what is noted of a split that is evaluated."""
    return {
        f"{use}_split": name,
        f"{use}_images": len(split),
        f"{use}_fingerprint": split.fingerprint(),
    }
