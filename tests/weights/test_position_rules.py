"""By which rule positions are resized: the source's, and the model keeps it."""

import json

import keras
import numpy as np
import pytest

import keras_vit
from keras_vit.layers.position_embedding import POSITION_INTERPOLATIONS
from keras_vit.weights import (
    load_weights,
    merge_tokens,
    replace_head,
    resize,
    save_weights,
)
from keras_vit.weights.positions import METHODS, resize_grid
from support.fixture_models import SIZES, TINY, TORCH
from support.models import randomize

HIDDEN = 32  # of TINY


def positions(model):
    return model.get_layer("patch_encoder").positions.numpy()


def rule(model):
    return model.get_layer("patch_encoder").position_interpolation


def triangle(old, new):
    """jax.image.resize(..., "linear") along one axis, from its definition.

    Sample i of the new lies at (i + 1/2) old / new - 1/2 in the old. A triangle as
    wide as a step, and no narrower than 1 old sample, weighs the old ones around it;
    the weights of those that exist are made to sum to 1.
    """
    step = max(old / new, 1)
    matrix = np.zeros((new, old))
    for i in range(new):
        place = (i + 0.5) * old / new - 0.5
        for j in range(old):
            matrix[i, j] = max(0, 1 - abs(place - j) / step)
        matrix[i] /= matrix[i].sum()
    return matrix


@pytest.mark.parametrize("new", [(7, 7), (15, 15), (4, 9), (30, 3), (1, 1)])
@pytest.mark.parametrize("old", [(7, 7), (3, 8)])
def test_flexivits_rule_is_half_pixel_antialiased_bilinear(old, new, rng):
    table = rng.normal(size=(*old, 5))
    expected = np.einsum(
        "rh,hwd,cw->rcd", triangle(old[0], new[0]), table, triangle(old[1], new[1])
    )
    given = resize_grid(table, new, "bilinear_antialias")
    np.testing.assert_allclose(given, expected, atol=1e-6)


def test_the_layers_know_the_rules_that_there_are():
    assert tuple(METHODS) == POSITION_INTERPOLATIONS
    with pytest.raises(ValueError, match="position_interpolation must be one of"):
        keras_vit.ViT(**TINY, position_interpolation="nearest")


def big_vision(path, rng, *, kernel=32, side=7, prefix="", cls=True):
    """Write a file as FlexiViT's authors do: positions at the root, for patches."""
    patches = {"patch_size": kernel, "image_size": kernel * side, "num_layers": 1}
    model = keras_vit.ViT(**(TINY | patches | ({} if cls else {"pooling": "gap"})))
    save_weights(randomize(model, rng), path.parent / "whole.npz")
    arrays = dict(np.load(path.parent / "whole.npz"))
    table = arrays.pop("Transformer/posembed_input/pos_embedding")[:, int(cls) :]
    arrays["pos_embedding"] = table
    np.savez(path, **{prefix + name: array for name, array in arrays.items()})
    return table[0].reshape(side, side, HIDDEN)


@pytest.mark.parametrize(
    ("prefix", "cls"), [("", True), ("params/", False), ("params/img/", False)]
)
def test_a_file_of_flexivit_is_resized_as_its_own_forward_does(
    cls, prefix, tmp_path, rng
):
    path = tmp_path / "flexivit_b_i1k.npz"
    table = big_vision(path, rng, prefix=prefix, cls=cls)
    for side, patch_size in ((15, 16), (5, 24)):
        sizes = TINY | {"num_layers": 1, "pooling": "token" if cls else "gap"}
        sizes |= {"image_size": side * patch_size, "patch_size": patch_size}
        model = keras_vit.ViT(**sizes)
        load_weights(model, path, patches="resize")
        assert rule(model) == "bilinear_antialias"
        expected = np.einsum(
            "rh,hwd,cw->rcd", triangle(7, side), table, triangle(7, side)
        )
        given = positions(model)[0, int(cls) :].reshape(side, side, HIDDEN)
        np.testing.assert_allclose(given, expected, atol=1e-6)


def test_other_files_of_big_vision_keep_aligned_corners(tmp_path, rng):
    for kernel, side in ((16, 7), (32, 8)):
        table = big_vision(tmp_path / "a.npz", rng, kernel=kernel, side=side)
        sizes = {"image_size": 5 * kernel, "patch_size": kernel, "num_layers": 1}
        model = keras_vit.ViT(**(TINY | sizes))
        load_weights(model, tmp_path / "a.npz")
        assert rule(model) == "bilinear"
        corners = positions(model)[0, 1:].reshape(5, 5, HIDDEN)[::4, ::4]
        ends = [0, side - 1]
        np.testing.assert_allclose(corners, table[np.ix_(ends, ends)], atol=1e-6)


def test_a_file_shaped_as_flexivits_may_be_said_to_be_another(tmp_path, rng):
    big_vision(tmp_path / "b32.npz", rng)
    sizes = {"image_size": 5 * 32, "patch_size": 32, "num_layers": 1}
    model = keras_vit.ViT(**(TINY | sizes))
    with pytest.warns(UserWarning, match="position_interpolation='bilinear' resizes"):
        load_weights(model, tmp_path / "b32.npz")
    load_weights(model, tmp_path / "b32.npz", position_interpolation="bilinear")
    assert rule(model) == "bilinear"
    with pytest.raises(ValueError, match="position_interpolation must be one of"):
        load_weights(model, tmp_path / "b32.npz", position_interpolation="cubic")
    model = keras_vit.ViT(
        7,
        image_size=160,
        weights=tmp_path / "b32.npz",
        position_interpolation="bilinear",
        **(SIZES | {"patch_size": 32, "num_layers": 1}),
    )
    assert rule(model) == "bilinear"


