"""What a run would do, without training."""

from __future__ import annotations

import contextlib
import pathlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Unpack

import keras

from keras_vit import recipes
from keras_vit.evaluation.forward import copied
from keras_vit.files import written_whole
from keras_vit.recipes import Recipe
from keras_vit.training.arguments import (
    DatasetArgument,
    ModelArgument,
    Path,
    TrainArguments,
    TrainSettings,
    strategy_of,
)
from keras_vit.training.artifacts.batch_picture import (
    BATCH_PICTURE,
    write_batch_picture,
)
from keras_vit.training.header import Header, header_of, log_header
from keras_vit.training.memory import MemoryEstimate, memory_of
from keras_vit.training.preparation import config_of, name_of, prepared, trainer_of
from keras_vit.training.progress import Progress
from keras_vit.verbosity import Verbose, lines_shown

if TYPE_CHECKING:
    from keras_vit.compat import Strategy
    from keras_vit.training.trainer import Trainer

RECIPE = "recipe.yaml"


@dataclass(frozen=True)
class DryRun:
    """What a run would do.

    Attributes:
        header: the model, the data, the devices, the length and the folder of the
            run, as lines of text.
        recipe: with all settings in it, those that were made to fit few images
            among them.
        memory: what a training step holds on each device.
        folder: of `recipe.yaml`, which `--config` takes, and of
            `training_batch.png`. The run itself writes to another one.
    """

    header: Header
    recipe: Recipe
    memory: MemoryEstimate
    folder: pathlib.Path

    def __str__(self) -> str:
        text = (self.folder / RECIPE).read_text(encoding="utf-8")
        return (
            f"{text}\n{self.memory}\n\n"
            f"Nothing was trained. The recipe is in {self.folder / RECIPE}, the first "
            f"batch in {self.folder / BATCH_PICTURE}."
        )


def dry_run(
    recipe: str | Recipe = "fashion_mnist",
    *,
    model: ModelArgument | None = None,
    dataset: DatasetArgument | None = None,
    data_dir: Path | None = None,
    download: bool = False,
    cache: Path | None = None,
    weights: Path | None = None,
    teacher: ModelArgument | None = None,
    strategy: str | Strategy = "one",
    folder: Path | None = None,
    name: str | None = None,
    seed: int = 0,
    verbose: Verbose = 1,
    **settings: Unpack[TrainSettings],
) -> DryRun:
    """Check the arguments of a run, and show what it would do, without training.

    Everything is made that `train` makes before its first step, and refused as
    `train` refuses it. The header is logged; the recipe and a picture of the first
    batch are written beside the folder of the run, to `<folder>-dry_run`. The
    folder itself is left as it is, and so is a model that is passed.

    Args:
        recipe: as `train` takes it, and so all that follow.
        model: that would be trained.
        dataset: that it would learn from.
        data_dir: as `keras_vit.data.load` takes it.
        download: as `keras_vit.data.load` takes it.
        cache: as `train` takes it; the images of the first batch are added to it.
        weights: initial weights.
        teacher: for distillation or pseudo labels, whose teacher labels its images
            here already.
        strategy: a name, or a `tf.distribute.Strategy`.
        folder: where the run would write.
        name: of the run.
        seed: of the run.
        verbose: 0: silent; 1, 2: the header is logged.
        **settings: of the recipe, or options of `keras_vit.data.load`.

    Returns:
        A `DryRun`; `print` shows its recipe and the memory of a step.

    Raises:
        TypeError, ValueError, FileExistsError: as `train` does.

    Example:

    >>> planned = dry_run("fashion_mnist", batch_size=64, verbose=0)
    >>> planned.header.steps
    1870
    >>> planned.recipe.run.batch_size
    64
    """
    passed = copied(model) if isinstance(model, keras.Model) else model
    arguments = TrainArguments.of(passed, dataset, teacher)
    with lines_shown(verbose):
        config = config_of(recipe, arguments, settings, weights, seed=seed)
        devices = strategy_of(strategy)
        run_folder, splits = prepared(
            config,
            folder,
            name or name_of(recipe),
            data_dir=data_dir,
            download=download,
            cache=cache,
        )
        with devices.scope():
            trainer = trainer_of(config, splits, devices, run_folder)
            with contextlib.closing(trainer):
                log_header(trainer)
                return _written(trainer)


def _written(run: Trainer) -> DryRun:
    """Write what a dry run writes, and return it."""
    folder = run.folder.path.with_name(f"{run.folder.path.name}-dry_run")
    folder.mkdir(parents=True, exist_ok=True)
    text = recipes.as_yaml(run.recipe, run.config.seed, run.config.given_in_python())
    with written_whole(folder / RECIPE) as scratch:
        scratch.write_text(text, encoding="utf-8")
    write_batch_picture(run, run.train_batches(Progress()), folder)
    return DryRun(header_of(run), run.recipe, memory_of(run), folder)
