"""What an architecture's name says is what timm builds by that name."""

import functools
import importlib
import re

import pytest

from keras_vit.weights.sources.timm_architectures import ARCHITECTURES

torch = pytest.importorskip("torch")
timm = pytest.importorskip("timm")

DECIDES = (  # what a file's arrays do not tell, and what keras_vit has not
    *("global_pool", "class_token", "no_embed_class", "fc_norm", "act_layer"),
    *("pool_include_prefix", "qkv_bias", "proj_bias", "pre_norm", "final_norm"),
    *("pos_embed", "norm_layer", "embed_norm_layer", "block_fn", "mlp_layer"),
    *("attn_layer", "scale_attn_norm", "scale_mlp_norm", "num_heads"),
)


class AskedError(Exception):
    """Carries what a builder was asked for."""


def asked(model_class, variant, pretrained=False, **arguments):
    raise AskedError(model_class.__name__, arguments)


def arguments_of(name, monkeypatch):
    module = importlib.import_module(
        f"timm.models.{timm.models._registry._model_to_module[name]}"
    )
    monkeypatch.setattr(module, "build_model_with_cfg", asked)
    with pytest.raises(AskedError) as caught, torch.device("meta"):
        timm.models.model_entrypoint(name)()
    return caught.value.args


def is_a_plain_name(value):
    return isinstance(value, bool | int | str)


@pytest.mark.filterwarnings("ignore:.*deprecated")
def test_timm_builds_by_each_name_what_the_table_says(monkeypatch):
    for name, told in ARCHITECTURES.items():
        kind, theirs = arguments_of(name, monkeypatch)
        assert re.fullmatch("VisionTransformer(Distilled)?", kind)
        theirs = {key: value for key, value in theirs.items() if key in DECIDES}
        theirs.setdefault("num_heads", 12)
        if theirs.get("class_token") is True:
            del theirs["class_token"]
        assert theirs.keys() == told.keys() - {"embed_layer"}, name
        for key, value in theirs.items():
            if is_a_plain_name(value):
                assert told[key] == value, (name, key)
            else:  # a class there, of which a word stands here: refused either way
                assert isinstance(value, type | functools.partial), (name, key)
                assert isinstance(told[key], str), (name, key)


def test_every_vision_transformer_of_timm_is_in_the_table(monkeypatch):
    for module in ("vision_transformer", "vision_transformer_hybrid", "deit"):
        missing = set(timm.list_models(module=module)) - ARCHITECTURES.keys()
        assert not {
            name
            for name in missing
            if arguments_of(name, monkeypatch)[0].startswith("VisionTransformer")
        }
