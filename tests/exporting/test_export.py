import os

import numpy as np
import pytest
from conftest import randomize, tiny_vit

import keras_vit
from keras_vit.exporting import saved_model
from keras_vit.exporting.agreement import check_agreement


def test_versions_are_counted_and_labels_written_along(tmp_path, rng):
    model = randomize(tiny_vit(), rng)
    folder = tmp_path / "tiny"
    names = ["a", "b", "ç", "d e", "f/g"]
    assert keras_vit.export(model, folder, class_names=names) == folder / "1"
    assert keras_vit.export(model, folder) == folder / "2"
    labels = (folder / "1" / "assets" / "labels.txt").read_text(encoding="utf-8")
    assert labels.split("\n") == [*names, ""]
    assert sorted(os.listdir(folder)) == ["1", "2"]


def test_a_model_under_mixed_precision_is_exported(tmp_path, rng):
    import keras

    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = randomize(tiny_vit(), rng)
    finally:
        keras.config.set_dtype_policy("float32")
    assert (keras_vit.export(model, tmp_path) / "saved_model.pb").is_file()


def test_what_gives_other_logits_is_not_kept(tmp_path, rng, monkeypatch):
    class Wrong(saved_model.ServedModel):
        def predict_on_batch(self, images):
            return super().predict_on_batch(images) + 0.01

    monkeypatch.setattr(saved_model, "ServedModel", Wrong)
    with pytest.raises(RuntimeError, match="other logits"):
        keras_vit.export(randomize(tiny_vit(), rng), tmp_path / "tiny")
    assert os.listdir(tmp_path / "tiny") == []


def test_logits_that_are_not_numbers_do_not_agree(rng):
    model = randomize(tiny_vit(), rng)
    with pytest.raises(RuntimeError, match="Received: nan"):
        check_agreement(model, lambda images: np.full((len(images), 5), np.nan))


def test_an_unknown_format_is_refused_with_the_choices(tmp_path):
    with pytest.raises(ValueError, match="one of saved_model. Received: 'pickle'"):
        keras_vit.export(tiny_vit(), tmp_path, format="pickle")
