"""transformers' Vision Transformers load with the same outputs, and go back out."""

import json
import logging

import numpy as np
import pytest

import keras_vit
from keras_vit.weights import load_weights, save_weights
from keras_vit.weights.sources import SOURCES
from keras_vit.weights.sources.huggingface_config import ACTIVATIONS
from support.huggingface_peers import CASES, WHOLE, network_of, outputs_of

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

WITHOUT_PIXELS = {"include_preprocessing": False}
HEADLESS = [
    case
    for case, (kind, _) in CASES.items()
    if kind not in WHOLE and not kind.endswith(("Teacher", "fication", "Projection"))
]
# Whose code takes images of other sizes than its position table is for.
RESIZED = [
    "ViT",
    "ViT with a head",
    "DeiT with a head",
    "DeiT with a teacher",
    "MSN",
    "I-JEPA",
    "CLIP",
    "CLIP of GELU, projected",
    "MetaCLIP 2",
    "SigLIP",
    "SigLIP 2",
    "BEiT without LayerScale",
    "DINOv2",
    "DINOv2 with registers",
    "DINOv3",
    "TIPSv2",
    "Pixio",
]


def images_of(rng, height=24, width=24):
    return rng.normal(size=(2, height, width, 3)).astype("float32")


def saved(network, folder):
    network.save_pretrained(folder)
    return folder


def assert_alike(ours, theirs):
    ours = np.asarray(ours)
    assert ours.shape == theirs.shape
    scale = np.abs(theirs).max()
    np.testing.assert_allclose(ours, theirs, atol=2e-5 * scale, rtol=0)


def expected_of(theirs, model):
    """Of what a class returns, that which a model of the same file returns."""
    for name in ("logits", "image_embeds", "pooler_output"):
        if name in theirs and theirs[name].shape[-1] == model.output_shape[-1]:
            return theirs[name]
    tokens = theirs["last_hidden_state"]
    return tokens if len(model.output_shape) == 3 else tokens[:, 0]


@pytest.mark.parametrize("case", CASES)
def test_a_class_loads_and_goes_back_out(case, tmp_path, rng):
    network, images = network_of(transformers, case), images_of(rng)
    theirs = outputs_of(network, images)
    model = keras_vit.ViT(weights=saved(network, tmp_path / "a"), **WITHOUT_PIXELS)
    assert_alike(model(images), expected_of(theirs, model))

    if case == "DeiT for masked images":
        return  # which has neither a head nor a pooler: see below
    if case == "AIMv2 with text":
        model = keras_vit.replace_head(model, None)  # a head of the whole alone
    save_weights(model, tmp_path / "b", "huggingface")
    name = json.loads((tmp_path / "b/config.json").read_text())["architectures"][0]
    again, info = getattr(transformers, name).from_pretrained(
        tmp_path / "b", output_loading_info=True
    )
    assert not any(info.values())
    theirs = outputs_of(again.eval(), images)
    assert_alike(model(images), expected_of(theirs, model))
    before = np.asarray(model(images))
    load_weights(model, tmp_path / "b")
    np.testing.assert_allclose(model(images), before, atol=1e-6)


@pytest.mark.parametrize("case", HEADLESS)
def test_all_tokens_are_those_of_the_class(case, tmp_path, rng):
    network, images = network_of(transformers, case), images_of(rng)
    theirs = outputs_of(network, images)
    folder, tokens = saved(network, tmp_path / "a"), theirs["last_hidden_state"]
    if case in ("CLIP", "MetaCLIP 2"):  # that normalise the class token alone
        norm = network.post_layernorm
        tokens = norm(torch.from_numpy(tokens)).detach().numpy()
    model = keras_vit.ViT(None, weights=folder, pooling=None, **WITHOUT_PIXELS)
    assert_alike(model(images), tokens)


@pytest.mark.parametrize("size", [(32, 32), (16, 40)])
@pytest.mark.parametrize("case", RESIZED)
def test_positions_go_to_another_grid_as_the_class_takes_them(
    case, size, tmp_path, rng
):
    network, images = network_of(transformers, case), images_of(rng, *size)
    theirs = outputs_of(network, images)
    folder = saved(network, tmp_path / "a")
    model = keras_vit.ViT(weights=folder, image_size=size, **WITHOUT_PIXELS)
    assert_alike(model(images), expected_of(theirs, model))


@pytest.mark.parametrize(
    ("case", "words"),
    [
        ("CLIP with text", "the text tower is left out, 22 arrays such as"),
        ("SigLIP with text", "the text tower is left out, 24 arrays such as"),
        ("TIPSv2 with text", "the text tower is left out"),
        ("MAE with a decoder", "the decoder of pre-training is left out"),
    ],
)
def test_what_is_left_out_of_a_file_is_logged(case, words, tmp_path, caplog):
    folder = saved(network_of(transformers, case), tmp_path / "a")
    with caplog.at_level(logging.WARNING, "keras_vit"):
        keras_vit.ViT(weights=folder, **WITHOUT_PIXELS)
    assert words in caplog.text