@pytest.mark.parametrize(
    ("file", "expected"),
    [
        ("vit_tiny_token.npz", "bilinear"),
        ("timm_token.safetensors", "bicubic_antialias"),
        ("hf_vit.safetensors", "bicubic"),
        ("torchvision_vit.safetensors", "bicubic_corners"),
    ],
)
def test_resize_goes_on_by_the_rule_of_the_weights_source(file, expected, fixtures):
    """Two roads to another size: loading into it, and resizing what was loaded."""
    epsilon = {"layer_norm_epsilon": 1e-12} if "hf" in file else {}
    first, direct = (
        keras_vit.ViT(7, image_size=size, weights=fixtures / file, **SIZES, **epsilon)
        for size in (32, (40, 24))
    )
    assert rule(first) == expected
    resized = resize(first, (40, 24))
    np.testing.assert_array_equal(positions(resized), positions(direct))
    assert rule(resized) == expected
    other = resize(first, (40, 24), method="bicubic_corners")
    if expected != "bicubic_corners":
        assert np.abs(positions(other) - positions(direct)).max() > 1e-3


def test_every_copy_of_a_model_keeps_the_rule(tmp_path, rng):
    model = keras_vit.ViT(**(TINY | TORCH), position_interpolation="bicubic")
    model.save(tmp_path / "a.keras")
    for copy in (
        keras.models.load_model(tmp_path / "a.keras"),
        keras.models.clone_model(model),
        type(model).from_config(model.get_config()),
        resize(model, 48),
        replace_head(model, 3),
        merge_tokens(model, 1),
    ):
        assert rule(copy) == "bicubic"
    save_weights(model, tmp_path / "a.safetensors", "timm")  # whose own is another
    again = keras_vit.ViT(**(TINY | TORCH))
    load_weights(again, tmp_path / "a.safetensors")
    assert rule(again) == "bicubic"
    model = keras_vit.ViT(**(TINY | TORCH))  # that no weights have told a rule
    save_weights(model, tmp_path / "a.safetensors", "timm")
    load_weights(again, tmp_path / "a.safetensors")
    assert rule(again) == "bicubic_antialias"


def test_a_model_that_says_no_rule_is_resized_by_the_papers(rng):
    config = keras_vit.layers.PatchEncoder(8).get_config()
    del config["position_interpolation"]  # as older files have it
    assert keras_vit.layers.PatchEncoder.from_config(config).built is False
    model = randomize(keras_vit.ViT(**TINY), rng)
    first, second = (resize(model, 48, method=rule) for rule in (None, "bilinear"))
    np.testing.assert_array_equal(positions(first), positions(second))


DINOV2 = {
    "hidden_size": 8,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "mlp_ratio": 2,
    "patch_size": 4,
}


@pytest.mark.parametrize("side", [12, 28])  # of the table: 3, 7 patches
@pytest.mark.parametrize("registers", [0, 3])
def test_dinov2_resizes_with_registers_otherwise_than_without(
    registers, side, tmp_path, rng
):
    transformers = pytest.importorskip("transformers")
    kind = "Dinov2WithRegisters" if registers else "Dinov2"
    more = {"num_register_tokens": registers} if registers else {}
    config = getattr(transformers, f"{kind}Config")(**DINOV2, image_size=side, **more)
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    network = getattr(transformers, f"{kind}Model")(config).eval()
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    network.save_pretrained(tmp_path)
    for new in ((side, side), (20, 20), (8, 36)):
        model = keras_vit.ViT(
            None,
            image_size=new,
            weights=tmp_path,
            patch_size=4,
            num_layers=1,
            num_heads=2,
            hidden_dim=8,
            mlp_dim=16,
            include_preprocessing=False,
        )
        images = rng.normal(size=(1, *new, 3)).astype("float32")
        with torch.no_grad():
            output = network(torch.tensor(images.transpose(0, 3, 1, 2)))
        tokens = keras.Model(model.input, model.get_layer("norm").output)(images)
        np.testing.assert_allclose(tokens, output.last_hidden_state, atol=3e-5)
        if new == (side, side):
            native = model
    resized = resize(native, new)  # the last one
    np.testing.assert_array_equal(positions(resized), positions(model))


@pytest.mark.parametrize("new", [(4, 4), (5, 9)])
def test_timms_flexivit_is_resized_as_timm_loads_it(new, tmp_path):
    timm = pytest.importorskip("timm")
    torch = pytest.importorskip("torch")
    from safetensors.torch import save_file

    sizes = {"patch_size": 8, "embed_dim": 32, "depth": 1, "num_heads": 4}
    sizes |= {"mlp_ratio": 2, "num_classes": 7}
    network = timm.create_model("flexivit_small", img_size=64, **sizes)
    torch.nn.init.normal_(network.pos_embed)
    save_file(network.state_dict(), tmp_path / "model.safetensors")
    config = {
        "architecture": "flexivit_small",
        "model_args": {"img_size": 64, "num_heads": 4},
    }
    (tmp_path / "config.json").write_text(json.dumps(config))
    size = tuple(8 * side for side in new)
    other = timm.create_model("flexivit_small", img_size=size, **sizes)
    filtered = timm.models.vision_transformer.checkpoint_filter_fn(
        network.state_dict(), other, interpolation="bilinear", antialias=False
    )
    model = keras_vit.ViT(
        7, image_size=size, weights=tmp_path, **(SIZES | {"num_layers": 1})
    )
    np.testing.assert_allclose(
        positions(model)[:, 1:], filtered["pos_embed"], atol=1e-5
    )
