"""The protocol of the paper's Table 2: a sweep, then several runs at the best rate."""

import csv
import dataclasses
import json
import statistics
from unittest import mock

import numpy as np
import pytest
import tensorflow_datasets as tfds

from keras_vit import experiments, recipes
from keras_vit.cli.main import main
from keras_vit.data import Split, vtab
from keras_vit.experiments import (
    Outcome,
    Transfer,
    sweep,
    transfer,
    transfer_vtab,
    trials,
)
from keras_vit.experiments.vtab import VtabTransfer
from support.prepared import prepare
from support.training.small import small_dataset, small_recipe

pytestmark = pytest.mark.slow  # whole runs

RATES = (1e-5, 0.02)
RECIPE = small_recipe(epochs=3, warmup_steps=2)


_OF_LABELS = ("labels", "several", "check_classes", "in_random_order", "groups")


class Closed(Split):
    """A split of which nothing but the labels can be had."""

    closed = False

    def __getattribute__(self, name):
        if name not in _OF_LABELS:
            assert name[:2] == "__" or not Closed.closed, f"{name} was looked at"
        return super().__getattribute__(name)


def outcome(top1, loss=1.0):
    return Outcome(
        top1,
        loss=loss,
        count=100,
        steps=10,
        images=640,
        seconds=1.5,
        parameters=1000,
        multiply_adds=2000,
        folder=None,
    )


@pytest.fixture(scope="module")
def transferred(tmp_path_factory):
    """A transfer that ended when it looked at the test split, and was called again.

    Gives it, its folder, and what the first and the second call trained.
    """
    folder = tmp_path_factory.mktemp("transfer") / "folder"
    data = small_dataset()
    data = dataclasses.replace(data, test=Closed(data.test.images, data.test.labels))
    arguments = {"rates": RATES, "seeds": 2, "dev": "20%", "folder": folder}
    with mock.patch.object(trials, "train", wraps=trials.train) as train:
        Closed.closed = True
        with pytest.raises(AssertionError, match="was looked at"):
            transfer(RECIPE, dataset=data, **arguments)
        first = len(train.mock_calls)
        Closed.closed = False
        found = transfer(RECIPE, dataset=data, **arguments)
        trained = [call.kwargs["folder"].name for call in train.mock_calls]
    return found, folder, trained[:first], trained[first:]


def test_the_test_split_is_not_looked_at_before_the_rate_is_chosen(transferred):
    found, folder, first, _ = transferred
    assert first == ["rate_1e-05_dev", "rate_0.02_dev", f"rate_{found.rate:g}_seed_0"]
    assert all(one.count == 10 for one in found.sweep)  # 20 % of 50


def test_an_interrupted_transfer_goes_on_with_what_is_missing(transferred):
    found, _, _, second = transferred
    assert second == [f"rate_{found.rate:g}_seed_{seed}" for seed in (0, 1)]


def test_each_run_has_the_recipe_of_its_part(transferred):
    found, folder, *_ = transferred
    told = {}
    for path in folder.glob("rate_*"):
        config = json.loads((path / "config.json").read_text())
        parts = [config["recipe"]["data"][key] for key in ("train_split", "eval_split")]
        told[path.name] = (
            config["recipe"]["schedule"]["base_lr"],
            *parts,
            config["seed"],
        )
    assert told == {
        "rate_1e-05_dev": (1e-5, "train[:80%]", "train[80%:]", 0),
        "rate_0.02_dev": (0.02, "train[:80%]", "train[80%:]", 0),
        f"rate_{found.rate:g}_seed_0": (found.rate, "train", None, 0),
        f"rate_{found.rate:g}_seed_1": (found.rate, "train", None, 1),
    }


def test_rate_mean_and_deviation_follow_from_what_the_runs_left(transferred):
    found, folder, *_ = transferred

    def told(name):
        return json.loads((folder / name / "evaluation.json").read_text())

    dev = {rate: told(f"rate_{rate:g}_dev") for rate in RATES}
    assert found.rate == max(RATES, key=lambda rate: dev[rate]["top1"])
    top1 = [told(f"rate_{found.rate:g}_seed_{seed}")["top1"] for seed in (0, 1)]
    assert found.mean == pytest.approx(statistics.mean(top1), abs=1e-12)
    assert found.deviation == pytest.approx(statistics.stdev(top1), abs=1e-12)


