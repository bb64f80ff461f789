"""The words that the command knows without Keras are those of the real tables."""

import keras
import pytest
import tensorflow_datasets as tfds

from keras_vit import (
    baselines,
    choices,
    dataset_names,
    distribution,
    factories,
    kerascv_networks,
)
from keras_vit.data import sources, tables, vtab
from keras_vit.data import tfds as data_tfds
from keras_vit.evaluation.measurements import MEASUREMENTS
from keras_vit.export_formats import FORMATS
from keras_vit.exporting.export_model import WRITERS
from keras_vit.inspect.figure_specs import FIGURE_SPECS
from keras_vit.inspect.rollouts import FUSIONS
from keras_vit.recipes import setting_kinds
from keras_vit.recipes.settings import documented, setting_names
from keras_vit.suggestions import close_to
from keras_vit.weights.checkpoint import HUB

SAME = {
    "models": (choices.MODELS, factories.FACTORIES),
    "strategies": (choices.STRATEGIES, distribution.STRATEGIES),
    "measurements": (choices.MEASUREMENTS, MEASUREMENTS),
    "figures": (choices.FIGURES, FIGURE_SPECS),
    "fusions": (choices.HEAD_FUSIONS, FUSIONS),
    "export formats": (FORMATS, WRITERS),
    "data sets": (dataset_names.NAMES, sources.SOURCES),
    "files": (dataset_names.SUFFIXES, (".zip", *tables.SUFFIXES, ".npz")),
    "tasks": (
        dataset_names.VTAB_TASKS,
        [task for group in vtab.GROUPS.values() for task in group],
    ),
    "prefixes": (
        (dataset_names.VTAB_PREFIX, dataset_names.TFDS_PREFIX),
        (vtab.PREFIX, data_tfds.PREFIX),
    ),
    "other prefixes": (
        (choices.KERAS_PREFIX, choices.HUB_PREFIX),
        (baselines.PREFIX, HUB),
    ),
    "networks of KerasCV": (choices.KERAS_CV_NETWORKS, kerascv_networks._NETWORKS),
    "networks": (sorted(choices.keras_networks()), sorted(baselines.applications())),
}


@pytest.mark.parametrize("what", SAME)
def test_the_words_are_the_keys_of_the_table_in_its_order(what):
    words, table = SAME[what]
    assert list(words) == list(table)


def test_a_network_of_keras_is_found_in_its_files():
    for name in choices.keras_networks():
        assert callable(getattr(keras.applications, name))


def test_every_builder_of_tensorflow_datasets_is_found_in_its_files():
    builders = {*tfds.list_builders(with_community_datasets=False)}
    assert len(builders) > 100
    assert builders <= dataset_names._tfds_names()


def test_every_setting_has_a_sentence():
    texts = documented()
    assert {*texts} == {*setting_kinds()}
    assert all(texts[name].endswith(".") for name in setting_names())


@pytest.mark.parametrize(
    ("name", "error", "message"),
    [
        ("fashon_mnist", ValueError, "Did you mean 'fashion_mnist'"),
        ("tfds:cifr100", ValueError, "Did you mean 'cifar100'"),
        ("vtab/clevr_cuont", ValueError, "Did you mean 'clevr_count'"),
        ("no/where", FileNotFoundError, "No such file or folder: no/where. Expected"),
        ("~/no.csv", FileNotFoundError, "No such file or folder: ~/no.csv. Expected"),
        ("", ValueError, "Unknown data set. Expected one of fashion_mnist_sample"),
    ],
)
def test_what_names_no_data_set_is_answered_with_what_is_near(name, error, message):
    with pytest.raises(error, match=message):
        dataset_names.check_exists(name)
    with pytest.raises(error):
        sources.load(name)


def test_what_may_name_a_data_set_is_let_through(tmp_path, monkeypatch):
    (tmp_path / "own_records").mkdir()
    (tmp_path / "pets.csv").touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    names = ("cifar10", "imagenet2012", "eurosat/rgb", "tfds:kitti:3.2.0", "vtab/dtd")
    for name in (*names, str(tmp_path), "~/pets.csv", "pets.csv"):
        dataset_names.check_exists(name)
    dataset_names.check_exists("own_records", str(tmp_path))
    dataset_names.check_exists("any_name", "gs://bucket/data")


@pytest.mark.parametrize(
    ("word", "near"),
    [
        ("vit_b16", ["ViT_B16"]),
        ("ViT-B/16", ["ViT_B16"]),
        ("fintune", ["finetune"]),
        ("zzz", []),
    ],
)
def test_case_and_punctuation_do_not_hide_what_was_meant(word, near):
    assert close_to(word, ["ViT_B16", "ViT_L32", "finetune"]) == near
