"""The publishers' own code loads what we wrote, strictly, and agrees."""

import numpy as np
import pytest

import keras_vit
from keras_vit.weights import load_weights, save_weights
from support.fixture_models import TINY, TORCH
from support.models import randomize

torch = pytest.importorskip("torch")


def images_for(rng, side=32):
    return rng.normal(size=(2, side, side, 3)).astype("float32")


def logits_of(network, images):
    with torch.no_grad():
        return network.eval()(torch.tensor(images.transpose(0, 3, 1, 2)))


TIMM_SIZES = {
    "img_size": 32,
    "patch_size": 8,
    "embed_dim": 32,
    "depth": 2,
    "num_heads": 4,
    "mlp_ratio": 2,
    "num_classes": 7,
}
TIMM = {
    "token": ({}, {}),
    "gap": (
        {"global_pool": "avg"},
        {"pooling": "gap", "fc_norm": True, "class_token": True},
    ),
    "registers, LayerScale, norms": (
        {"reg_tokens": 3, "init_values": 0.1, "qk_norm": True, "no_embed_class": True},
        {"num_registers": 3, "layer_scale": 0.1, "qk_norm": True},
    ),
    "registers with positions": ({"reg_tokens": 3}, {"num_registers": 3}),
}


@pytest.fixture
def timm():
    try:
        import timm
    except Exception as error:  # timm imports torchvision, whose builds must match
        pytest.skip(f"timm cannot be imported: {error}")
    return timm


def random_network(network, seed=0):
    torch.manual_seed(seed)
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    return network


@pytest.mark.parametrize("case", TIMM)
def test_timm_loads_what_we_wrote_and_we_what_it_wrote(case, timm, tmp_path, rng):
    from safetensors.torch import load_file, save_file

    theirs, ours = TIMM[case]
    create = timm.models.vision_transformer.VisionTransformer
    network = random_network(create(**TIMM_SIZES, **theirs))
    # qk_norm in timm has LayerNorm's own epsilon there, 1e-6, as everywhere.
    save_file(network.state_dict(), tmp_path / "theirs.safetensors")
    model = keras_vit.ViT(**(TINY | TORCH | ours))
    load_weights(model, tmp_path / "theirs.safetensors")
    images = images_for(rng)
    expected = logits_of(network, images)
    np.testing.assert_allclose(model(images), expected, atol=2e-4, rtol=1e-4)

    randomize(model, rng)
    save_weights(model, tmp_path / "ours.safetensors", "timm")
    network = create(**TIMM_SIZES, **theirs)
    if case == "registers with positions":  # whose names in timm have none by default
        save_weights(
            model,
            tmp_path / "ours.safetensors",
            "timm",
            architecture="vit_so150m_patch16_reg4_gap_256",
        )
    network.load_state_dict(load_file(tmp_path / "ours.safetensors"), strict=True)
    np.testing.assert_allclose(
        model(images), logits_of(network, images), atol=2e-4, rtol=1e-4
    )


@pytest.mark.parametrize(
    ("architecture", "changes"),
    [
        ("ViTForImageClassification", {}),
        ("ViTForImageClassification", {"image_size": (24, 56)}),
        ("ViTModel", {"num_classes": None, "representation_size": 32}),
        ("DeiTForImageClassificationWithTeacher", {"distillation": True}),
    ],
)
def test_transformers_loads_what_we_wrote(architecture, changes, tmp_path, rng):
    transformers = pytest.importorskip("transformers")
    arguments = TINY | TORCH | {"layer_norm_epsilon": 1e-12} | changes
    model = randomize(keras_vit.ViT(**arguments), rng)
    save_weights(model, tmp_path / "a", "huggingface")
    network, info = getattr(transformers, architecture).from_pretrained(
        tmp_path / "a", output_loading_info=True
    )
    assert not info["missing_keys"]
    assert not info["unexpected_keys"]
    images = rng.normal(size=(2, *model.input_shape[1:])).astype("float32")
    output = logits_of(network, images)
    answer = output.pooler_output if architecture == "ViTModel" else output.logits
    np.testing.assert_allclose(model(images), answer, atol=2e-4, rtol=1e-4)

    # And back, from the names that the library has in memory.
    from safetensors.torch import save_file

    state = {k: v.contiguous() for k, v in network.state_dict().items()}
    save_file(state, tmp_path / "a" / "model.safetensors")
    again = keras_vit.ViT(**arguments)
    load_weights(again, tmp_path / "a")
    np.testing.assert_array_equal(again(images), model(images))


TORCHS = {  # our rules: its own
    "bicubic": {"mode": "bicubic"},
    "bicubic_corners": {"mode": "bicubic", "align_corners": True},
    "bicubic_antialias": {"mode": "bicubic", "antialias": True},
    "bilinear": {"mode": "bilinear", "align_corners": True},
    "bilinear_antialias": {"mode": "bilinear", "antialias": True},
    "bilinear_half_pixels": {"mode": "bilinear"},
}


@pytest.mark.parametrize("method", TORCHS)
@pytest.mark.parametrize("new", [(4, 4), (8, 3), (1, 2), (24, 24), (5, 9)])
@pytest.mark.parametrize("old", [(4, 4), (7, 5), (14, 14), (2, 6)])
def test_positions_are_resized_as_torch_does(old, new, method, rng):
    from keras_vit.weights.positions import resize_grid

    table = rng.normal(size=(*old, 6)).astype("float32")
    expected = torch.nn.functional.interpolate(
        torch.tensor(table).permute(2, 0, 1)[None], new, **TORCHS[method]
    )
    np.testing.assert_allclose(
        resize_grid(table, new, method), expected[0].permute(1, 2, 0), atol=1e-5
    )
