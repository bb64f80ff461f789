"""Whose positions a table's rows are: every grid, with every other token."""

import json
import warnings

import numpy as np
import pytest

import keras_vit
from keras_vit.weights import find_checkpoint, load_weights, save_weights
from support.fixture_models import SIZES, TINY, TORCH
from support.models import randomize

torch = pytest.importorskip("torch")
timm = pytest.importorskip("timm")

SMALL = {"num_layers": 1, "num_heads": 2, "hidden_dim": 8, "mlp_dim": 16}
SIDE = 8  # of a patch
TOKENS = {  # timm's arguments, ours
    "class token": ({}, {}),
    "patches alone have positions": ({"no_embed_class": True}, {}),
    "registers": ({"reg_tokens": 4, "no_embed_class": True}, {"num_registers": 4}),
    "registers with positions": ({"reg_tokens": 3}, {"num_registers": 3}),
    "distilled": (None, {"distillation": True}),
    "no class token": (
        {"class_token": False, "global_pool": "avg"},
        {"pooling": "gap", "fc_norm": True},
    ),
}
GRIDS = [  # (n-1) x (n+1), of which one more or two more is a square; and others
    ("class token", (3, 5)),
    ("class token", (2, 4)),
    ("class token", (13, 15)),
    ("class token", (7, 2)),
    ("patches alone have positions", (3, 5)),
    ("patches alone have positions", (4, 4)),
    ("registers", (5, 7)),
    ("registers", (4, 4)),
    ("registers with positions", (3, 5)),
    ("registers with positions", (1, 12)),
    ("distilled", (2, 7)),
    ("distilled", (5, 7)),
    ("no class token", (3, 5)),
    ("no class token", (2, 4)),
]

HEADS = {"num_heads": 2}  # otherwise those of the architecture


def ours(grid, **arguments):
    size = tuple(SIDE * side for side in grid)
    return keras_vit.ViT(**(TINY | TORCH | SMALL | {"image_size": size} | arguments))


def theirs(kind, grid, seed=0):
    arguments = {
        "img_size": tuple(SIDE * side for side in grid),
        "patch_size": SIDE,
        "embed_dim": 8,
        "depth": 1,
        "num_heads": 2,
        "mlp_ratio": 2,
        "num_classes": 7,
    }
    torch.manual_seed(seed)
    if TOKENS[kind][0] is None:
        network = timm.models.deit.VisionTransformerDistilled(**arguments)
    else:
        create = timm.models.vision_transformer.VisionTransformer
        network = create(**arguments, **TOKENS[kind][0])
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    return network.eval()


def bare(network, path):
    from safetensors.torch import save_file

    save_file(network.state_dict(), path)
    return path


def logits_of(network, images):
    with torch.no_grad():
        return network(torch.tensor(images.transpose(0, 3, 1, 2))).numpy()


