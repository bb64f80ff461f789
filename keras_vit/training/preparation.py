"""What happens before the first step of a run: everything is found, and checked."""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING, Any

import keras

from keras_vit import recipes
from keras_vit.data import Dataset, load
from keras_vit.data.groups import on_both_sides
from keras_vit.data.pipeline import check_batch_size
from keras_vit.decoding import range_as_text
from keras_vit.recipes import Recipe
from keras_vit.renamed import with_new_names
from keras_vit.training.arguments import (
    Path,
    TrainArguments,
    TrainSettings,
    path_to_str,
)
from keras_vit.training.artifacts.folder import RunFolder
from keras_vit.training.artifacts.opening import check_same_run, open_run_folder
from keras_vit.training.cached_images import through_cache
from keras_vit.training.config import RunConfig
from keras_vit.training.evaluated_splits import (
    TEST,
    EvaluatedSplits,
    evaluated_splits,
)
from keras_vit.training.model import model_in_scope, teacher_in_scope
from keras_vit.training.trainer import Trainer

if TYPE_CHECKING:
    from keras_vit.compat import Strategy
    from keras_vit.data.labelled import Labelled
    from keras_vit.training.tasks import Task

LOG = logging.getLogger(__name__)


def config_of(
    recipe: str | Recipe,
    arguments: TrainArguments,
    settings: TrainSettings,
    weights: Path | None,
    **options: Any,
) -> RunConfig:
    """Return the configuration of a run, checked.

    Args:
        recipe: as `train` takes it.
        arguments: model, data and teacher.
        settings: as `train` takes them.
        weights: as `train` takes them.
        **options: of `RunConfig`, such as the seed.

    Raises:
        RuntimeError: with another backend than TensorFlow's.
        TypeError, ValueError: as `train` does.
    """
    if keras.backend.backend() != "tensorflow":
        raise RuntimeError(
            "train needs Keras's TensorFlow backend. "
            f"Received: {keras.backend.backend()}. Set KERAS_BACKEND=tensorflow"
        )
    changes = with_new_names(dict(settings), recipes.RENAMED, "train", stacklevel=4)
    if weights is not None:
        changes["weights"] = path_to_str(weights)
    return RunConfig.of(recipe, arguments, changes, **options)


def name_of(recipe: str | Recipe) -> str:
    """Return the name of a run by a recipe, for its folder."""
    return recipe.replace("/", "-") if isinstance(recipe, str) else "run"


def prepared(
    config: RunConfig,
    folder: Path | None,
    name: str,
    *,
    data_dir: Path | None,
    download: bool,
    cache: Path | None = None,
) -> tuple[RunFolder, EvaluatedSplits]:
    """Find the folder of a run, and load its data. Nothing is written.

    Args:
        config: of the run, whose seed Keras and TensorFlow draw from afterwards.
        folder: as `train` takes it.
        name: of the run.
        data_dir: as `train` takes it.
        download: as `train` takes it.
        cache: as `train` takes it.
    """
    run_folder = open_run_folder(folder and path_to_str(folder), name, config)
    keras.utils.set_random_seed(config.seed)
    data = _loaded(config, run_folder, data_dir, download)
    data = through_cache(data, cache, config)
    for sentence in (*data.notes, *on_both_sides(data)):
        LOG.info(sentence)
    return run_folder, _evaluated(config.recipe, data, run_folder)


def trainer_of(
    config: RunConfig,
    splits: EvaluatedSplits,
    devices: Strategy,
    folder: RunFolder,
) -> Trainer:
    """Return the trainer of a run, its model and its teacher made under the scope."""
    passed = config.arguments.teacher or getattr(config.recipe.task, "teacher", None)
    data = splits.dataset
    task = config.task(teacher_in_scope(passed, devices, data.class_names))
    task.check(data)
    config = _fitted(config, task, data.split(config.recipe.data.train_split), devices)
    check_same_run(folder, config)
    model = model_in_scope(
        config.arguments.model,
        config.recipe,
        task=task,
        class_names=data.class_names,
        decoding=data.decoding,
        strategy=devices,
    )
    return Trainer(
        config, model=model, task=task, splits=splits, strategy=devices, folder=folder
    )


def _fitted(
    config: RunConfig, task: Task, split: Labelled, devices: Strategy
) -> RunConfig:
    """Return a configuration that fits the images, before weights are downloaded."""
    images, replicas = task.num_examples(split), devices.num_replicas_in_sync
    if images is None:
        return config
    config = config.fitted(images, replicas)
    run, repeats = config.recipe.run, config.recipe.augmentation.repeats
    if images == len(split):  # else what is trained on is checked when it is chosen
        check_batch_size(split, run.batch_size, replicas, repeats)
    return config


def _evaluated(recipe: Recipe, data: Dataset, folder: RunFolder) -> EvaluatedSplits:
    """Return what a run is evaluated on; one that resumes, on the split it began on."""
    eval_split = recipe.data.eval_split
    if eval_split is None and data.validation is not None and folder.began_on_test():
        eval_split = TEST
    splits = evaluated_splits(
        data, eval_split, recipe.data.validation, chooses=recipe.run.chooses
    )
    for sentence in splits.notes:
        LOG.info(sentence)
    return splits


def _loaded(
    config: RunConfig,
    folder: RunFolder,
    data_dir: Path | None,
    download: bool,
) -> Dataset:
    """Return the data set of a run, loaded if it has a name."""
    dataset, recipe = config.arguments.dataset, config.recipe
    if not isinstance(dataset, Dataset):
        if not recipe.data.name:
            raise ValueError(
                "dataset= (--dataset=) must be a name or the path of your images, as "
                "the recipe names no data set. Received: none"
            )
        options: dict[str, Any] = recipe.data.options | folder.pixel_range()
        dataset = load(
            recipe.data.name,
            data_dir=data_dir and os.path.expanduser(data_dir),
            download=download,
            **options,
        )
        if dataset.decoding.pixel_range:
            range_ = range_as_text(dataset.decoding.pixel_range)
            LOG.info(
                f"Samples of more than 8 bits: {range_} is black to white "
                "(--pixel_range=LOW:HIGH sets it)."
            )
    return dataset