@pytest.mark.parametrize(
    ("case", "arguments", "features"),
    [
        ("CLIP of GELU, projected", {}, 16),
        ("SigLIP", {"pooling": "gap"}, 16),
        ("DINOv2 with a head", {}, 32),
        ("Pixio", {}, 16),
    ],
)
def test_a_new_head_reads_the_features_of_a_class(
    case, arguments, features, tmp_path, rng
):
    folder = saved(network_of(transformers, case), tmp_path / "a")
    model = keras_vit.ViT(7, weights=folder, **arguments, **WITHOUT_PIXELS)
    assert model.get_layer("head").kernel.shape == (features, 7)
    assert model.get_layer("head").use_bias
    np.testing.assert_array_equal(model(images_of(rng)), np.zeros((2, 7)))


@pytest.mark.parametrize(
    ("case", "changes", "message"),
    [
        ("CLIP", {"hidden_act": "mish"}, "do not support hidden_act='mish'"),
        ("SigLIP", {"num_channels": 1}, "do not support num_channels=1"),
        ("AIMv2", {"is_native": True}, "do not support is_native=True"),
        ("AIMv2", {"qkv_bias": True}, "qkv_bias=True, mlp_bias=False"),
        ("DINOv3", {"query_bias": False}, "query_bias=False, key_bias=False, value"),
        ("DINOv3", {"proj_bias": False}, "proj_bias=False, mlp_bias=True"),
        ("BEiT", {"use_shared_relative_position_bias": True}, "one table of relative"),
        ("BEiT with a head", {"image_size": (24, 40)}, "images that are not square"),
    ],
)
def test_what_settings_say_and_no_model_has_is_refused_by_name(
    case, changes, message, tmp_path
):
    folder = saved(network_of(transformers, case, **changes), tmp_path / "a")
    with pytest.raises(ValueError, match=message):
        keras_vit.ViT(weights=folder, **WITHOUT_PIXELS)


def test_a_kind_that_is_not_known_is_named(tmp_path):
    folder = saved(network_of(transformers, "CLIP"), tmp_path / "a")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"model_type": "clap"}))
    with pytest.raises(ValueError, match="do not support model_type='clap'"):
        keras_vit.ViT(weights=folder, **WITHOUT_PIXELS)


def test_a_table_of_relative_positions_is_for_its_grid_alone(tmp_path):
    folder = saved(network_of(transformers, "BEiT"), tmp_path / "a")
    with pytest.raises(ValueError, match="for the grid of the images .* trained with"):
        keras_vit.ViT(weights=folder, image_size=32, **WITHOUT_PIXELS)


SIZES = {
    "image_size": 24,
    "patch_size": 8,
    "num_layers": 1,
    "num_heads": 2,
    "hidden_dim": 16,
    "mlp_dim": 24,
    "include_preprocessing": False,
}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"qk_norm": True}, "block_00/attention/query_norm/gamma"),
        ({"block": {"layout": "res_post_norm"}}, "layout"),
        ({"block": {"mlp": "gated"}}, "block_00/mlp/gate/kernel"),
        ({"pooling": "gap", "class_token": True}, "pooling='gap'"),
        ({"position_embedding": "sincos_2d"}, "position_embedding='sincos_2d'"),
        ({"pre_norm": True}, "pre_norm/gamma"),
        ({"num_classes": None, "num_registers": 2}, "patch_encoder/position_embedding"),
    ],
)
def test_what_no_family_holds_is_told(arguments, message, tmp_path):
    model = keras_vit.ViT(**({"num_classes": 3} | SIZES | arguments))
    with pytest.raises(ValueError, match=f"cannot hold: .*{message}"):
        save_weights(model, tmp_path / "a", "huggingface")


KINDS = [(name, kind) for name, one in SOURCES.items() for kind in one.kinds]


@pytest.mark.parametrize(("name", "kind"), KINDS)
def test_what_settings_leave_out_is_the_librarys_own(name, kind):
    config = transformers.CONFIG_MAPPING[kind]()
    config = getattr(config, "vision_config", config)
    stated = SOURCES[name].settings({"model_type": kind})
    assert stated["num_heads"] == config.num_attention_heads
    epsilon = getattr(config, "layer_norm_eps", None) or config.rms_norm_eps
    assert stated["layer_norm_epsilon"] == epsilon
    assert stated["activation"] == ACTIVATIONS[config.hidden_act]
    size = getattr(config, "image_size", 16 * 16)  # of 256 patches
    assert SOURCES[name].image_size({"model_type": kind}) == (size, size)


@pytest.mark.parametrize(
    "case",
    [
        "ViT with a head",
        "DeiT with a head",
        "DINOv2's giant",
        "DINOv3",
        "BEiT",
        "BEiT of a shared table",
        "TIPSv2",
        "Pixio",
    ],
)
def test_the_names_that_the_library_has_in_memory_are_read_too(case, tmp_path, rng):
    from safetensors.torch import save_file

    network, images = network_of(transformers, case), images_of(rng)
    folder = saved(network, tmp_path / "a")
    model = keras_vit.ViT(weights=folder, **WITHOUT_PIXELS)
    state = {k: v.contiguous() for k, v in network.state_dict().items()}
    save_file(state, folder / "model.safetensors")
    again = keras_vit.ViT(weights=folder, **WITHOUT_PIXELS)
    np.testing.assert_array_equal(again(images), model(images))
