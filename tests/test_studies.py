"""The studies of `examples/studies/`, cut to two runs of a few steps."""

import csv
import dataclasses
import importlib
import pathlib
import re
import sys
from unittest import mock

import pytest
from PIL import Image

from keras_vit import recipes
from keras_vit.experiments import trials
from keras_vit.training import read_config

pytestmark = pytest.mark.slow  # whole runs

FOLDER = pathlib.Path(__file__).parent.parent / "examples" / "studies"
STUDIES = ("pretraining_size", "compute", "positions", "pooling", "masked_patches")


@pytest.fixture(scope="module", params=STUDIES)
def study(request):
    """A study with its first two trials, of two steps each."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(FOLDER)
        whole = importlib.import_module(request.param).STUDY
        yield dataclasses.replace(whole, tiny=cut(whole.tiny))


def cut(table):
    first = list(table.items())[:2]
    return {
        key: dataclasses.replace(one, recipe=short(one.recipe)) for key, one in first
    }


def short(recipe):
    arguments = dict(recipe.model.arguments)
    if "num_layers" in arguments:
        arguments["num_layers"] = 1
    steps = {"steps": 2, "evaluate_every": 2, "warmup_steps": 1, "batch_size": 8}
    few = {"eval_split": "test[:5%]"}
    return recipes.changed(recipe, {"model_arguments": arguments, **steps, **few})


@pytest.fixture(scope="module")
def written(study, tmp_path_factory):
    """The folder of a study that was interrupted after its first trial."""
    folder = tmp_path_factory.mktemp(study.name)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KERAS_HOME", str(folder / "home"))
        trained = []

        def interrupted(recipe, **options):
            if len(trained) == 1:
                trained.append(None)
                raise KeyboardInterrupt
            trained.append(options["folder"].name)
            return train(recipe, **options)

        train = trials.train
        with mock.patch.object(trials, "train", interrupted):
            with pytest.raises(KeyboardInterrupt):
                study.run(folder)
            assert not (folder / "numbers.csv").exists()
            study.run(folder)
    first, second = (trial.name for trial in study.tiny.values())
    assert trained == [first, None, second]  # it went on with what was missing
    return folder


@pytest.mark.parametrize("study", STUDIES, indirect=True, scope="module")
def test_a_study_leaves_numbers_figure_and_text(study, written):
    rows = list(csv.DictReader((written / "numbers.csv").open()))
    assert 1 <= len(rows) <= 2
    assert tuple(rows[0])[: len(study.columns)] == study.columns
    assert Image.open(written / "figure.png").size[0] > 600
    text = (written / "README.md").read_text()
    assert "--scale=tiny" in text
    assert study.claim in text
    for row in study.published:
        for value in row.values():
            told = f"{value:,}" if isinstance(value, int) else str(value)
            assert value is None or told in text


def test_the_papers_scale_is_written_as_configurations(study, tmp_path, capsys):
    study.main(["--scale=paper", f"--folder={tmp_path}"])
    assert capsys.readouterr().out.endswith("Nothing was trained.\n")
    commands = (tmp_path / "paper" / "commands.sh").read_text()
    named = re.findall(r"--config=(\S+)", commands)
    assert len(named) == len(study.paper)
    assert {pathlib.Path(one) for one in named} == set(
        (tmp_path / "paper").glob("*.json")
    )
    for trial in study.paper.values():
        recipe, seed = read_config(tmp_path / "paper" / f"{trial.name}.json")
        begins = trial.begins_from
        assert seed == trial.seed
        assert recipe.run.batch_size == trial.recipe.run.batch_size
        assert not begins or begins in f"{recipe.model.weights} {recipe.model.name}"


def test_a_study_has_one_command(study):
    text = (FOLDER / f"{study.name}.py").read_text()
    assert f"python examples/studies/{study.name}.py --scale=tiny" in text
    assert sys.modules[study.name].STUDY.name == study.name
