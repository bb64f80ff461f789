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


@pytest.mark.parametrize("broken", ["serving_default", "serving_uint8"])
@pytest.mark.parametrize("output", ["logits", "probabilities"])
def test_what_gives_other_answers_is_not_kept(
    broken, output, tmp_path, rng, monkeypatch
):
    class Wrong(saved_model.ServedModel):
        def answers(self, images, signature, dtype):
            told = super().answers(images, signature, dtype)
            if signature == broken:
                told[output] = told[output] + 0.01
            return told

    monkeypatch.setattr(saved_model, "ServedModel", Wrong)
    with pytest.raises(RuntimeError, match="other answers"):
        keras_vit.export(randomize(tiny_vit(), rng), tmp_path / "tiny")
    assert os.listdir(tmp_path / "tiny") == []


def test_answers_that_are_not_numbers_do_not_agree():
    def zeros(images):
        return np.zeros((len(images), 5))

    with pytest.raises(RuntimeError, match="Received: nan"):
        check_agreement(zeros, lambda images: zeros(images) + np.nan, (4, 4, 3))


def test_an_unknown_format_is_refused_with_the_choices(tmp_path):
    with pytest.raises(ValueError, match="one of saved_model. Received: 'pickle'"):
        keras_vit.export(tiny_vit(), tmp_path, format="pickle")
