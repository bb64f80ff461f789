"""Words of other libraries are answered with ours, by the function that was called."""

import pytest

import keras_vit
from keras_vit.factories import FACTORIES, arguments_of
from keras_vit.foreign_arguments import KEYWORDS, RELEASE_WORDS, SIZES, VALUES
from keras_vit.releases import list_weights

# What a user of another library writes -> our argument, as this test knows it.
KERAS = {
    "include_top": "num_classes=None",
    "classes": "num_classes",
    "input_shape": "image_size",
    "input_tensor": "model",
    "classifier_activation": "logits",
    "include_rescaling": "include_preprocessing",
    "image_shape": "image_size",
    "dropout": "dropout_rate",
    "pretrained_top": "num_classes",
}
TIMM = {
    "pretrained": "weights",
    "global_pool": "pooling",
    "img_size": "image_size",
    "drop_rate": "dropout_rate",
    "attn_drop_rate": "attention_dropout_rate",
    "drop_path": "drop_path_rate",
    "in_chans": "3 channels",
    "init_values": "layer_scale",
    "reg_tokens": "num_registers",
}
HUGGING_FACE = {
    "num_labels": "num_classes",
    "hidden_dropout_prob": "dropout_rate",
    "hidden_act": "activation",
    "layer_norm_eps": "layer_norm_epsilon",
}
SIZE_WORDS = {
    "embed_dim": "hidden_dim",
    "hidden_size": "hidden_dim",
    "depth": "num_layers",
    "num_hidden_layers": "num_layers",
    "num_attention_heads": "num_heads",
    "intermediate_size": "mlp_dim",
    "intermediate_dim": "mlp_dim",
    "width": "hidden_dim",
}
OTHERS = {
    "rep_size": "representation_size",
    "posemb": "position_embedding",
    "id2label": "class_names",
    "preprocessor": "include_preprocessing",
    "pretrained_top": "num_classes",
    "backbone": "replace_head",
    "variant": "create_model",
    "norm_layer": "block",
    "qkv_bias": "block",
    "swiglu_mlp": "block",
    "no_embed_class": "fixed here",
    "weight_init": "fixed here",
}
WORDS = KERAS | TIMM | HUGGING_FACE | OTHERS


def refused(call, *args, **kwargs):
    """The one line that a call is refused with."""
    with pytest.raises((TypeError, ValueError)) as raised:
        call(*args, **kwargs)
    assert "\n" not in str(raised.value)
    return str(raised.value)


def test_each_foreign_keyword_is_answered_with_ours_and_the_function_that_was_called():
    wrong = []
    for name in ("ViT", "ViT_Ti16", "R26_ViT_S32"):
        for word, ours in (WORDS | SIZE_WORDS).items():
            line = refused(FACTORIES[name], **{word: 1})
            parts = (f"{name}()", repr(word), ours)
            wrong += [(name, word, line)] * (not all(part in line for part in parts))
    assert wrong == []


def test_a_word_for_a_size_leads_from_a_size_to_the_general_model():
    for word in SIZE_WORDS:
        assert "Use keras_vit.ViT" in refused(keras_vit.ViT_B16, **{word: 1})
        assert "Use keras_vit.ViT" not in refused(keras_vit.ViT, **{word: 1})


def test_every_word_of_the_table_leads_to_an_argument_that_there_is():
    ours = {*arguments_of(keras_vit.ViT)}
    assert {row.argument for row in KEYWORDS.values()} - {None} <= ours
    assert not KEYWORDS.keys() & ours
    assert all(row.argument or row.note for row in KEYWORDS.values())
    assert {*SIZES} <= ours
    assert {argument for argument, _ in VALUES} <= ours


def test_each_foreign_value_is_answered_by_the_function_that_was_called():
    for (argument, value), expected in VALUES.items():
        line = refused(keras_vit.ViT_S16, **{argument: value})
        assert line == f"ViT_S16() has no {argument}={value!r}. {expected}"


@pytest.mark.parametrize("name", ["ResNet_R26", "ResNet"])
def test_the_baselines_answer_too(name):
    assert "num_classes=None" in refused(FACTORIES[name], include_top=False)
    assert refused(FACTORIES[name], embed_dim=8) == (
        f"{name}() has no argument 'embed_dim'. It is hidden_dim of keras_vit.ViT; "
        "there is none here."
    )


def test_a_misspelt_keyword_is_answered_with_the_one_that_was_probably_meant():
    line = refused(keras_vit.ViT_B16, image_sise=32)
    assert line == "ViT_B16() has no argument 'image_sise'. Did you mean 'image_size'?"


def test_the_old_name_of_an_argument_goes_on_with_a_warning_at_the_callers_line():
    sizes = {"num_layers": 1, "num_heads": 1, "hidden_dim": 8, "mlp_dim": 8}
    message = r"ViT\(\): pixel_deviation .*pixel_std"
    with pytest.warns(DeprecationWarning, match=message) as warned:
        model = keras_vit.ViT(2, image_size=16, pixel_deviation=50.0, **sizes)
    assert warned[0].filename == __file__
    assert list(model.get_layer("preprocessing").variance.numpy().flat) == [2500.0] * 3


@pytest.mark.parametrize("word", RELEASE_WORDS)
def test_a_word_for_weights_is_answered_with_a_release(word):
    line = refused(keras_vit.ViT_B16, weights=word)
    names = [release.name for release in list_weights("ViT_B16")]
    assert any(line.endswith(f"Use {name!r}") for name in names), line
    assert ("in1k" in line.rsplit("Use")[-1]) == (word != "imagenet21k")
