import keras
import numpy as np
import pytest

from keras_vit import ViT
from keras_vit.weights import load_weights
from support.fixture_models import MODELS, TINY, TORCH, build
from support.models import randomize


def expected_of(file, fixtures):
    stem = file.rsplit(".", 1)[0]
    return (
        np.load(fixtures / f"{stem}_input.npy"),
        np.load(fixtures / f"{stem}_logits.npy"),
    )


def tolerance(file):
    return 1e-4 if "hybrid" in file else 2e-5


@pytest.mark.one_in(2)
@pytest.mark.parametrize("file", MODELS)
def test_a_published_file_gives_its_sources_logits(file, fixtures, rng):
    model = randomize(build(file), rng)
    load_weights(model, fixtures / file)
    images, logits = expected_of(file, fixtures)
    np.testing.assert_allclose(model(images), logits, atol=tolerance(file), rtol=0)


def test_dinov2_gives_its_last_hidden_state(fixtures):
    model = ViT(**(TINY | TORCH | {"num_classes": None, "layer_scale": 1.0}))
    load_weights(model, fixtures / "hf_dinov2.safetensors")
    images, hidden = expected_of("hf_dinov2.safetensors", fixtures)
    tokens = keras.Model(model.input, model.get_layer("norm").output)(images)
    np.testing.assert_allclose(tokens, hidden, atol=2e-5, rtol=0)


def test_big_visions_class_token_without_a_position_is_the_same_model(
    fixtures, tmp_path
):
    """Its file has the root's arrays alone: positions less the class token's."""
    ours, theirs = (build("vit_tiny_token.npz") for _ in range(2))
    load_weights(ours, fixtures / "vit_tiny_token.npz")
    arrays = dict(np.load(fixtures / "vit_tiny_token.npz"))
    for name in ("cls", "Transformer/posembed_input/pos_embedding"):
        del arrays[name]
    arrays |= dict(np.load(fixtures / "bv_converted_vit_tiny_token.npz"))
    path = tmp_path / "converted.npz"
    np.savez(path, **arrays)
    load_weights(theirs, path)
    images, _ = expected_of("vit_tiny_token.npz", fixtures)
    np.testing.assert_allclose(theirs(images), ours(images), atol=1e-6)


@pytest.mark.parametrize(
    ("file", "of", "changes"),
    [
        ("loadpre_token_32_to_48", "vit_tiny_token.npz", {}),
        ("loadpre_gap_32_to_48", "vit_tiny_gap.npz", {}),
        ("loadpre_token_rep24_keep", "vit_tiny_token_rep24.npz", {}),
    ],
)
def test_another_size_and_head_are_as_the_reference_makes_them(
    file, of, changes, fixtures
):
    expected = np.load(fixtures / f"{file}.npz")
    model = build(of, image_size=48, num_classes=5, **changes)
    load_weights(model, fixtures / of, head="reset")
    head = model.get_layer("head")
    assert not head.kernel.numpy().any()
    assert not head.bias.numpy().any()
    positions = model.get_layer("patch_encoder").positions
    np.testing.assert_allclose(positions, expected["pos_embedding"], atol=1e-6)
    head.kernel.assign(expected["new_head_kernel"])
    head.bias.assign(expected["new_head_bias"])
    np.testing.assert_allclose(
        model(expected["input"]), expected["logits"], atol=2e-5, rtol=0
    )


def test_pre_logits_go_with_a_head_that_is_reset(fixtures):
    model = build("vit_tiny_token.npz")
    load_weights(model, fixtures / "vit_tiny_token_rep24.npz", head="reset")
    with pytest.raises(ValueError, match="left over: pre_logits"):
        load_weights(model, fixtures / "vit_tiny_token_rep24.npz")


