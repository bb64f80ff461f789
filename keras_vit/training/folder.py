"""The folder of a run: what is written there, and going on with it."""

import contextlib
import csv
import dataclasses
import itertools
import json
import logging
import os
import pathlib
import shutil

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

import keras
import tensorflow as tf

from keras_vit import recipes
from keras_vit.files import written_whole
from keras_vit.training.checkpoints import Checkpoints
from keras_vit.version import VERSION

LOG = logging.getLogger(__name__)

CONFIG = "config.json"
FINISHED = "finished.json"


class RunFolder:
    """The folder of one run.

    Args:
        path: of the folder, which need not exist.
    """

    def __init__(self, path):
        self.path = pathlib.Path(path)
        self.checkpoints = Checkpoints(self.path / "checkpoints")

    def finished(self):
        """What the run noted at its end; `None` if it has not come to it."""
        path = self.path / FINISHED
        return json.loads(path.read_text()) if path.is_file() else None

    def clear_scratch(self):
        """Removes what a killed process was writing."""
        for scratch in self.path.rglob(".*"):
            if scratch.is_dir():
                shutil.rmtree(scratch, ignore_errors=True)

    @contextlib.contextmanager
    def held(self):
        """Keeps a second run out of the folder meanwhile.

        Raises:
            BlockingIOError: if another process is at work there.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        if fcntl is None:  # where there is no such lock, nobody is kept out
            yield
            return
        folder = os.open(self.path, os.O_RDONLY)
        try:
            try:
                fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise BlockingIOError(
                    f"Another process trains in {self.path}. Name another folder."
                ) from error
            yield
        finally:
            os.close(folder)

    def check_data(self, split, eval_split):
        """Refuses images that are not those the run began with.

        A run of an earlier version did not note on which it was evaluated;
        then these are taken for the same.

        Args:
            split: to train on.
            eval_split: to evaluate on.

        Raises:
            ValueError: saying which of the two have changed, and what to do.
        """
        try:
            began = json.loads((self.path / CONFIG).read_text())["dataset"]
        except (OSError, KeyError, ValueError):
            return  # the run has only begun
        if began.get("fingerprint", split.fingerprint()) != split.fingerprint():
            raise ValueError(
                f"The run in {self.path} began on other training images than those "
                f"that are there now ({began['training_images']:,} then, in all), or "
                "with them turned otherwise. Put them back, or name another folder."
            )
        evaluated = began.get("eval_fingerprint", eval_split.fingerprint())
        if evaluated != eval_split.fingerprint():
            raise ValueError(
                f"The run in {self.path} was evaluated on other images than those that "
                f"are there now ({began['eval_images']:,} then, {len(eval_split):,} "
                "now), or on other labels, and its history must not mix two. Put them "
                "back; or begin from its model in another folder: "
                f"--model={self.path} --folder=NEW."
            )

    def pixel_range(self):
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

    def write_config(self, recipe, seed, model, dataset, splits, *, objects, counts):
        """Writes the resolved recipe, from which the run can be repeated.

        Args:
            recipe: a `Recipe`.
            seed: of the run.
            model: that is trained.
            dataset: that it learns from.
            splits: the parts of it to train on and to evaluate on.
            objects: what was given in Python and cannot be named in a file.
            counts: of the model's numbers, by what they are.
        """
        config = {
            "recipe": dataclasses.asdict(recipe),
            "seed": seed,
            "given_in_python": list(objects),
            "model": {
                "name": model.name,
                **counts,
                "input_shape": model.input_shape,
            },
            "dataset": {
                "name": dataset.name,
                "training_images": len(dataset.train),
                "fingerprint": splits[0].fingerprint(),
                "test_images": len(dataset.test),
                "eval_images": len(splits[1]),
                "eval_fingerprint": splits[1].fingerprint(),
                "class_names": dataset.class_names,
                "decoding": dataset.decoding.as_json(),
            },
            "versions": {
                "keras-vision-transformer": VERSION,
                "keras": keras.__version__,
                "tensorflow": tf.__version__,
            },
        }
        write_json(self.path / CONFIG, config)

    def write_history(self, history):
        """Writes `history.csv`, a row an evaluation."""
        with (
            written_whole(self.path / "history.csv") as scratch,
            open(scratch, "w", newline="") as file,
        ):
            columns = dict.fromkeys(name for row in history for name in row)
            writer = csv.DictWriter(file, fieldnames=columns)
            writer.writeheader()
            writer.writerows(history)


def read_config(path):
    """Gives the recipe and the seed of a run's `config.json`.

    Raises:
        ValueError: if it is no such file, or the run's model or data were
            objects in Python, which a file cannot name.
    """
    recipe, seed, objects = _read(path)
    if objects:
        raise ValueError(
            f"{path} cannot repeat its run, whose {', '.join(objects)} was given in "
            "Python."
        )
    return recipe, seed


def dataset_of(path):
    """Gives the data set of a run, by its `config.json`.

    Returns:
        Its name, and how it is read: arguments of `keras_vit.data.load`.

    Raises:
        ValueError: if it is no such file, or the data were an object in
            Python, which has no name.
    """
    recipe, _, objects = _read(path)
    if "dataset" in objects:
        raise ValueError(f"{path} names no data set, which was given in Python.")
    return recipe.dataset, recipe.dataset_options


def _read(path):
    try:
        config = json.loads(pathlib.Path(path).read_text())
        recipe = recipes.from_json(config["recipe"])
        return recipe, config["seed"], config["given_in_python"]
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(
            f"Expected the {CONFIG} of a run. Received: {path} ({error})"
        ) from error


def claim(folder, name, recipe, seed):
    """Finds the folder of a run: a new one, or that of the same run begun before.

    Args:
        folder: the path asked for; `None`: `runs/<name>`, numbered if that
            holds another run or a finished one.
        name: of the run.
        recipe: a `Recipe`.
        seed: of the run.

    Returns:
        A `RunFolder`.

    Raises:
        FileExistsError: if the folder asked for holds something else.
        ValueError: if it holds a run of another recipe or seed, which are
            told.
    """
    if folder is None:
        return _numbered(name, recipe, seed)
    folder = RunFolder(folder)
    if _is_free(folder.path):
        return folder
    if not (folder.path / CONFIG).is_file():
        raise FileExistsError(
            f"{folder.path} holds something already. Name another folder, or remove it."
        )
    differences = _differences(folder, recipe, seed)
    if differences and folder.finished() and _of_length(differences):
        raise ValueError(
            f"The run in {folder.path} has finished. To train its model further, begin "
            f"from it in another folder: --model={folder.path} --folder=NEW. There and "
            f"here: {'; '.join(differences)}"
        )
    if differences:
        raise ValueError(
            f"{folder.path} holds another run. Name another folder, or begin it with "
            f"the same settings. There and here: {'; '.join(differences)}"
        )
    return folder


def _numbered(name, recipe, seed):
    """The first folder of a name and a number that is free, or holds this very run."""
    names = itertools.chain(
        [name], (f"{name}-{number}" for number in itertools.count(2))
    )
    folders = map(RunFolder, map(pathlib.Path("runs").joinpath, names))
    one, shorter = next(folders), None
    while not _is_free(one.path):
        if (one.path / CONFIG).is_file():
            differences, finished = _differences(one, recipe, seed), one.finished()
            if not differences and not finished:
                break
            if differences and finished and _of_length(differences):
                shorter = one
        one = next(folders)
    if shorter is not None:
        LOG.info(
            f"This run begins anew in {one.path}. To train the model of the finished "
            f"run in {shorter.path} further, begin from it: --model={shorter.path}"
        )
    return one


def _is_free(path):
    """Nothing is there, or nothing but what a killed start left."""
    if not path.is_dir():
        return not path.exists()
    return all(inside.name.startswith(f".{CONFIG}.") for inside in path.iterdir())


def _differences(folder, recipe, seed):
    try:
        config = json.loads((folder.path / CONFIG).read_text())
        # What an earlier version had no setting for was as it is by default.
        there = recipes.as_json(recipes.from_json(config["recipe"]))
        its_seed = config["seed"]
    except (KeyError, TypeError, ValueError) as error:
        return [f"its {CONFIG} is not that of a run ({error!r})"]
    here = recipes.as_json(recipe)
    for name in ("dataset", "model", "teacher"):  # `~` once stood in files
        if isinstance(there[name], str):
            there[name] = os.path.expanduser(there[name])
    if "dataset_options" not in config["recipe"]:  # its images are compared later
        there["dataset_options"] = here["dataset_options"]
    lines = recipes.difference(there, here)
    if its_seed != seed:
        lines.append(f"seed: {its_seed} and {seed}")
    return lines


def _of_length(differences):
    """Whether two runs differ in how long they are, and in nothing else."""
    return all(line.startswith(("epochs: ", "steps: ")) for line in differences)


def write_json(path, content):
    """Writes a JSON file, whole or not at all."""
    with written_whole(path) as scratch:
        scratch.write_text(json.dumps(content, indent=2) + "\n")
