"""Token merging, in layers and whole models."""

import zipfile

import h5py
import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_vit
from keras_vit import layers
from keras_vit.layers.token_merging import patches_left
from keras_vit.model_arguments import warn_of_merging
from keras_vit.training.tasks.masked_patch_prediction import MaskedPatchPrediction
from keras_vit.weights import merge_tokens, replace_head, resize
from support.models import randomize, tiny_vit
from support.often import often
from support.oracle import Oracle

SIZE = 32, 40  # a grid of 4 x 5
KINDS = {
    "token": {},
    "registers, norms of keys": {"num_registers": 2, "qk_norm": True},
    "gap": {"pooling": "gap"},
    "LayerScale": {"layer_scale": 0.1},
    "map": {"pooling": "map", "num_registers": 1},
    "sincos": {"position_embedding": "sincos_2d"},
    "columns and rows": {"position_embedding": "learned_2d", "num_registers": 1},
}
MODELS = KINDS | {
    "distillation": {"distillation": True, "num_registers": 1},
    "gap as timm's": {"pooling": "gap", "class_token": True, "fc_norm": True},
}


def some_model(kind, rng, **arguments):
    sizes = {"image_size": SIZE}
    return randomize(tiny_vit(**(sizes | MODELS[kind] | arguments)), rng)


def images_for(model, rng, count=2):
    return rng.uniform(0, 255, (count, *model.input_shape[1:])).astype("float32")


def sizes_of(model, images):
    """The sizes that each block gives."""
    blocks = [layer for layer in model.layers if layer.name.startswith("block_")]
    outputs = [block.output[1] for block in blocks]
    return [np.array(one) for one in keras.Model(model.input, outputs)(images)]


@pytest.mark.one_in(3)
@pytest.mark.parametrize("r", [3, 8])
@pytest.mark.parametrize("kind", KINDS)
def test_the_papers_steps_patch_by_patch_give_the_same_logits(kind, r, rng):
    model = some_model(kind, rng, token_merging=r)
    images = images_for(model, rng, 3)
    oracle = Oracle(
        {w.path: w.numpy() for w in model.weights},
        patch=8,
        heads=2,
        pooling=KINDS[kind].get("pooling", "token"),
        merging=r,
    )
    if kind == "sincos":
        vectors = layers.sincos.sincos_2d(4, 5, 16)
        oracle.weights["patch_encoder/position_embedding"] = np.pad(
            vectors, ((1, 0), (0, 0))
        )[None]
    expected, _ = oracle((images - 127.5) / 127.5)
    np.testing.assert_allclose(model(images), expected, atol=2e-5, rtol=2e-5)
    plain = merge_tokens(model, 0)(images)
    assert np.abs(plain - expected).max() > 1e-3  # merging is seen


@pytest.mark.one_in(6)
@pytest.mark.parametrize("kind", MODELS)
def test_a_trained_model_merges_as_one_that_was_built_so(kind, rng):
    model = some_model(kind, rng)
    images = images_for(model, rng)
    before, told = model.get_weights(), np.array(model(images))
    built = some_model(kind, rng, token_merging=2)
    built.set_weights(before)
    merging = merge_tokens(model, 2)
    np.testing.assert_array_equal(merging(images), built(images))
    np.testing.assert_array_equal(merge_tokens(merging, 0)(images), told)
    np.testing.assert_array_equal(merge_tokens(built, 0)(images), told)
    merging.set_weights([0 * array for array in before])  # it shares none
    np.testing.assert_array_equal(model(images), told)
    paths = [weight.path for weight in model.weights]
    assert [weight.path for weight in merging.weights] == paths


def test_without_merging_the_graph_is_that_of_a_plain_model(rng):
    config = some_model("token", rng).get_config()
    again = merge_tokens(merge_tokens(some_model("token", rng), 2), 0).get_config()
    for one in (config, again):
        for layer in one["layers"]:
            layer.pop("build_config", None)
    assert [one["name"] for one in again["layers"]][3:8] == [
        *("patch_encoder", "block_00", "block_01", "norm"),
        again["layers"][7]["name"],
    ]
    assert again["layers"][4]["inbound_nodes"] == config["layers"][4]["inbound_nodes"]
    assert again["layers"][4]["config"] == config["layers"][4]["config"]


@pytest.mark.parametrize("kind", ["token", "map", "distillation"])
def test_sizes_count_every_patch_once_and_no_other_token_grows(kind, rng):
    model = some_model(kind, rng, token_merging=7, num_layers=5)
    others = model.get_layer("block_00").num_protected
    images = images_for(model, rng)
    counts = []
    for sizes in sizes_of(model, images):
        assert sizes.dtype == np.int32 and sizes.min() == 1
        np.testing.assert_array_equal(sizes[:, :others], 1)
        np.testing.assert_array_equal(sizes[:, others:].sum(1), 20)
        counts.append(sizes.shape[1] - others)
    assert counts == [13, 7, 4, 2, 1]  # never more than half at once