def test_a_rectangular_grid_takes_a_square_table(fixtures):
    model = build("vit_tiny_token.npz", image_size=(24, 56))
    load_weights(model, fixtures / "vit_tiny_token.npz")
    table = model.get_layer("patch_encoder").positions.numpy()
    theirs = np.load(fixtures / "vit_tiny_token.npz")
    theirs = theirs["Transformer/posembed_input/pos_embedding"]
    np.testing.assert_array_equal(table[:, 0], theirs[:, 0])
    corners = theirs[0, [1, 4, 13, 16]]  # a corner stays where it is
    np.testing.assert_allclose(table[0, [1, 7, 15, 21]], corners, atol=1e-6)


def rewritten(fixtures, tmp_path, change):
    """`vit_tiny_token.npz` under other names."""
    arrays = dict(np.load(fixtures / "vit_tiny_token.npz"))
    np.savez(tmp_path / "other.npz", **change(arrays))
    return tmp_path / "other.npz"


LINEN = {
    "MultiHeadDotProductAttention_1": "MultiHeadDotProductAttention_0",
    "LayerNorm_2": "LayerNorm_1",
    "MlpBlock_3": "MlpBlock_0",
}


def to_linen(arrays):
    def rename(name):
        for old, new in LINEN.items():
            name = name.replace(old, new)
        return name

    return {rename(name): array for name, array in arrays.items()}


def to_scan(arrays):
    arrays, block = to_linen(arrays), "Transformer/encoderblock"
    parts = [n.removeprefix(f"{block}_0/") for n in arrays if f"{block}_0/" in n]
    rest = {n: a for n, a in arrays.items() if f"{block}_" not in n}
    return rest | {
        f"{block}/{part}": np.stack([arrays[f"{block}_{i}/{part}"] for i in range(2)])
        for part in parts
    }


def to_optimizer(arrays):
    return {f"opt/target/{n}": a for n, a in arrays.items()} | {
        f"opt/state/param_states/{n}/grad_ema": a for n, a in arrays.items()
    }


def to_bfloat16(arrays):
    import ml_dtypes

    return {n: a.astype(ml_dtypes.bfloat16).view("V2") for n, a in arrays.items()}


@pytest.mark.parametrize(
    "change",
    [
        to_linen,
        to_scan,
        to_optimizer,
        lambda arrays: {f"params/{n}": a for n, a in arrays.items()},
        lambda arrays: {f"params/img/{n}": a for n, a in arrays.items()},
    ],
)
def test_googles_other_spellings_are_read(change, fixtures, tmp_path, rng):
    model = randomize(build("vit_tiny_token.npz"), rng)
    load_weights(model, rewritten(fixtures, tmp_path, change))
    images, logits = expected_of("vit_tiny_token.npz", fixtures)
    np.testing.assert_allclose(model(images), logits, atol=2e-5, rtol=0)


def test_bfloat16_stored_as_two_bytes_is_read(fixtures, tmp_path):
    model = build("vit_tiny_token.npz")
    load_weights(model, rewritten(fixtures, tmp_path, to_bfloat16))
    kernel = np.load(fixtures / "vit_tiny_token.npz")["head/kernel"]
    np.testing.assert_allclose(model.get_layer("head").kernel, kernel, rtol=2**-8)


def test_group_norms_of_one_axis_are_read(fixtures, tmp_path):
    arrays = dict(np.load(fixtures / "hybrid_3stage.npz"))
    squeezed = {n: a.ravel() if "gn" in n else a for n, a in arrays.items()}
    np.savez(tmp_path / "a.npz", **squeezed)
    model = build("hybrid_3stage.npz")
    load_weights(model, tmp_path / "a.npz")
    images, logits = expected_of("hybrid_3stage.npz", fixtures)
    np.testing.assert_allclose(model(images), logits, atol=1e-4, rtol=0)


@pytest.mark.slow
def test_more_than_ten_blocks_keep_their_order(tmp_path, rng):
    arguments = TINY | {"num_layers": 12}
    first, second = randomize(ViT(**arguments), rng), ViT(**arguments)
    from keras_vit.weights import save_weights

    save_weights(first, tmp_path / "a.npz", "npz")
    load_weights(second, tmp_path / "a.npz")
    for one, other in zip(first.weights, second.weights, strict=True):
        np.testing.assert_array_equal(one.numpy(), other.numpy())


