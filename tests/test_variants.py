import contextlib
import json

import keras
import pytest

import keras_vit
from keras_vit import inspect
from keras_vit.factories import FACTORIES
from keras_vit.releases import RELEASES
from keras_vit.variant_costs import costs_of
from keras_vit.variants import VARIANTS
from support.often import often
from support.published import PUBLISHED

SETTINGS = {  # the reference's name of a setting: arguments
    "1000@224": {},
    "1000@384": {"image_size": 384},
    "21843@224": {"num_classes": 21843},
    "headless@224": {"num_classes": None},
}
# Not among Google's releases. By timm's VisionTransformer of these widths, with 1000
# classes; the other hybrids by the sum of their parts, below.
ELSEWHERE = {
    "ViT_S14": 22_004_584,
    "ViT_B14": 86_475_496,
    "ViT_L14": 304_203_752,
    "ViT_H16": 632_199_400,
    "ViT_g14": 1_012_611_432,
    "ViT_g16": 1_012_780_392,
    "ViT_gopt16": 1_136_286_184,
    "ViT_G14": 1_844_440_680,
    "ViT_So150m16": 134_072_424,
    "ViT_So400m14": 413_597_656,
    "ViT_So400m16": 413_735_896,
}


@contextlib.contextmanager
def without_memory():
    """Models built here have shapes and no values: 1.8 B weights in a second."""
    with keras.StatelessScope(initialize_variables=False):
        yield


@pytest.fixture(scope="module")
def counts(request):
    path = request.path.parent / "fixtures" / "param_counts.json"
    return json.loads(path.read_text())


@pytest.mark.one_in(6)
@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.parametrize("name", PUBLISHED)
def test_a_variant_has_the_published_number_of_parameters(name, setting, counts):
    with without_memory():
        model = FACTORIES[name](**SETTINGS[setting])
    expected = counts[PUBLISHED[name]][setting]
    assert model.count_params() == expected["total"]
    assert len(model.weights) == expected["n_tensors"]


@pytest.mark.one_in(3)
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


@pytest.mark.one_in(3)
@pytest.mark.parametrize("name", ELSEWHERE)
def test_other_sizes_have_the_number_of_parameters_known_elsewhere(name):
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


@pytest.mark.one_in(3)
@pytest.mark.parametrize("name", ["ViT_S14", "ViT_B32", "R_ViT_Ti16", "R26_ViT_S32"])
@pytest.mark.parametrize("size", often([224, 250], [250]))
def test_costs_by_arithmetic_are_those_counted_layer_by_layer(name, size):
    with inspect.unallocated():
        counted = inspect.summary(FACTORIES[name](7, image_size=size))
    costs = costs_of(VARIANTS[name], 7, size)
    assert costs == (counted.parameters, counted.multiply_adds)


def test_a_release_costs_what_its_model_does():
    release = RELEASES["ViT_B32", "in21k"]
    with inspect.unallocated():
        model = keras_vit.ViT_B32(21_843, representation_size=768)
        counted = inspect.summary(model)
    assert release.costs == (counted.parameters, counted.multiply_adds)