def test_a_token_of_size_s_is_read_as_s_equal_ones(rng):
    attention = layers.MultiHeadSelfAttention(num_heads=2)
    z, sizes = rng.normal(size=(1, 5, 8)).astype("float32"), np.array([[1, 3, 2, 1, 4]])
    repeated = np.repeat(z, sizes[0], axis=1)
    firsts = np.cumsum(sizes[0]) - sizes[0]
    expected = np.array(attention(repeated))[:, firsts]
    np.testing.assert_allclose(attention(z, sizes=sizes), expected, atol=1e-6)
    pooling = layers.AttentionPooling(num_heads=2, mlp_dim=16)
    np.testing.assert_allclose(pooling(z, sizes), pooling(repeated), atol=1e-6)
    mean = layers.TokenMean()
    np.testing.assert_allclose(mean(z, sizes), repeated.mean(1), atol=1e-6)


def alike(rng):
    """Images of three colours, each of four patches that follow each other."""
    colours = rng.uniform(0, 255, (2, 3, 3)).repeat(4, axis=1)
    patches = colours.reshape(2, 3, 4, 3).repeat(8, axis=1).repeat(8, axis=2)
    return patches.astype("float32")


@pytest.mark.slow
@pytest.mark.parametrize(
    "kind",
    often(["token", "distillation", "gap as timm's", "map"], ["distillation"]),
)
def test_merging_equal_patches_changes_neither_answers_nor_gradients(kind, rng):
    flat = {"image_size": (24, 32), "position_embedding": "none"}
    plain = some_model(kind, rng, **flat)
    model = merge_tokens(plain, 6)  # of 12 patches: 6, then 3
    images = alike(rng)
    assert [one.max() for one in sizes_of(model, images)] >= [2, 4]
    with tf.GradientTape(persistent=True) as tape:
        expected, found = (
            tf.reduce_sum(one(images, training=True) ** 2) for one in (plain, model)
        )
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    for weight, other in zip(model.weights, plain.weights, strict=True):
        wanted = tape.gradient(expected, other.value)
        given = tape.gradient(found, weight.value)
        scale = np.abs(wanted).max() + 1e-3
        np.testing.assert_allclose(given, wanted, atol=1e-4 * scale, err_msg=other.path)


def test_recomputed_blocks_have_the_same_gradients(rng):
    model = some_model("gap", rng, token_merging=3, dropout_rate=0.1)
    images, gradients = images_for(model, rng), []
    seeds = [one for one in model.variables if "seed_generator" in one.path]
    states = [one.numpy() for one in seeds]
    for remat in (False, True):
        for layer in model.layers:
            if isinstance(layer, layers.TransformerBlock):
                layer.remat = remat
        for seed, state in zip(seeds, states, strict=True):
            seed.assign(state)
        with tf.GradientTape() as tape:
            y = tf.reduce_sum(model(images, training=True) ** 2)
        gradients.append(
            tape.gradient(y, [one.value for one in model.trainable_weights])
        )
    for one, other in zip(*gradients, strict=True):
        np.testing.assert_allclose(other, one, rtol=1e-4, atol=1e-5)


@pytest.mark.slow
def test_a_file_a_new_size_and_a_new_head_keep_merging(tmp_path, rng):
    model = merge_tokens(some_model("gap", rng), 3)
    model.save(tmp_path / "a.keras")
    again = keras.models.load_model(tmp_path / "a.keras")
    images = images_for(model, rng)
    np.testing.assert_array_equal(again(images), model(images))
    new = replace_head(resize(again, (48, 40)), 3)
    assert new(np.zeros((1, 48, 40, 3))).shape == (1, 3)
    assert new.get_layer("block_01").output[0].shape == (None, 30 - 6, 16)


def test_weights_of_a_plain_model_are_those_of_one_that_merges(tmp_path, rng):
    model = some_model("token", rng)
    path = tmp_path / "weights.npz"
    keras_vit.save_weights(model, path)
    merging = tiny_vit(image_size=SIZE, token_merging=2)
    keras_vit.load_weights(merging, path)
    images = images_for(model, rng)
    np.testing.assert_allclose(
        merging(images), merge_tokens(model, 2)(images), atol=1e-6
    )
    named = keras_vit.ViT_Ti16(num_classes=5, image_size=64, token_merging=2)
    assert named.get_layer("block_01").output[0].shape == (None, 13, 192)


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_merging_follows_a_mixed_policy(policy, rng):
    keras.config.set_dtype_policy(policy)
    try:
        plain = some_model("gap as timm's", rng)
    finally:
        keras.config.set_dtype_policy("float32")
    model = merge_tokens(plain, 2)
    z, sizes = model.get_layer("block_01").output
    assert (z.dtype, sizes.dtype) == (policy[6:], "int32")
    pooling = next(one for one in model.layers if isinstance(one, layers.TokenMean))
    assert pooling.compute_dtype == policy[6:]
    images = images_for(model, rng)
    np.testing.assert_array_equal(sizes_of(model, images)[-1].sum(1), 21)
    assert np.isfinite(model(images)).all()


