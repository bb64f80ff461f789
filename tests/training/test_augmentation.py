"""Layers and functions that augment images, in whole runs."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_vit
from support.training.small import small_dataset, small_recipe

SMALL = {"steps": 4, "warmup_steps": 1, "checkpoint_every": 1, "evaluate_every": 4}


def darker(image, seed):
    return image * tf.random.stateless_uniform((), seed)


def trained(folder, augmentation, **options):
    return keras_vit.train(
        small_recipe(**SMALL),
        dataset=small_dataset(),
        folder=folder,
        export=False,
        verbose=0,
        augmentation=augmentation,
        **options,
    )


class Breaks(keras.callbacks.Callback):
    def on_train_batch_begin(self, batch, logs=None):
        if batch == 2:
            raise RuntimeError("broken off")


def layers():
    return [keras.layers.RandomRotation(0.1), darker, "keras:RandomContrast"]


@pytest.mark.slow
def test_a_run_with_layers_and_functions_resumes_as_if_unbroken(tmp_path):
    whole = trained(tmp_path / "whole", layers())
    with pytest.raises(RuntimeError, match="broken off"):
        trained(tmp_path / "broken", layers(), callbacks=Breaks())
    resumed = trained(tmp_path / "broken", layers())
    for one, other in zip(
        whole.model.get_weights(), resumed.model.get_weights(), strict=True
    ):
        np.testing.assert_array_equal(one, other)
    noted = json.loads((tmp_path / "whole" / "config.json").read_text())["objects"]
    kinds = [one if isinstance(one, str) else [*one] for one in noted["augmentation"]]
    assert kinds == [["class", "config"], ["function"], "keras:RandomContrast"]


@pytest.mark.slow
def test_names_are_settings_of_the_recipe(tmp_path):
    run = trained(tmp_path, "keras:RandomRotation")
    config = json.loads((run.folder / "config.json").read_text())
    assert config["recipe"]["augmentation"]["layers"] == ["keras:RandomRotation"]
    assert not config["objects"]


def test_a_name_is_refused_before_any_work(tmp_path):
    with pytest.raises(ValueError, match="Did you mean 'keras_cv:GridMask'"):
        trained(tmp_path / "run", ("keras_cv:GridMsk",))
    with pytest.raises(ValueError, match="set mixup=0.2 or cutmix=1.0 instead"):
        trained(tmp_path / "run", keras.layers.MixUp())