def test_numbers_table_and_figure_are_left(transferred):
    found, folder, *_ = transferred
    files = {path.name for path in folder.iterdir() if path.is_file()}
    assert files == {f"transfer.{suffix}" for suffix in ("json", "csv", "md", "png")}
    told = json.loads((folder / "transfer.json").read_text())
    assert (told["rate"], told["mean"]) == (found.rate, found.mean)
    with open(folder / "transfer.csv") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["split"] for row in rows] == ["dev", "dev", "test", "test"]
    assert [float(row["accuracy"]) for row in rows[2:]] == told["accuracies"]
    report = (folder / "transfer.md").read_text()
    assert f"| sides | {100 * found.mean:.2f} ± {100 * found.deviation:.2f} |" in report


def test_the_best_rate_is_the_most_accurate_and_of_equals_that_of_the_least_loss():
    rates = (0.1, 0.2, 0.3, 0.4)
    least = [outcome(0.7, 0.1), outcome(0.9, 0.5), outcome(0.9, 0.4), outcome(0.8, 0.2)]
    assert sweep.best_of(rates, least) == 0.3
    assert sweep.best_of(rates, least[::-1]) == 0.2


# Table 4 and section B.1.1 of the ViT paper.
@pytest.mark.parametrize(
    ("name", "rates", "dev"),
    [
        ("imagenet2012", (0.003, 0.01, 0.03, 0.06), 99),
        ("cifar10", (0.001, 0.003, 0.01, 0.03), 98),
        ("oxford_flowers102", (0.001, 0.003, 0.01, 0.03), 90),
    ],
)
def test_the_sweep_is_that_of_the_paper(name, rates, dev):
    name = f"paper/finetune_{name}"
    recipe = recipes.get(name)
    assert sweep.checked_rates(None, name, recipe) == rates
    expected = f"train[:{dev}%]", f"train[{dev}%:]"
    assert sweep.dev_splits(None, name, recipe) == expected


def test_on_other_data_a_tenth_is_left_out_and_rates_lie_around_the_recipes_own():
    recipe = recipes.get("cifar10")
    assert sweep.checked_rates(None, "cifar10", recipe) == (2e-4, 6e-4, 2e-3, 6e-3)
    expected = "train[:90%]", "train[90%:]"
    assert sweep.dev_splits(None, "cifar10", recipe) == expected
    assert sweep.dev_splits("validation", "x", recipe) == ("train", "validation")
    other = recipes.changed(recipes.get("paper/finetune_cifar10"), {"dataset": "mine"})
    assert sweep.dev_splits(None, "paper/finetune_cifar10", other) == expected


def test_a_share_of_the_training_split_is_not_swept_on_the_whole():
    for name, dataset in [
        ("paper/finetune_cifar10", "cifar10"),
        ("paper/finetune_vtab", "vtab/dtd"),
    ]:
        recipe = recipes.changed(
            recipes.get(name), {"dataset": dataset, "train_split": "train[:500]"}
        )
        with pytest.raises(ValueError, match="share of a whole training split"):
            sweep.dev_splits(None, name, recipe)


def test_vtab_has_one_rate_and_its_200_images_are_what_is_left_out():
    recipe = recipes.changed(
        recipes.get("paper/finetune_vtab"), {"dataset": "vtab/dtd"}
    )
    assert sweep.checked_rates(None, "paper/finetune_vtab", recipe) == (0.01,)
    expected = "train[:800]", "train[800:]"
    assert sweep.dev_splits(None, "paper/finetune_vtab", recipe) == expected


