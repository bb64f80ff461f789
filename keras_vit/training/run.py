"""A run: train, evaluate, and write everything to a folder."""

from __future__ import annotations

import contextlib
import logging
import pathlib
from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from typing import TYPE_CHECKING, Unpack

import keras

from keras_vit import distribution
from keras_vit.evaluation import Evaluation
from keras_vit.history import HistoryRow
from keras_vit.recipes import Recipe
from keras_vit.training import interruption
from keras_vit.training.arguments import (
    DatasetArgument,
    ModelArgument,
    Path,
    TrainArguments,
    TrainSettings,
    strategy_of,
)
from keras_vit.training.artifacts.results import model_of_one_device, write_results
from keras_vit.training.callbacks import checked
from keras_vit.training.evaluated_splits import (
    TEST,
)
from keras_vit.training.header import log_header
from keras_vit.training.preparation import config_of, name_of, prepared, trainer_of
from keras_vit.training.replicas import wait_for_all
from keras_vit.training.tasks.evaluators import LossEvaluation
from keras_vit.verbosity import Verbose, lines_shown

if TYPE_CHECKING:
    from keras_vit.compat import Strategy

    class KerasModel:
        """A `keras.Model` for type checkers, which find no attribute of that type.

        To them a base of `keras.Model` is unknown and may define `__get__`: what is
        declared as one in a class's body would be unknown, and not be completed.
        """

        def __get__(self, instance: object, owner: type) -> keras.Model: ...
        def __set__(self, instance: object, value: keras.Model) -> None: ...


LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Run:
    """The results of a training run.

    Attributes:
        model: the trained Keras model; without a head where it was trained
            without labels.
        history: a dict of numbers for each evaluation, by default each epoch:
            `epoch`, `steps`, `learning_rate`; `loss` and `accuracy` in training;
            `eval_loss` and `eval_accuracy` on the split `eval_split`; and more.
        evaluation: the trained model on the whole of the split that is evaluated at
            the end, `eval_split`; a `LossEvaluation` where the model was trained
            without labels.
        folder: where the run's files are.
        saved_model: the folder of the exported SavedModel; `None` where the
            model was trained without labels, or nothing was exported.
        eval_split: the name of the split of `evaluation`; `"test"` unless the setting
            `eval_split` names another.
    """

    model: KerasModel
    history: list[HistoryRow]
    evaluation: Evaluation | LossEvaluation
    folder: pathlib.Path
    saved_model: pathlib.Path | None
    _: KW_ONLY
    eval_split: str = TEST


