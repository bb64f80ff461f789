import pytest

import keras_vit
from keras_vit.data.array_preprocessing import before_crop
from keras_vit.meaning import meaning_of, set_meaning
from keras_vit.preprocessing import (
    PRESETS,
    Preprocessing,
    resolve,
)
from support.models import tiny_vit


def test_text_names_a_preset_and_its_own_crop_fraction():
    assert resolve("timm") is PRESETS["timm"]
    assert resolve("timm:0.95").crop_fraction == 0.95
    for text, side, whole in (
        ("big_vision:384/448", 384, 448),
        ("big_vision", 224, 256),
        ("timm", 224, 248),
    ):
        crop_fraction = resolve(text).crop_fraction
        assert before_crop((side, side), crop_fraction) == (whole, whole)


@pytest.mark.parametrize("text", ["", "tim", "timm:", "timm:x", "timm:2", "timm:1/0"])
def test_unknown_text_is_refused_with_the_choices(text):
    with pytest.raises(ValueError, match=f"one of vit_jax, big_vis.*: '{text}'"):
        resolve(text)


@pytest.mark.parametrize("size", [224, 384, 518])
def test_any_side_before_the_crop_is_found_again(size):
    for whole in range(size, 2 * size):
        assert before_crop([size], size / whole) == (whole,)


@pytest.mark.parametrize(
    ("field", "value"),
    [("aspect", "long_side"), ("method", "lanczos"), ("levels", 3), ("arithmetic", "")],
)
def test_a_wrong_field_is_refused_by_name(field, value):
    with pytest.raises(ValueError, match=f"{field} must be one of .*Received: {field}"):
        Preprocessing(**{field: value})


def test_a_model_carries_its_own_through_everything_that_makes_another(tmp_path):
    import keras

    model = tiny_vit(evaluation_preprocessing="timm:0.8")
    model.save(tmp_path / "a.keras")
    for other in (
        model,
        keras.models.load_model(tmp_path / "a.keras"),
        keras.models.clone_model(model),
        keras_vit.resize(model, 32),
        keras_vit.replace_head(model, 3),
        keras.Sequential([model]),
    ):
        assert meaning_of(other).preprocessing == resolve("timm:0.8")


def test_a_model_that_does_not_say_squashes():
    import keras

    images = keras.Input((8, 8, 3))
    old = keras.layers.Normalization(mean=[1.0] * 3, variance=[1.0] * 3)(images)
    for model in (
        tiny_vit(),
        tiny_vit(include_preprocessing=False),
        keras.Model(images, old),
        object(),
    ):
        assert meaning_of(model).preprocessing == PRESETS["vit_jax"]


def test_a_model_with_nowhere_to_keep_it_is_refused():
    model = tiny_vit()
    set_meaning(model, preprocessing=PRESETS["timm"])
    assert meaning_of(model).preprocessing == PRESETS["timm"]
    with pytest.raises(ValueError, match="'preprocessing'.*Received: 'vit', which has"):
        set_meaning(
            tiny_vit(include_preprocessing=False), preprocessing=PRESETS["timm"]
        )