@pytest.mark.parametrize(
    ("file", "changes", "message"),
    [
        (
            "vit_tiny_token.npz",
            {"activation": "gelu_erf", "layer_norm_epsilon": 1e-5},
            "Build it with activation='gelu_tanh', layer_norm_epsilon=1e-06. Received",
        ),
        (
            "timm_token.safetensors",
            {"activation": "gelu_tanh"},
            "activation='gelu_erf'",
        ),
        (
            "hf_vit.safetensors",
            {"layer_norm_epsilon": 1e-6},
            "layer_norm_epsilon=1e-12",
        ),
        ("vit_tiny_token.npz", {"num_heads": 2}, "Build it with num_heads=4"),
        ("vit_tiny_token.npz", {"num_layers": 3}, "missing.*encoderblock_2"),
        ("vit_tiny_token.npz", {"num_layers": 1}, "left over.*encoderblock_1"),
        ("vit_tiny_token.npz", {"pooling": "gap"}, "left over: cls"),
        (
            "vit_tiny_token.npz",
            {"num_classes": 8},
            r"head/kernel.*\(32, 8\).*\(32, 7\)",
        ),
        ("vit_tiny_token.npz", {"qk_norm": True}, "without a place in google's files"),
        (
            "vit_tiny_token.npz",
            {"position_embedding": "rope_2d"},
            "google's, whose models do not use rotary position embeddings",
        ),
        (
            "vit_tiny_token.npz",
            {"position_embedding": "learned_2d"},
            "left over: .*posembed_input.*without a place.*position_embedding_x",
        ),
        (
            "bv_tiny_gap_sincos2d_rep.npz",
            {"position_embedding": "none"},
            "position_embedding='sincos_2d'. Received: position_embedding='none'",
        ),
        ("vit_tiny_token_nonsquare.npz", {"image_size": 32}, "of a square grid"),
        (
            "timm_avg_fcnorm.safetensors",
            {"fc_norm": False},
            "norm.weight.*fc_norm.weight",
        ),
    ],
)
def test_what_does_not_fit_is_told_and_nothing_changes(
    file, changes, message, fixtures, rng
):
    model = randomize(build(file, **changes), rng)
    before = model.get_weights()
    with pytest.raises(ValueError, match=f"(?s){message}"):
        load_weights(model, fixtures / file)
    for array, again in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(array, again)


def test_all_problems_stand_in_one_message(fixtures, tmp_path):
    arrays = dict(np.load(fixtures / "vit_tiny_token.npz"))
    del arrays["cls"], arrays["head/bias"]
    arrays |= {"embedding/bias": np.zeros(3, np.float32), "mine": np.zeros(1)}
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(ValueError) as error:
        load_weights(build("vit_tiny_token.npz"), tmp_path / "a.npz")
    text = str(error.value)
    for part in ("cls (for patch_encoder/class_token)", "head/bias", "left over: mine"):
        assert part in text
    assert "embedding/bias (for patch_encoder/projection/bias): expected (32,)" in text


def test_a_source_may_be_named(fixtures):
    model = build("vit_tiny_token.npz")
    load_weights(model, fixtures / "vit_tiny_token.npz", source="google")
    with pytest.raises(ValueError, match="one of google, .*timm"):
        load_weights(model, fixtures / "vit_tiny_token.npz", source="flax")
    with pytest.raises(ValueError, match="head must be 'keep' or 'reset'"):
        load_weights(model, fixtures / "vit_tiny_token.npz", head="drop")


def test_weights_of_something_else_are_not_recognised(tmp_path):
    np.savez(tmp_path / "a.npz", conv1=np.zeros(3))
    with pytest.raises(ValueError, match="conv1.*one of google"):
        load_weights(build("vit_tiny_token.npz"), tmp_path / "a.npz")


def test_a_model_of_another_kind_is_refused(fixtures):
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
    with pytest.raises(ValueError, match="a ViT factory of keras_vit built"):
        load_weights(model, fixtures / "vit_tiny_token.npz")
