"""A run: train, evaluate, and leave everything in a folder."""

import csv
import dataclasses
import importlib.metadata
import itertools
import json
import pathlib
import re
from dataclasses import dataclass

import keras
import numpy as np

from keras_vit import figures, layers, recipes
from keras_vit.data import Dataset, load
from keras_vit.evaluation import Evaluation
from keras_vit.evaluation.report import write_report
from keras_vit.exporting import export
from keras_vit.factories import FACTORIES
from keras_vit.files import written_whole
from keras_vit.model_files import save_model
from keras_vit.training.loop import fit


@dataclass(frozen=True)
class Run:
    """What a training run leaves.

    Attributes:
        model: the trained Keras model.
        history: a dict of numbers for each epoch.
        evaluation: the trained model on the whole test split.
        folder: where the run's files lie.
        saved_model: the folder of the exported SavedModel.
    """

    model: keras.Model
    history: list[dict]
    evaluation: Evaluation
    folder: pathlib.Path
    saved_model: pathlib.Path


def train(
    recipe="fashion_mnist",
    *,
    model=None,
    dataset=None,
    folder=None,
    name=None,
    seed=0,
):
    """Trains a model by a recipe, evaluates it and exports it.

    Two runs with the same arguments on the same machine give equal numbers.

    Args:
        recipe: a key of `keras_vit.recipes.RECIPES`, or a `Recipe`.
        model: a Keras model with one logit for each class, or a factory's
            name. The recipe's own by default.
        dataset: a name, or a `keras_vit.data.Dataset`. The recipe's own by
            default.
        folder: what the run writes; `runs/<name>`, numbered if that is taken,
            by default. The SavedModel goes to `savedmodels/` and the folder's
            own name.
        name: of the run; the recipe's by default.
        seed: of the initial weights, the order of the images, their
            augmentation and dropout.

    Returns:
        A `Run`.

    Raises:
        ValueError: for arguments that do not fit each other, before any work.
        FileExistsError: if the folder holds something already.
        FloatingPointError: if the loss is no longer finite.

    Example:

    >>> run = train("fashion_mnist")  # doctest: +SKIP
    >>> run.evaluation.top1  # doctest: +SKIP
    0.871
    """
    name = name or (recipe if isinstance(recipe, str) else "run")
    if isinstance(recipe, str):
        recipe = recipes.get(recipe)
    if isinstance(model, str):
        recipe = recipes.with_model(recipe, model)
    if isinstance(model, keras.Model):
        recipe = recipes.with_model(recipe, None)
    if dataset is not None:
        name_of_data = dataset if isinstance(dataset, str) else dataset.name
        recipe = dataclasses.replace(recipe, dataset=name_of_data)
    if keras.backend.backend() != "tensorflow":
        raise RuntimeError(
            "train runs on Keras's TensorFlow backend. "
            f"Received: {keras.backend.backend()}. Set KERAS_BACKEND=tensorflow"
        )
    folder = _free_folder(folder, name)
    keras.utils.set_random_seed(seed)
    if not isinstance(dataset, Dataset):
        dataset = load(recipe.dataset)
    if not isinstance(model, keras.Model):
        model = build_model(recipe, dataset.num_classes)
    _check_fit(model, dataset)
    return _run(model, dataset, recipe, folder, seed)


def build_model(recipe, num_classes):
    """Builds the model that a recipe trains, with random weights."""
    if recipe.model not in FACTORIES:
        raise ValueError(
            f"Unknown model. Expected one of {', '.join(FACTORIES)}. "
            f"Received: {recipe.model!r}"
        )
    arguments = dict(recipe.model_arguments)
    if recipe.stem_blocks is not None:
        arguments["stem"] = layers.ResNetStem(
            recipe.stem_blocks, recipe.stem_width_factor, name="stem"
        )
    return FACTORIES[recipe.model](
        num_classes=num_classes, image_size=recipe.image_size, **arguments
    )


def _free_folder(folder, name):
    """The folder to write: the one asked for, or the first that is free."""
    if folder is not None:
        folder = pathlib.Path(folder)
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise FileExistsError(
                f"{folder} holds something already. Name another folder, or remove it."
            )
        return folder
    runs = pathlib.Path("runs")
    names = itertools.chain(
        [name], (f"{name}-{number}" for number in itertools.count(2))
    )
    return next(runs / one for one in names if not (runs / one).exists())


def _check_fit(model, dataset):
    if model.output_shape != (None, dataset.num_classes):
        raise ValueError(
            f"The data set {dataset.name!r} has {dataset.num_classes} classes, so the "
            f"model must give logits of shape (None, {dataset.num_classes}). "
            f"Received: a model that gives {model.output_shape}"
        )


def _run(model, dataset, recipe, folder, seed):
    epochs = fit(model, dataset, recipe, seed)  # which refuses what does not fit
    exports = pathlib.Path("savedmodels")
    for one in (exports, folder):  # told now, if it cannot be
        one.mkdir(parents=True, exist_ok=True)
    _write_config(folder / "config.json", model, dataset, recipe, seed)
    history = []
    for numbers, test in epochs:
        history.append(numbers)
        _write_history(folder / "history.csv", history)
        save_model(model, folder / "model.keras", dataset.class_names)
        evaluation = test
    figures.write(figures.learning_curves(history), folder / "learning_curves.png")
    write_report(evaluation, dataset.class_names, folder)
    _write_examples(folder / "images", dataset)
    saved_model = export(
        model,
        exports / folder.resolve().name,
        class_names=dataset.class_names,
    )
    return Run(model, history, evaluation, folder, saved_model)


def _write_config(path, model, dataset, recipe, seed):
    config = {
        "recipe": dataclasses.asdict(recipe),
        "seed": seed,
        "model": {
            "name": model.name,
            "parameters": model.count_params(),
            "input_shape": model.input_shape,
        },
        "dataset": {
            "name": dataset.name,
            "training_images": len(dataset.train),
            "test_images": len(dataset.test),
            "class_names": dataset.class_names,
        },
        "versions": {
            name: importlib.metadata.version(name)
            for name in ("keras-vision-transformer", "keras", "tensorflow")
        },
    }
    with written_whole(path) as scratch:
        scratch.write_text(json.dumps(config, indent=2) + "\n")


def _write_history(path, history):
    with written_whole(path) as scratch, open(scratch, "w", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=history[0])
        writer.writeheader()
        writer.writerows(history)


def _write_examples(folder, dataset):
    """Writes a test image of each class, to try the model on."""
    from PIL import Image

    folder.mkdir()
    for label, name in enumerate(dataset.class_names):
        of_class = np.flatnonzero(dataset.test.labels == label)
        if len(of_class):
            image = Image.fromarray(dataset.test.images[of_class[0]])
            stem = re.sub(r"\W+", "_", name).strip("_").lower()
            with written_whole(folder / f"{stem}.png") as scratch:
                image.save(scratch)