def test_labels_that_follow_from_a_place_or_a_side_keep_it():
    vtab_recipe = recipes.get("paper/finetune_vtab")

    def kept(name):
        recipe = recipes.changed(vtab_recipe, {"dataset": name})
        return (lambda one: (one.crop or "none", one.flip))(
            sweep.keeping_labels(recipe).augmentation
        )

    assert kept("vtab/dtd") == kept("dtd") == ("inception", True)
    assert kept("vtab/dsprites_location") == ("none", False)
    assert kept("vtab/svhn") == ("inception", False)
    assert kept("vtab/clevr_count") == ("none", True)


def test_the_groups_are_those_of_vtab():
    sizes = {name: len(tasks) for name, tasks in vtab.GROUPS.items()}
    assert sizes == {"natural": 7, "specialized": 4, "structured": 8}
    assert sorted(sum(vtab.GROUPS.values(), ())) == sorted(vtab.TASKS)


def test_the_means_of_groups_are_of_tasks_and_their_deviations_of_seeds(rng, tmp_path):
    top1 = {name: rng.uniform(size=3) for name in vtab.TASKS}
    tasks = {
        name: Transfer(
            name,
            rates=(1,),
            sweep=(),
            rate=1,
            runs=tuple(map(outcome, values)),
            folder=tmp_path,
        )
        for name, values in top1.items()
    }
    found = VtabTransfer(tasks, tmp_path).groups()
    assert list(found) == ["natural", "specialized", "structured", "all"]
    for group, names in [*vtab.GROUPS.items(), ("all", tuple(vtab.TASKS))]:
        seeds = [statistics.mean(top1[name][n] for name in names) for n in range(3)]
        mean, deviation, count = found[group]
        assert mean == pytest.approx(statistics.mean(seeds))
        assert deviation == pytest.approx(statistics.stdev(seeds))
        assert count == len(names)


@pytest.fixture
def small_task(tmp_path, rng, monkeypatch):
    """Gives the folder in which a small `svhn_cropped` is prepared."""
    monkeypatch.setattr(vtab, "_TRAINING", 8)
    monkeypatch.setattr(vtab, "_VALIDATION", 2)
    features = {
        "image": tfds.features.Image(shape=(16, 16, 3)),
        "label": tfds.features.ClassLabel(num_classes=10),
    }
    images = rng.integers(0, 256, (26, 16, 16, 3), np.uint8)
    examples = [{"image": one, "label": n % 10} for n, one in enumerate(images)]
    splits = {"train": examples[:20], "test": examples[20:]}
    prepare(tmp_path / "tfds", "svhn_cropped", features, splits)
    return tmp_path / "tfds"


def test_a_task_of_vtab_is_transferred_to_without_false_labels(small_task, tmp_path):
    changes = {"dataset": "", "steps": 2, "warmup_steps": 0, "flip": True}
    found = transfer_vtab(
        recipes.changed(RECIPE, {**changes}),
        tasks=("svhn",),
        seeds=1,
        folder=tmp_path / "vtab",
        data_dir=small_task,
    )
    [run] = found.tasks["svhn"].runs
    assert run.count == 6
    config = json.loads((run.folder / "config.json").read_text())
    assert config["dataset"]["training_images"] == 10
    assert config["recipe"]["augmentation"]["flip"] is False  # of digits
    told = json.loads((tmp_path / "vtab" / "transfer.json").read_text())
    assert told["groups"]["natural"] == told["groups"]["all"]
    assert told["groups"]["all"] == {"mean": run.top1, "deviation": 0.0, "tasks": 1}
    report = (tmp_path / "vtab" / "transfer.md").read_text()
    assert f"| svhn | {100 * run.top1:.2f} ± 0.00 |" in report