def loaded(model, path, **arguments):
    """Load, and return how often it warned."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        load_weights(model, path, **arguments)
    return [str(one.message) for one in caught if "source_grid" in str(one.message)]


@pytest.mark.parametrize(("kind", "grid"), GRIDS)
def test_a_bare_file_of_the_models_own_grid_gives_timms_logits(
    kind, grid, tmp_path, rng
):
    network = theirs(kind, grid)
    model = ours(grid, **TOKENS[kind][1])
    loaded(model, bare(network, tmp_path / "a.safetensors"))
    images = rng.normal(size=(1, *model.input_shape[1:])).astype("float32")
    np.testing.assert_allclose(
        model(images), logits_of(network, images), atol=2e-5, rtol=1e-4
    )


@pytest.mark.parametrize(
    ("kind", "table", "grid", "read", "other"),
    [
        (
            "class token",
            (3, 5),
            (3, 5),
            "3 x 5 patches and 1 other token",
            "4 x 4 patches.",
        ),
        (
            "distilled",
            (2, 7),
            (2, 7),
            "2 x 7 patches and 2 other tokens",
            "4 x 4 patches.",
        ),
        (
            "class token",
            (4, 4),
            (2, 8),
            "4 x 4 patches and 1 other token",
            "2 x 8 patches and 1",
        ),
        ("registers", (4, 4), (8, 2), "4 x 4 patches", "8 x 2 patches."),
        ("class token", (4, 4), (4, 4), None, None),
        ("patches alone have positions", (4, 4), (4, 4), None, None),
        ("class token", (4, 4), (6, 6), None, None),
        ("class token", (2, 5), (2, 5), None, None),
    ],
)
def test_a_bare_file_that_can_be_read_two_ways_says_so(
    kind, table, grid, read, other, tmp_path
):
    path = bare(theirs(kind, table), tmp_path / "a.safetensors")
    said = loaded(ours(grid, **TOKENS[kind][1]), path)
    if read is None:
        assert not said
    else:
        (line,) = said
        assert f"may be those of {read}, or of {other}" in line


def resampled(network, old, new, rows):
    return timm.layers.resample_abs_pos_embed(
        network.pos_embed.detach(), new, old, rows
    ).numpy()


def positions(model):
    return model.get_layer("patch_encoder").positions.numpy()


@pytest.mark.parametrize("new", [(2, 8), (16, 1)])
def test_a_square_table_is_resized_to_another_grid_of_as_many_cells(new, tmp_path):
    network = theirs("class token", (4, 4))
    path = bare(network, tmp_path / "a.safetensors")
    model = ours(new)
    loaded(model, path)
    expected = resampled(network, (4, 4), new, 1)
    np.testing.assert_allclose(positions(model), expected, atol=1e-5)
    assert np.abs(expected - network.pos_embed.detach().numpy()).max() > 0.1
    assert not loaded(model, path, source_grid=new)
    np.testing.assert_array_equal(positions(model), network.pos_embed.detach())


@pytest.mark.parametrize(
    "config",
    [
        {"pretrained_cfg": {"input_size": [3, 16, 64]}},
        {"model_args": {"img_size": [16, 64]}},
        {
            "model_args": {"img_size": [16, 64]},
            "pretrained_cfg": {"input_size": [3, 9]},
        },
        {
            "architecture": "vit_base_patch16_224",
            "input_size": [3, 16, 64],
            "model_args": HEADS,
        },
    ],
)
def test_the_settings_beside_a_file_say_its_grid(config, tmp_path):
    network = theirs("class token", (2, 8))
    path = bare(network, tmp_path / "a.safetensors")
    (tmp_path / "config.json").write_text(json.dumps(config))
    model = ours((2, 8))
    assert not loaded(model, path)
    np.testing.assert_array_equal(positions(model), network.pos_embed.detach())
    other = ours((4, 4))  # as many cells
    assert not loaded(other, path)
    expected = resampled(network, (2, 8), (4, 4), 1)
    np.testing.assert_allclose(positions(other), expected, atol=1e-5)
    assert find_checkpoint("ViT", path).image_size == (16, 64)


@pytest.mark.parametrize(
    ("config", "kind", "grid"),
    [
        (
            {"architecture": "vit_base_patch16_224", "model_args": HEADS},
            "class token",
            (3, 5),
        ),
        (
            {"architecture": "deit3_base_patch16_224", "model_args": HEADS},
            "patches alone",
            (2, 8),
        ),
        ({"model_args": {"no_embed_class": False}}, "class token", (3, 5)),
    ],
)
def test_the_architecture_says_who_has_positions(config, kind, grid, tmp_path):
    kind = {"patches alone": "patches alone have positions"}.get(kind, kind)
    network = theirs(kind, grid)
    path = bare(network, tmp_path / "a.safetensors")
    (tmp_path / "config.json").write_text(json.dumps(config))
    model = ours(grid, **TOKENS[kind][1])
    said = loaded(model, path)
    rows = int(kind == "class token")
    if rows:  # 16 rows can be nothing else
        assert not said
        np.testing.assert_array_equal(positions(model), network.pos_embed.detach())
    else:
        expected = resampled(network, (4, 4), grid, 0)
        np.testing.assert_allclose(positions(model)[:, 1:], expected, atol=1e-5)


def test_settings_that_do_not_fit_are_said_and_the_table_goes_by_its_length(tmp_path):
    network = theirs("class token", (4, 4))
    path = bare(network, tmp_path / "a.safetensors")
    config = {"pretrained_cfg": {"input_size": [3, 24, 24]}}
    (tmp_path / "config.json").write_text(json.dumps(config))
    model = ours((6, 6))
    (line,) = loaded(model, path)
    assert "17 positions are not those of 3 x 3 patches, as its settings state" in line
    expected = resampled(network, (4, 4), (6, 6), 1)
    np.testing.assert_allclose(positions(model), expected, atol=1e-5)


FORMATS = {
    "npz": ("a.npz", {"activation": "gelu_tanh"}),
    "timm": ("a.safetensors", {}),
    "torchvision": ("a.safetensors", {}),
    "huggingface": ("a", {}),
}


@pytest.mark.parametrize(
    ("format", "grid"),
    [
        ("npz", (3, 5)),
        ("npz", (2, 8)),
        ("timm", (5, 7)),
        ("timm", (2, 8)),
        ("torchvision", (3, 5)),
        ("huggingface", (2, 8)),
    ],
)
def test_what_we_write_says_its_grid(format, grid, tmp_path, rng):
    path, arguments = FORMATS[format]
    arguments = arguments | {"layer_norm_epsilon": 1e-6}
    model = randomize(ours(grid, **arguments), rng)
    save_weights(model, tmp_path / path, format)
    again = ours(grid, **arguments)
    assert not loaded(again, tmp_path / path)
    np.testing.assert_array_equal(positions(again), positions(model))
    assert find_checkpoint("ViT", tmp_path / path).image_size == (
        SIDE * grid[0],
        SIDE * grid[1],
    )
    square = ours((4, 4), **arguments)
    assert not loaded(square, tmp_path / path)
    method = square.get_layer("patch_encoder").position_interpolation
    expected = keras_vit.resize(model, 4 * SIDE, method=method)
    np.testing.assert_allclose(positions(square), positions(expected), atol=1e-6)


def test_a_google_file_of_as_many_cells_is_read_as_a_square(fixtures):
    model = keras_vit.ViT(**(TINY | {"image_size": (16, 64)}))
    (line,) = loaded(model, fixtures / "vit_tiny_token.npz")
    assert "4 x 4 patches and 1 other token, or of 2 x 8 patches and 1" in line
    expected = keras_vit.ViT(**TINY)
    load_weights(expected, fixtures / "vit_tiny_token.npz")
    expected = keras_vit.resize(expected, (16, 64))
    np.testing.assert_allclose(positions(model), positions(expected), atol=1e-6)


def test_a_grid_that_nothing_tells_is_refused_with_what_to_say(tmp_path):
    path = bare(theirs("class token", (2, 5)), tmp_path / "a.safetensors")
    model = ours((4, 4))
    match = r"square grid \(for another grid, pass source_grid=\(rows, columns\)"
    with pytest.raises(ValueError, match=match):
        load_weights(model, path)
    with pytest.raises(ValueError, match="cells of 3 x 5, which source_grid states"):
        load_weights(model, path, source_grid=(3, 5))
    load_weights(model, path, source_grid=(2, 5))


def test_a_factory_takes_the_grid_too(tmp_path):
    network = theirs("class token", (3, 5))
    path = bare(network, tmp_path / "a.safetensors")
    sizes = {**SIZES, **SMALL}
    with pytest.warns(UserWarning, match="may be those of 3 x 5"):
        model = keras_vit.ViT(7, image_size=(24, 40), weights=path, **sizes)
    np.testing.assert_array_equal(positions(model), network.pos_embed.detach())
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message=".*source_grid.*")
        model = keras_vit.ViT(
            7, image_size=(24, 40), weights=path, source_grid=(4, 4), **sizes
        )
    assert not positions(model)[:, 0].any()  # read as without a class position


def test_a_release_says_its_grid(monkeypatch, tmp_path):
    """ViT_B16 for 384 pixels: 24 x 24 patches, as many as 18 x 32."""
    table = np.random.default_rng(0).normal(size=(1, 577, 8)).astype("float32")
    model = ours((24, 24), activation="gelu_tanh", patch_size=16, image_size=384)
    model.get_layer("patch_encoder").positions.assign(table)
    save_weights(model, tmp_path / "whole.npz")
    np.savez(tmp_path / "a.npz", **np.load(tmp_path / "whole.npz"))  # without a note
    monkeypatch.setattr(
        "keras_vit.weights.checkpoint.cached", lambda _: tmp_path / "a.npz"
    )
    found = find_checkpoint("ViT_B16", "augreg_in21k_in1k")
    assert (found.grid, found.image_size) == ((24, 24), 384)
    wide = ours((18, 32), activation="gelu_tanh", patch_size=16, image_size=(288, 512))
    assert loaded(wide, tmp_path / "a.npz")
    bare_reading = positions(wide)
    assert not loaded(wide, tmp_path / "a.npz", source_grid=found.grid)
    np.testing.assert_array_equal(positions(wide), bare_reading)
    assert np.abs(positions(wide) - table).max() > 0.1
