import contextlib
import json

import keras
import pytest

import keras_vit
from keras_vit.factories import FACTORIES
from keras_vit.variants import VARIANTS
from support.published import PUBLISHED

SETTINGS = {  # the reference's name of a setting: arguments
    "1000@224": {},
    "1000@384": {"image_size": 384},
    "21843@224": {"num_classes": 21843},
    "headless@224": {"num_classes": None},
}
# Not among Google's releases. g and G by timm's table of models, with 1000
# classes; the other hybrids by the sum of their parts, below.
ELSEWHERE = {"ViT_g14": 1_012_611_432, "ViT_G14": 1_844_440_680}


@contextlib.contextmanager
def without_memory():
    """Models built here have shapes and no values: 1.8 B weights in a second."""
    with keras.StatelessScope(initialize_variables=False):
        yield


@pytest.fixture(scope="module")
def counts(request):
    path = request.path.parent / "fixtures" / "param_counts.json"
    return json.loads(path.read_text())


@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.parametrize("name", PUBLISHED)
def test_a_variant_has_the_published_number_of_parameters(name, setting, counts):
    with without_memory():
        model = FACTORIES[name](**SETTINGS[setting])
    expected = counts[PUBLISHED[name]][setting]
    assert model.count_params() == expected["total"]
    assert len(model.weights) == expected["n_tensors"]


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_pre_logits_layer_has_the_published_number_of_parameters(name, counts):
    width = VARIANTS[name].hidden_dim
    with without_memory():
        model = FACTORIES[name](num_classes=21843, representation_size=width)
    expected = counts[PUBLISHED[name]]["21843@224+pre_logits(rep=hidden)"]
    assert model.count_params() == expected["total"]


@pytest.mark.parametrize("name", ["ViT_S16", "ViT_S32", "ViT_B16", "ViT_B32"])
def test_average_pooling_has_the_published_number_of_parameters(name, counts):
    with without_memory():
        model = FACTORIES[name](pooling="gap")
    expected = counts[f"{PUBLISHED[name]}-gap-norep"]["1000@224"]
    assert model.count_params() == expected["total"]


@pytest.mark.parametrize("name", ELSEWHERE)
def test_the_giants_have_the_number_of_parameters_known_elsewhere(name):
    with without_memory():
        assert FACTORIES[name]().count_params() == ELSEWHERE[name]


@pytest.mark.parametrize("name", ["R50_ViT_B32", "R50_ViT_L16"])
def test_an_unpublished_hybrid_is_the_sum_of_published_parts(name):
    with without_memory():
        model = FACTORIES[name]()
        stem_of = {"R50_ViT_B32": "R50_ViT_L32", "R50_ViT_L16": "R50_ViT_B16"}[name]
        body_of = {"R50_ViT_B32": "R26_ViT_B32", "R50_ViT_L16": None}[name]
        stem = FACTORIES[stem_of]().get_layer("stem").count_params()
        if body_of:
            like = FACTORIES[body_of]()
            body = like.count_params() - like.get_layer("stem").count_params()
        else:  # L/16 on 196 tokens, its patches cut from 1024 channels of a map
            body = FACTORIES["ViT_L16"]().count_params()
            body += (1024 - 16 * 16 * 3) * 1024
    assert model.count_params() == stem + body


def test_no_variant_escapes_the_table():
    checked = {*PUBLISHED, *ELSEWHERE, "R50_ViT_B32", "R50_ViT_L16"}
    assert set(VARIANTS) == checked


@pytest.mark.parametrize("name", ["ViT", *VARIANTS])
def test_every_factory_stands_at_the_top_of_the_package(name):
    assert getattr(keras_vit, name) is FACTORIES[name]
    assert FACTORIES[name].__name__ == name