def test_all_that_is_not_prepared_is_named_at_once(small_task):
    with pytest.raises(FileNotFoundError, match="Not prepared: dtd, eurosat/rgb. To"):
        transfer_vtab(tasks=("svhn", "dtd", "eurosat"), data_dir=small_task)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"rates": []},
            "one or several different learning rates above 0. Received: none",
        ),
        ({"rates": [0.1, 0.0]}, "different learning rates above 0. Received: 0.1, 0"),
        ({"rates": [0.1, 0.1]}, "different learning rates"),
        ({"dev": "validation", "eval_split": "validation"}, "must not be eval_split"),
        ({"seeds": 0}, "seeds must be at least 1. Received: seeds=0"),
        ({"dev": "100%"}, "dev must be a share of a whole training split"),
        ({"train_split": "train[:50%]"}, "share of a whole.*train_split='train.:50%"),
        ({"eval_split": "train[90%:]"}, "must not be a part of the training split"),
        ({"validation": 0.1, "dev": "10%"}, "dev must be validation, or be left out"),
        ({"base_lr": 0.1}, "left to rates.*Pass rates=.0.1"),
        ({"masked_patches": "pixels"}, "needs a recipe that trains on labels"),
    ],
)
def test_what_does_not_fit_is_refused_before_any_work(arguments, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        transfer(RECIPE, dataset=small_dataset(), folder=tmp_path / "x", **arguments)
    assert list(tmp_path.iterdir()) == []


def test_rates_are_chosen_on_the_validation_split_where_a_setting_takes_one():
    recipe = recipes.changed(recipes.get("finetune"), {"dataset": "photos"})
    assert sweep.dev_splits(None, "finetune", recipe) == ("train[:90%]", "train[90%:]")
    taken = recipes.changed(recipe, {"validation": 0.1})
    assert sweep.dev_splits(None, "finetune", taken) == ("train", "validation")


def test_the_command_hands_its_flags_on_and_ends_with_mean_and_deviation(
    transferred, capsys, tmp_path, monkeypatch
):
    found, folder, *_ = transferred
    monkeypatch.chdir(tmp_path)
    for name in ("photos", "runs/one"):  # which the command looks for at once
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "runs/one/model.keras").touch()
    command = ["transfer", "--recipe=cifar10", "--dataset=photos", "--model=runs/one"]
    command += ["--rates=1e-5,0.02", "--seeds=2", "--set", "epochs=3", "--dev=20%"]
    with mock.patch.object(experiments, "transfer", return_value=found) as called:
        assert main(command) == 0
    [call] = called.mock_calls
    assert call.args == ()
    expected = {
        "recipe": "cifar10",
        "dataset": "photos",
        "model": "runs/one",
        "rates": [1e-5, 0.02],
    }
    expected |= {"seeds": 2, "epochs": 3, "dev": "20%", "folder": None}
    assert {key: call.kwargs.get(key) for key in expected} == expected
    lines = capsys.readouterr().out.splitlines()
    told = f"{100 * found.mean:.2f} ± {100 * found.deviation:.2f}"
    assert lines[-2] == f"sides (learning rate {found.rate:g})  {told}"
    assert lines[-1].startswith(f"  everything  {folder}/ (transfer.md, .json, .csv, .")


@pytest.mark.parametrize(
    "arguments", [["--dataset=vtab"], ["--recipe=paper/finetune_vtab"]]
)
def test_the_command_ends_with_the_means_of_vtabs_groups(arguments, tmp_path, capsys):
    tasks = {
        name: Transfer(
            f"vtab/{name}",
            rates=(0.01,),
            sweep=(),
            rate=0.01,
            runs=(outcome(top1),),
            folder=tmp_path,
        )
        for name, top1 in (("dtd", 0.5), ("eurosat", 0.75))
    }
    found = VtabTransfer(tasks, tmp_path)
    with mock.patch.object(experiments, "transfer_vtab", return_value=found):
        assert main(["transfer", *arguments]) == 0
    rows = [line.rsplit("  ", 1) for line in capsys.readouterr().out.splitlines()[2:-1]]
    assert [(name.strip(), told) for name, told in rows] == [
        ("natural", "50.00 ± 0.00"),
        ("specialized", "75.00 ± 0.00"),
        ("all", "62.50 ± 0.00"),
        ("vtab/dtd (learning rate 0.01)", "50.00 ± 0.00"),
        ("vtab/eurosat (learning rate 0.01)", "75.00 ± 0.00"),
    ]
