"""timm's hybrids and Google's standardise kernels each in a form of their own."""

import json

import numpy as np
import pytest

import keras_vit
from keras_vit.weights import find_checkpoint, load_weights, save_weights
from support.fixture_models import TINY, TORCH
from support.models import randomize

torch = pytest.importorskip("torch")
timm = pytest.importorskip("timm")

BLOCKS = (1, 1)
SMALL = {"num_layers": 1, "image_size": 32, "patch_size": 1}


def kernels(shape, rng, filters):
    """Filters of deviations from 1e-4 up, against which 1e-5 is not nothing."""
    scale = np.ones(len(shape), int)
    scale[filters] = shape[filters]
    return rng.normal(0.1, 1, shape) * 10 ** rng.uniform(-4, -1, scale)


def stem(standardization, blocks=BLOCKS):
    return keras_vit.layers.ResNetStem(
        blocks, standardization=standardization, name="stem"
    )


def ours(standardization, rng=None, **arguments):
    sizes = TINY | TORCH | SMALL | {"stem": stem(standardization)} | arguments
    model = keras_vit.ViT(**sizes)
    if rng is not None:
        randomize(model, rng, scale=0.2)
        for weight in model.weights:
            if weight.path.startswith("stem") and len(weight.shape) == 4:
                weight.assign(kernels(weight.shape, rng, filters=-1))
    return model


def theirs(size=32):
    """timm's own hybrid on a backbone of two units."""
    hybrid = timm.models.vision_transformer_hybrid
    return hybrid._create_vision_transformer_hybrid(
        "vit_base_r50_s16_224",
        backbone=hybrid._resnetv2(BLOCKS),
        img_size=size,
        embed_dim=32,
        depth=1,
        num_heads=4,
        mlp_ratio=2,
        num_classes=7,
    ).eval()


def logits_of(network, images):
    with torch.no_grad():
        return network(torch.tensor(images.transpose(0, 3, 1, 2))).numpy()


def compared(model, network, rng):
    images = rng.normal(size=(2, *model.input_shape[1:])).astype("float32")
    logits = logits_of(network, images)
    return np.abs(np.asarray(model(images)) - logits).max() / np.abs(logits).max()


def test_timms_hybrid_is_computed_in_its_own_form(tmp_path, rng):
    from safetensors.torch import save_file

    network = theirs()
    torch.manual_seed(0)
    for name, parameter in network.named_parameters():
        if "backbone" in name and parameter.ndim == 4:
            parameter.data = torch.tensor(
                kernels(parameter.shape, rng, filters=0), dtype=torch.float32
            )
        else:
            torch.nn.init.normal_(parameter, std=0.2)
    save_file(network.state_dict(), tmp_path / "a.safetensors")
    model = ours("variance")
    load_weights(model, tmp_path / "a.safetensors")
    assert compared(model, network, rng) < 2e-5
    other = ours("deviation")
    with pytest.raises(ValueError, match="Build it with standardization='variance'"):
        load_weights(other, tmp_path / "a.safetensors")
    other.set_weights(model.get_weights())
    assert compared(other, network, rng) > 5e-4  # what the form is worth here


@pytest.mark.parametrize("form", ["deviation", "variance"])
def test_timm_gets_kernels_that_do_the_same_in_its_form(form, tmp_path, rng):
    from safetensors.torch import load_file

    model = ours(form, rng)
    save_weights(model, tmp_path / "a.safetensors", "timm")
    network = theirs()
    network.load_state_dict(load_file(tmp_path / "a.safetensors"), strict=True)
    assert compared(model, network, rng) < 2e-5


@pytest.mark.parametrize("form", ["deviation", "variance"])
def test_google_gets_kernels_that_do_the_same_in_its_form(form, tmp_path, rng):
    model = ours(form, rng, activation="gelu_tanh")
    save_weights(model, tmp_path / "a.npz")
    again = ours("deviation", activation="gelu_tanh")
    load_weights(again, tmp_path / "a.npz")
    images = rng.normal(size=(2, 32, 32, 3)).astype("float32")
    np.testing.assert_allclose(again(images), model(images), atol=2e-5, rtol=1e-4)
    with pytest.raises(ValueError, match="standardization='deviation'"):
        load_weights(ours("variance", activation="gelu_tanh"), tmp_path / "a.npz")


def test_a_factory_takes_the_form_from_the_weights(tmp_path, rng):
    """R+Ti/16 of timm at another size, whose settings say the first one's grid."""
    from safetensors.torch import save_file

    network = timm.create_model("vit_tiny_r_s16_p8_224", img_size=64, num_classes=5)
    torch.manual_seed(0)
    root = network.patch_embed.backbone.conv.weight
    root.data = torch.tensor(kernels(root.shape, rng, filters=0), dtype=torch.float32)
    torch.nn.init.normal_(network.head.weight, std=0.2)
    torch.nn.init.normal_(network.pos_embed)
    save_file(network.state_dict(), tmp_path / "model.safetensors")
    config = {"architecture": "vit_tiny_r_s16_p8_224"}
    config["pretrained_cfg"] = {"input_size": [3, 64, 64]}
    (tmp_path / "config.json").write_text(json.dumps(config))
    assert find_checkpoint("R_ViT_Ti16", tmp_path).image_size == 64
    model = keras_vit.R_ViT_Ti16(5, weights=tmp_path, include_preprocessing=False)
    assert model.get_layer("stem").standardization == "variance"
    assert compared(model, network.eval(), rng) < 2e-5
    resized = keras_vit.resize(model, 96)
    assert resized.get_layer("stem").get_config()["standardization"] == "variance"
    assert keras_vit.R_ViT_Ti16(5).get_layer("stem").standardization == "deviation"


@pytest.mark.parametrize(
    ("name", "theirs"),
    [
        ("R26_ViT_S32", "vit_small_r26_s32_224"),
        pytest.param("R50_ViT_B16", "vit_base_r50_s16_224", marks=pytest.mark.slow),
    ],
)
def test_timm_builds_every_stem_that_it_has_a_name_for(name, theirs, tmp_path, rng):
    blocks = keras_vit.variants.VARIANTS[name].stem_blocks
    model = ours("variance", image_size=64, stem=stem("variance", blocks))
    randomize(model, rng, scale=0.1)
    save_weights(model, tmp_path / "model.safetensors", "timm")
    config = json.loads((tmp_path / "config.json").read_text())
    assert config["architecture"] == theirs
    network = timm.create_model(f"local-dir:{tmp_path}", pretrained=True).eval()
    assert compared(model, network, rng) < 1e-4


def test_a_form_that_there_is_not_is_refused():
    with pytest.raises(ValueError, match="one of deviation, variance"):
        stem("std")
