"""A run: train, evaluate, and leave everything in a folder."""

import contextlib
import os
import pathlib
from dataclasses import dataclass

import keras

from keras_vit import distribution, recipes
from keras_vit.data import Dataset, load
from keras_vit.data.classes import check_several
from keras_vit.data.groups import on_both_sides
from keras_vit.decoding import range_as_text
from keras_vit.evaluation import Evaluation
from keras_vit.renamed import with_new_names
from keras_vit.training import interruption
from keras_vit.training.arguments import (
    Given,
    as_text,
    model_in_scope,
    resolved,
    teacher_in_scope,
)
from keras_vit.training.callbacks import checked
from keras_vit.training.examination import MaskedPatchEvaluation
from keras_vit.training.folder import claim
from keras_vit.training.leaving import leave, model_of_one_device
from keras_vit.training.loop import tell
from keras_vit.training.prepared_run import PreparedRun
from keras_vit.training.replicas import wait_for_all


@dataclass(frozen=True)
class Run:
    """What a training run leaves.

    Attributes:
        model: the trained Keras model; without a head where no labels were
            learnt.
        history: a dict of numbers for each evaluation, by default each epoch.
        evaluation: the trained model on the whole evaluation split; of masked
            patches, where those were learnt.
        folder: where the run's files lie.
        saved_model: the folder of the exported SavedModel; `None` where no
            labels were learnt, or nothing was exported.
    """

    model: keras.Model
    history: list[dict]
    evaluation: Evaluation | MaskedPatchEvaluation
    folder: pathlib.Path
    saved_model: pathlib.Path | None


def train(
    recipe="fashion_mnist",
    *,
    model=None,
    dataset=None,
    data_dir=None,
    download=False,
    weights=None,
    teacher=None,
    strategy="one",
    callbacks=(),
    folder=None,
    name=None,
    seed=0,
    jit_compile=False,
    export=True,
    **settings,
):
    """Trains a model by a recipe, evaluates it and exports it.

    Two runs with the same arguments on the same machine give equal numbers. A
    run that ended before its time, by whatever, goes on from its last
    checkpoint when it is called again with the same arguments: nothing but
    the time it took is different then.

    Args:
        recipe: a key of `keras_vit.recipes.RECIPES`, or a `Recipe`.
        model: a Keras model with one logit for each class, a factory's name,
            one of Keras's networks such as `"keras:EfficientNetV2B0"`, or the
            path of a saved model, also of one that was pre-trained without
            labels. The recipe's own by default.
        dataset: what `keras_vit.data.load` takes: a name, a folder of images,
            an archive, a table; or a `keras_vit.data.Dataset`. The recipe's
            own by default.
        data_dir: as `keras_vit.data.load` takes it.
        download: the same.
        weights: what the model begins from, as a factory takes it. The
            recipe's own by default.
        teacher: for distillation or pseudo labels, a Keras model from pixels
            to logits, or the path of one.
        strategy: a name that `keras_vit.distribution.strategy` knows, or a
            `tf.distribute.Strategy`.
        callbacks: a list of Keras callbacks. An epoch of theirs is what lies
            between two evaluations. What they themselves remember is in no
            checkpoint: when a run resumes, `on_train_begin` is called anew.
            Those that set the learning rate, average weights or resume are
            refused, as settings do that here.
        folder: what the run writes; `runs/<name>` by default, numbered if
            that holds another run. The SavedModel goes to `savedmodels/` and
            the folder's own name.
        name: of the run; the recipe's by default.
        seed: of the initial weights, the order of the images, their
            augmentation and dropout.
        jit_compile: whether XLA compiles the step.
        export: whether the model is exported too, and figures are left and
            images to try it on. Without them a short run is over in half the
            time.
        **settings: of the recipe, in place of its own, such as `epochs=3`; or
            options of `keras_vit.data.load`, such as `exif_orientation=False`,
            which the run keeps.

    Returns:
        A `Run`.

    Raises:
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
    if keras.backend.backend() != "tensorflow":
        raise RuntimeError(
            "train runs on Keras's TensorFlow backend. "
            f"Received: {keras.backend.backend()}. Set KERAS_BACKEND=tensorflow"
        )
    settings = with_new_names(settings, recipes.RENAMED, "train", stacklevel=3)
    callbacks = checked(callbacks)
    given = Given(*map(as_text, (model, dataset, teacher)))
    if weights is not None:
        settings["weights"] = os.fspath(weights)
    name = name or (recipe.replace("/", "-") if isinstance(recipe, str) else "run")
    recipe = resolved(recipe, given, settings)
    if isinstance(strategy, str):
        strategy = distribution.strategy(strategy)
    folder = claim(folder, name, recipe, seed)
    keras.utils.set_random_seed(seed)
    dataset = given.dataset
    if not isinstance(dataset, Dataset):
        if not recipe.dataset:
            raise ValueError("This recipe leaves the data to you. Name a dataset.")
        dataset = load(
            recipe.dataset,
            data_dir=data_dir,
            download=download,
            **recipe.dataset_options | folder.pixel_range(),
        )
        if dataset.decoding.pixel_range:
            range_ = range_as_text(dataset.decoding.pixel_range)
            tell(
                f"Samples of more than 8 bits: {range_} is black to white "
                "(--pixel_range=LOW:HIGH sets it)."
            )
    if recipe.masked_patches == "none":
        check_several(dataset)
    if distribution.is_chief(strategy):
        for sentence in (*dataset.notes, *on_both_sides(dataset)):
            tell(sentence)
    with interruption.heard() as heard:
        alone = distribution.num_workers(strategy) == 1  # else all end in one step
        nothing_yet = heard.at_once() if alone else contextlib.nullcontext()
        with nothing_yet, strategy.scope():
            training = PreparedRun(
                recipe,
                model_in_scope(given.model, recipe, dataset, strategy),
                teacher_in_scope(given.teacher or recipe.teacher, strategy, dataset),
                dataset,
                strategy,
                folder,
                seed,
                jit_compile,
            )
        with folder.held() if training.chief else contextlib.nullcontext():
            with strategy.scope():
                results = training.run(callbacks, heard, given.objects())
            trained = model_of_one_device(training, given.model)
            saved_model = leave(training, trained, *results, heard, export)
        wait_for_all(strategy)  # a worker that is gone would look lost
        evaluation, history = results
        return Run(
            trained,
            history,
            evaluation,
            folder.path,
            saved_model and pathlib.Path(saved_model),
        )