def train(
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
    callbacks: Sequence[keras.callbacks.Callback] | keras.callbacks.Callback = (),
    folder: Path | None = None,
    name: str | None = None,
    seed: int = 0,
    jit_compile: bool = False,
    export: bool = True,
    verbose: Verbose = 1,
    **settings: Unpack[TrainSettings],
) -> Run:
    """Train a model by a recipe, evaluate it and export it.

    Two runs with the same arguments on the same machine give equal numbers. A
    run that was stopped, by whatever, resumes from its last checkpoint when
    `train` is called again with the same arguments: nothing but the time it took
    is different then.

    Args:
        recipe: a key of `keras_vit.recipes.RECIPES`, whose batch size and warm-up
            become smaller where the training images are too few for them; or a
            `Recipe`, which is used as it is.
        model: what is trained; the recipe's own by default:

            - a factory's name, or one of Keras's networks such as
              `"keras:EfficientNetV2B0"`, or of KerasCV's such as
              `"keras_cv:ResNet18"`;
            - the path of a run's folder or of a `.keras` file, also of a model
              that was pre-trained without labels;
            - a `keras_vit.Classifier`, of whose model a copy is trained;
            - a Keras model with one logit for each class, which is trained
              itself.

            A model from a path or a `Classifier` gets a new head where its
            classes are not the data set's, and is resized by `image_size=`, or
            by that of a `Recipe` that is passed; `image_size=None` keeps its own.
            What else a `Recipe` sets for a model that it builds must be as the
            model has it. The trained model has the class names of the data set
            and the activation of the loss.
        dataset: a name, a folder of images, an archive or a table, as
            `keras_vit.data.load` takes it; a `keras_vit.data.Dataset`; or
            `(images, labels)`, a fifth of which is held out to evaluate on. The
            recipe's own by default.
        data_dir: as `keras_vit.data.load` takes it.
        download: as `keras_vit.data.load` takes it.
        cache: a folder that keeps image files small, as `keras_vit.data.cached`
            does, with as many pixels as `crop_area` and `image_size` need. The run
            sees what it holds from the first epoch on; the evaluation at the end
            reads the files themselves.
        weights: initial weights, as a factory takes them. The recipe's own by
            default.
        teacher: for distillation or pseudo labels: the path of a saved model, a
            Keras model or a `keras_vit.Classifier`.
        strategy: a name that `keras_vit.distribution.strategy` knows, or a
            `tf.distribute.Strategy`.
        callbacks: a list of Keras callbacks. An epoch of theirs is the interval
            between two evaluations. Their own state is in no checkpoint: when a
            run resumes, `on_train_begin` is called anew. Those that set the
            learning rate, average weights or resume are refused, as settings do
            that here.
        folder: where the run writes, and resumes; `runs/<name>` by default, numbered
            if that holds another run. The SavedModel goes to `savedmodels/` and
            the folder's own name.
        name: of the run; the recipe's by default.
        seed: of the initial weights, the order of the images, their
            augmentation and dropout.
        jit_compile: whether XLA compiles the step.
        export: whether the model is exported too, and figures and sample images
            are written. Without them a short run takes half the time.
        verbose: 0: silent; 1: lines and a progress bar; 2: lines.
        **settings: of the recipe, instead of its own, such as `epochs=3`;
            `augmentation` may also be a preprocessing layer of Keras or KerasCV, a
            function of an image, or several in a list; or
            options of `keras_vit.data.load`, such as `exif_orientation=False`,
            which the run keeps.

    Returns:
        A `Run`.

    Raises:
        TypeError: for arguments of another type, or an unknown one.
        ValueError: for arguments that do not fit each other, before any work.
        FileExistsError: if the folder holds something else.
        FloatingPointError: if a loss or gradient is not finite. The last
            checkpoint is from before.
        SystemExit: with status 42 after SIGTERM, when a checkpoint has been
            written, or before the first step. Ctrl-C does the same and raises
            KeyboardInterrupt.

    Example:

    >>> run = train("fashion_mnist", epochs=10)  # doctest: +SKIP
    >>> run.evaluation.top1  # doctest: +SKIP
    0.869
    """
    checked_callbacks = checked(callbacks)
    arguments = TrainArguments.of(model, dataset, teacher)
    with lines_shown(verbose):
        config = config_of(
            recipe,
            arguments,
            settings,
            weights,
            seed=seed,
            jit_compile=jit_compile,
            bar=verbose == 1,
        )
        devices = strategy_of(strategy)
        run_folder, splits = prepared(
            config,
            folder,
            name or name_of(recipe),
            data_dir=data_dir,
            download=download,
            cache=cache,
        )
        chief = distribution.is_chief(devices)
        with interruption.catch_stop_signals() as stop:
            alone = distribution.num_workers(devices) == 1  # else all end in one step
            nothing_yet = stop.at_once() if alone else contextlib.nullcontext()
            with nothing_yet, devices.scope():
                trainer = trainer_of(config, splits, devices, run_folder)
            held = run_folder.held() if chief else contextlib.nullcontext()
            with contextlib.closing(trainer), held:
                log_header(trainer)
                with devices.scope():
                    evaluation, history = trainer.fit(
                        checked_callbacks, stop, pictures=export
                    )
                trained = model_of_one_device(trainer, arguments.model)
                saved_model = write_results(
                    trainer, trained, evaluation, interruption=stop, exports=export
                )
            wait_for_all(devices)  # a worker that is gone would look lost
    saved_path = pathlib.Path(saved_model) if saved_model else None
    return Run(
        trained,
        history,
        evaluation,
        run_folder.path,
        saved_path,
        eval_split=splits.at_the_end,
    )
