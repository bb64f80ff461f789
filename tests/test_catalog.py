"""Models and recipes by their names, ours and timm's."""

import contextlib

import keras
import pytest

import keras_vit
from keras_vit import catalog, timm_names
from keras_vit.timm_names import ARCHITECTURES, hub_name, read_timm_name
from keras_vit.variants import VARIANTS


@contextlib.contextmanager
def without_memory():
    with keras.StatelessScope(initialize_variables=False):
        yield


def test_models_and_recipes_are_listed_by_patterns():
    assert {*VARIANTS, "ViT", "ResNet_R50"} <= {*keras_vit.list_models()}
    assert keras_vit.list_models("vit_s*") == [
        *("ViT_S14", "ViT_S16", "ViT_S32"),
        *("ViT_So150m16", "ViT_So400m14", "ViT_So400m16"),
    ]
    assert keras_vit.list_models("nothing") == []
    assert "finetune" in keras_vit.list_recipes()
    assert keras_vit.list_recipes("FINE*") == ["finetune"]


@pytest.mark.slow
def test_each_listed_model_is_created():
    with without_memory():
        for name in keras_vit.list_models():
            model = keras_vit.create_model(name, 7, image_size=64)
            assert model.output_shape == (None, 7), name


def test_a_network_of_keras_is_created_with_its_own_default_of_classes():
    with without_memory():
        model = keras_vit.create_model("keras:MobileNetV2", image_size=32, alpha=0.35)
    assert model.output_shape == (None, 1000)


def test_an_unknown_model_is_answered_with_a_similar_one():
    with pytest.raises(ValueError, match=r"Received: 'vit-b-16'\. .*'ViT_B16'\?"):
        keras_vit.create_model("vit-b-16")
    with pytest.raises(ValueError, match=r"mean 'vit_tiny_patch16_224'\?"):
        keras_vit.create_model("vit_tinny_patch16_224")


@pytest.mark.parametrize("name", ["google/vit-base-patch16-224", "hf:a/b", "my.keras"])
def test_a_file_or_repository_in_place_of_a_name_is_told_where_it_goes(name):
    with pytest.raises(ValueError, match=r"weights=.*Classifier\.of\(path\)\.model"):
        keras_vit.create_model(name)


def test_what_is_no_name_is_refused_by_the_function_that_was_called():
    with pytest.raises(TypeError, match=r"create_model\(\) takes the name.* 7"):
        keras_vit.create_model(7)


@pytest.mark.slow
def test_timms_architectures_are_those_of_timm():
    """The count and the input size of timm's own classes, built without memory."""
    timm = pytest.importorskip("timm")
    torch = pytest.importorskip("torch")
    wrong = []
    known = timm.list_models()
    for architecture in ARCHITECTURES:
        names = [name for name in known if timm_names.NAME.fullmatch(name)]
        names = [name for name in names if name.rpartition("_")[0] == architecture]
        assert names, architecture
        with torch.device("meta"):
            theirs = timm.create_model(names[0], num_classes=1000)
        with without_memory():
            ours = keras_vit.create_model(names[0])
        size = theirs.default_cfg["input_size"][1:]
        counted = sum(one.numel() for one in theirs.parameters())
        if (ours.count_params(), ours.input_shape[1:3]) != (counted, size):
            wrong.append((names[0], ours.count_params(), counted, size))
    assert wrong == []


@pytest.mark.parametrize("before", ["", "timm/", "hf-hub:timm/", "hf:timm/", "hf_hub:"])
def test_a_full_name_of_timms_means_its_repository_on_the_hub(before):
    name = "vit_base_patch16_224.augreg_in21k_ft_in1k"
    assert hub_name("ViT_B16", before + name) == f"hf:timm/{name}"
    assert hub_name("ViT", before + name) == f"hf:timm/{name}"


@pytest.mark.parametrize("before", ["", "timm/", "hf_hub:"])
def test_any_full_name_of_timms_is_a_model_of_its_repository(before, monkeypatch):
    seen = {}
    monkeypatch.setitem(
        catalog.FACTORIES, "ViT", lambda **options: seen.update(options)
    )
    keras_vit.create_model(f"{before}vit_base_patch16_dinov3.lvd1689m", image_size=256)
    name = "hf:timm/vit_base_patch16_dinov3.lvd1689m"
    assert seen == {"weights": name, "image_size": 256}
    with pytest.raises(ValueError, match="Unknown model"):
        keras_vit.create_model("vit_base_patch16_dinov9.lvd1689m")


def test_a_full_name_of_timms_is_not_built_without_its_weights():
    with pytest.raises(TypeError, match="by their weights.*weights=None"):
        keras_vit.create_model("eva02_base_patch14_224.mim_in22k", weights=None)


def test_other_names_of_weights_are_left_as_they_are():
    for name in ("augreg_in21k", "folder/model.npz", "hf:google/vit", "in21k", "a.b"):
        assert hub_name("ViT_B16", name) == name
    assert hub_name("ViT_B16", "hf-hub:owner/name") == "hf:owner/name"


def test_timms_weights_of_another_size_are_refused_by_the_function_that_was_called():
    name = "timm/vit_small_patch16_224.augreg_in21k"
    expected = r"ViT_B16\(\) .* of ViT_S16\. Expected keras_vit\.ViT_S16\(weights"
    with pytest.raises(ValueError, match=expected):
        keras_vit.ViT_B16(weights=name)
    with pytest.raises(ValueError, match=r"ViT_B16\(\) .*tag behind a dot"):
        keras_vit.ViT_B16(weights="vit_base_patch16_224")


def test_a_tag_names_weights_and_is_not_left_unused(monkeypatch):
    seen = {}
    monkeypatch.setitem(
        catalog.FACTORIES, "ViT_B16", lambda **options: seen.update(options)
    )
    keras_vit.create_model("vit_base_patch16_384.augreg_in21k_ft_in1k", num_classes=5)
    assert seen == {
        "num_classes": 5,
        "weights": "hf:timm/vit_base_patch16_384.augreg_in21k_ft_in1k",
    }
    with pytest.raises(TypeError, match="weights once"):
        keras_vit.create_model("vit_base_patch16_224.dino", weights="in21k")


def test_a_name_of_timms_without_a_tag_has_timms_settings():
    deit = read_timm_name("deit_tiny_distilled_patch16_224")
    assert deit.arguments["distillation"] is True
    assert read_timm_name("vit_base_patch16_clip_224") is None
    assert read_timm_name("ViT_B16") is None
    with without_memory():
        model = keras_vit.create_model("vit_tiny_patch16_384", 3)
    assert model.input_shape == (None, 384, 384, 3)
    assert model.get_layer("block_00").activation == "gelu_erf"