@pytest.mark.slow
def test_xla_compiles_a_model_that_merges(rng):
    model = merge_tokens(some_model("map", rng), 3)
    images = images_for(model, rng)
    compiled = tf.function(lambda x: model(x, training=False), jit_compile=True)
    np.testing.assert_allclose(compiled(images), model(images), atol=2e-5)


@pytest.mark.parametrize(
    "positions",
    [
        {"position_embedding": "relative"},
        {"position_embedding": "rope_2d"},
        {"position_embedding_at": "every_layer"},
        {
            "position_embedding": "learned_2d",
            "position_embedding_at": "every_layer_shared",
        },
    ],
)
def test_positions_that_merged_tokens_lack_are_refused(positions):
    words = "a merged token has no place of its own. Received: position_embedding="
    kind = positions.get("position_embedding", "learned")
    with pytest.raises(ValueError, match=f"{words}'{kind}'"):
        tiny_vit(token_merging=1, **positions)
    model = tiny_vit(**positions)
    with pytest.raises(ValueError, match=f"{words}'{kind}'"):
        merge_tokens(model, 1)
    assert merge_tokens(model, 0).count_params() == model.count_params()


@pytest.mark.parametrize("r", [-1, 0.5, True, None, "8"])
def test_what_is_no_count_of_tokens_is_refused(r):
    with pytest.raises(ValueError, match="token_merging must be an integer of at"):
        tiny_vit(token_merging=r)
    with pytest.raises(ValueError, match="token_merging must be an integer of at"):
        merge_tokens(tiny_vit(), r)


def test_masked_patch_prediction_which_asks_for_any_patch_refuses_it():
    with pytest.raises(ValueError, match=r"needs all patches.*merge_tokens\(model, 0"):
        MaskedPatchPrediction(tiny_vit(token_merging=1))


def test_low_rank_factors_that_a_copy_would_lack_are_not_lost_in_silence(rng):
    model = some_model("token", rng)
    query = model.get_layer("block_01").attention.query
    query.enable_lora(2)
    query.lora_kernel_b.assign(rng.normal(size=query.lora_kernel_b.shape))
    for copied in (
        lambda: merge_tokens(model, 2),
        lambda: resize(model, (48, 40)),
        lambda: replace_head(model, 3),
    ):
        with pytest.raises(ValueError, match=r"merged into .* in block_01$"):
            copied()


def test_another_model_is_refused():
    other = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
    with pytest.raises(ValueError, match="that a ViT factory of keras_vit built"):
        merge_tokens(other, 3)


def as_saved_before(path):
    """A file as earlier versions wrote it: blocks that merge went by another name."""
    old = path.with_name("old.keras")
    with zipfile.ZipFile(path) as new, zipfile.ZipFile(old, "w") as archive:
        config = new.read("config.json").decode()
        config = config.replace("merging_block", "transformer_block")
        archive.writestr(
            "config.json", config.replace("MergingBlock", "TransformerBlock")
        )
        archive.writestr("metadata.json", new.read("metadata.json"))
        weights = new.extract("model.weights.h5", path.parent)
        with h5py.File(weights, "r+") as file:
            for name in [one for one in file["layers"] if "merging" in one]:
                later = name.replace("merging_block", "transformer_block")
                file.move(f"layers/{name}", f"layers/{later}")
        archive.write(weights, "model.weights.h5")
    return old


def test_a_file_of_an_earlier_version_goes_on_merging(tmp_path, rng):
    model = some_model("token", rng, token_merging=3)
    images = images_for(model, rng)
    model.save(tmp_path / "new.keras")
    again = keras.models.load_model(as_saved_before(tmp_path / "new.keras"))
    again.save(tmp_path / "again.keras")
    for one in (again, keras.models.load_model(tmp_path / "again.keras")):
        np.testing.assert_array_equal(one(images), model(images))
    assert merge_tokens(again, 0).get_layer("block_00").output.shape[1] == 21


@pytest.mark.parametrize(
    ("patches", "blocks", "r", "left"),
    [(64, 12, 8, 1), (196, 12, 17, 7), (196, 24, 9, 1), (16, 12, 2, 1)],
)
def test_the_number_of_patches_that_are_left_is_warned_of(patches, blocks, r, left):
    count = patches
    for _ in range(blocks):  # as the class's docstring says: r, at most half
        count -= min(r, count // 2)
    assert count == left == patches_left(patches, blocks, r)[-1]
    with pytest.warns(UserWarning, match=f"leaves {left} of {patches} patches"):
        warn_of_merging(r, patches, blocks)


@pytest.mark.parametrize(
    ("patches", "blocks", "r"), [(196, 12, 16), (196, 24, 8), (256, 32, 7), (12, 1, 6)]
)
def test_the_papers_own_numbers_are_not_warned_of(patches, blocks, r, recwarn):
    warn_of_merging(r, patches, blocks)
    assert not recwarn.list


def test_a_model_that_is_built_or_made_to_merge_too_many_warns():
    with pytest.warns(UserWarning, match="leaves 2 of 6 patches after 2 blocks"):
        tiny_vit(token_merging=4)
    with pytest.warns(UserWarning, match="leaves 2 of 6 patches after 2 blocks"):
        merge_tokens(tiny_vit(), 4)
