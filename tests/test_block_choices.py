"""What a model of other choices can do: all that a model of the paper's can."""

import functools

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_vit
from keras_vit import inspect
from keras_vit.recipes import ModelSettings
from keras_vit.training.model import build_model
from keras_vit.training.optimizers.decay import decayed
from keras_vit.training.optimizers.multipliers import lr_multipliers
from keras_vit.training.tasks.masked_patch_prediction import MaskedPatchPrediction
from support.choice_table import CHOICES
from support.models import randomize, tiny_vit
from support.often import often
from support.training.small import small_recipe
from support.training.steps import adapted_by, made

IMAGES = np.random.default_rng(1).uniform(0, 255, (2, 16, 24, 3)).astype("float32")
LABELS = np.array([3, 1])
every_choice = pytest.mark.parametrize("name", CHOICES)


def of(name, scale=0.3, **arguments):
    model = tiny_vit(**(CHOICES[name] | arguments))
    return randomize(model, np.random.default_rng(0), scale)


@functools.cache
def kept(name):
    """A model that no test changes."""
    return of(name)


def by_path(model):
    return {weight.path: weight.numpy() for weight in model.weights}


def classifier(name):
    """A model of logits, whatever the choice returns."""
    model = of(name, scale=0.1)
    if CHOICES[name].get("num_classes", 5) is None:
        y = keras.layers.GlobalAveragePooling1D()(model.output)
        return keras.Model(model.input, keras.layers.Dense(5)(y))
    return model


def gradients(model):
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(model(IMAGES, training=True) ** 2)
    weights = model.trainable_weights
    found = tape.gradient(loss, [weight.value for weight in weights])
    dense = map(tf.convert_to_tensor, found)
    return {w.path: g for w, g in zip(weights, dense, strict=True)}


@pytest.mark.parametrize(
    "name", often(CHOICES, ("branches", "network of offsets", "few keys", "sub-LN"))
)
def test_a_step_of_training_changes_every_weight(name):
    model = classifier(name)
    before = by_path(model)
    _, step = made(model, global_batch=2)
    step(tf.constant(IMAGES), tf.one_hot(LABELS, 5))
    same = [
        path
        for path, weight in by_path(model).items()
        if "preprocessing" not in path and (weight == before[path]).all()
    ]
    # What all logits of attention share changes none of its probabilities.
    undone = ("key/bias", "key_norm/beta")
    assert all(path.endswith(undone) for path in same), same


def test_the_norm_of_a_gradient_counts_a_row_of_a_table_once():
    model = of("table of offsets")
    for weight in model.trainable_weights:
        weight.trainable = weight.path.endswith("relative_bias/table")
    assert len(model.trainable_weights) == 2
    _, step = made(model, global_batch=2, clip_norm=1e-3)
    targets = tf.one_hot(LABELS, 5)
    with tf.GradientTape() as tape:
        losses = keras.losses.categorical_crossentropy(
            targets, model(IMAGES, training=True), from_logits=True
        )
        loss = tf.reduce_mean(losses)
    weights = [weight.value for weight in model.trainable_weights]
    found = map(tf.convert_to_tensor, tape.gradient(loss, weights))
    expected = np.sqrt(sum(np.square(one).sum() for one in found))
    norm = float(step(tf.constant(IMAGES), targets)["gradient_norm"])
    assert norm == pytest.approx(expected, rel=1e-4)


@pytest.mark.one_in(6)
@every_choice
def test_gradients_are_the_same_with_remat(name):
    model = of(name, scale=0.1)
    expected = gradients(model)
    undo = adapted_by(small_recipe(remat=True), model)
    found = gradients(model)
    undo.close()
    for path, one in expected.items():
        allowed = 1e-5 * max(float(np.abs(one).max()), 1e-3)
        np.testing.assert_allclose(found[path], one, rtol=1e-3, atol=allowed)


@pytest.mark.one_in(6)
@every_choice
def test_low_rank_kernels_are_merged_into_a_plain_model(name):
    model = of(name, scale=0.1)
    paths, expected = list(by_path(model)), model(IMAGES)
    undo = adapted_by(small_recipe(lora_rank=2, lora_targets=("value", "fc1")), model)
    randomized = [w for w in model.weights if "lora" in w.path]
    assert len(randomized) == 2 * 2 * 2
    for weight in randomized:
        weight.assign(np.full(weight.shape, 0.3))
    adapted = model(IMAGES)
    undo.close()
    assert list(by_path(model)) == paths
    assert np.abs(adapted - expected).max() > 1e-4
    np.testing.assert_allclose(model(IMAGES), adapted, rtol=1e-4, atol=1e-5)


@every_choice
def test_what_is_frozen_is_not_trained_and_depth_sets_the_rate(name):
    model = of(name)
    undo = adapted_by(small_recipe(freeze=("patch_encoder", "block_00")), model)
    trained = [weight.path for weight in model.trainable_weights]
    undo.close()
    assert not [path for path in trained if path.startswith(("patch", "block_00"))]
    factors = lr_multipliers(model, layer_decay=0.5)
    depth = {"patch_encoder": 3, "pre_norm": 3, "block_00": 2, "block_01": 1}
    for path, factor in factors.items():
        assert factor == 0.5 ** depth.get(path.split("/")[0], 0), path


def test_tables_of_offsets_frequencies_and_scales_of_norms_do_not_decay():
    names = ("table of offsets", "network of offsets", "learned rotary")
    names += ("rms and SwiGLU without biases", "differential")
    paths = [weight.path for name in names for weight in kept(name).weights]
    for end, count in (
        ("relative_bias/table", 2),
        ("rotary/frequencies", 2),
        ("norm/scale", 4),
        ("norm1/scale", 2),
        ("attention/lambda_q1", 2),
    ):
        found = [path for path in paths if path.endswith(end)]
        assert len(found) == count
        assert not any(map(decayed, found))
    kernels = [path for path in paths if path.endswith("relative_bias/fc1/kernel")]
    assert len(kernels) == 2
    assert all(map(decayed, kernels))


@pytest.mark.one_in(6)
@every_choice
def test_a_saved_model_gives_the_same(name, tmp_path):
    model = kept(name)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert [w.path for w in loaded.weights] == [w.path for w in model.weights]
    np.testing.assert_array_equal(loaded(IMAGES), model(IMAGES))


@pytest.mark.one_in(6)
@every_choice
def test_resizing_copies_all_but_tables_of_positions(name):
    model = kept(name)
    resized = keras_vit.resize(model, (32, 24))
    assert resized.get_layer("patch_encoder").grid == (4, 3)
    tables = ("position_embedding", "relative_bias/table", "seed_generator_state")
    for old, new in zip(model.weights, resized.weights, strict=True):
        if old.path.endswith(tables):
            assert new.path == old.path
        else:
            np.testing.assert_array_equal(old, new)
    assert np.isfinite(resized(IMAGES.reshape(1, 32, 24, 3))).all()


@pytest.mark.one_in(6)
@pytest.mark.parametrize(
    "name", [n for n, of in CHOICES.items() if of.get("num_classes", 5) is not None]
)
def test_another_head_keeps_what_it_reads(name):
    model = kept(name)
    other = keras_vit.replace_head(model, 3)
    assert other.output_shape == (None, 3)
    features = [
        keras.Model(one.input, one.get_layer("features").output)(IMAGES)
        for one in (model, other)
    ]
    np.testing.assert_array_equal(*features)


@every_choice
@pytest.mark.slow
def test_every_look_works(name):
    model = kept(name)
    looks = [inspect.attention_rollout, inspect.head_maps]
    looks += [inspect.gradient_rollout, inspect.grad_cam]
    block = model.get_layer("block_00").config
    is_signed = block.attention == "differential"
    if block.num_branches > 1:
        for look in looks:
            with pytest.raises(ValueError, match="attentions side by side"):
                look(model, IMAGES)
        return
    if CHOICES[name].get("pooling", "token") is None:
        for look in looks:
            with pytest.raises(ValueError, match="a model that pools|with a head"):
                look(model, IMAGES)
    else:
        for look in looks:
            maps = look(model, IMAGES)
            assert maps.shape[-2:] == (2, 3)
            assert np.isfinite(maps).all()
            assert is_signed or (maps >= 0).all()
    distances = inspect.attention_distance(model, IMAGES)
    assert ((distances > 0) & (distances < np.hypot(16, 24))).all()
    assert np.isfinite(inspect.token_norms(model, IMAGES)).all()
    for a in inspect.attention_maps(model, IMAGES):
        if is_signed:  # one map less a share of the other
            rows = a.sum(-1)
            np.testing.assert_allclose(rows, rows[:1, :, :1] + 0 * rows, atol=1e-5)
            continue
        np.testing.assert_allclose(a.sum(-1), 1, atol=1e-5)


@every_choice
@pytest.mark.slow
def test_a_report_draws_what_there_is_and_says_what_there_is_not(name, tmp_path):
    model = kept(name)
    if CHOICES[name].get("num_classes", 5) is None:
        with pytest.raises(ValueError, match=r"to outputs \(None, classes\)"):
            inspect.report(model, IMAGES, tmp_path)
        return
    written = inspect.report(model, IMAGES, tmp_path)
    block = model.get_layer("block_01").config
    has_places = (
        block.rotary is not None
        or CHOICES[name].get("position_embedding", "learned") != "none"
    )
    assert ("positions" in written.figures) == has_places
    assert ("biases" in written.figures) == (block.relative_bias is not None)
    skipped = {"rollout", "gradients", "heads", "norms"} & {*written.skipped}
    assert bool(skipped) == (block.num_branches > 1)


@pytest.mark.parametrize(
    ("block", "message"),
    [
        ({"rotary": True}, "rotary of a block must be its fields"),
        ({"relative_bias": True}, "relative_bias of a block must be its fields"),
        ({"num_key_value_heads": 0}, "must be at least 1, or None"),
        ("rms", "block must be a BlockConfig, its fields"),
        ([{}, "rms"], "block must be a BlockConfig, its fields"),
        (
            {"rotary": {"coordinates": "centered", "reference_grid": (2, 3)}},
            "stretches indices",
        ),
    ],
)
def test_a_value_that_no_block_has_is_told(block, message):
    with pytest.raises(ValueError, match=message):
        tiny_vit(block=block)


def test_prefix_tokens_that_are_pooled_are_there():
    model = tiny_vit(pooling={"kind": "gap", "prefix_tokens": True})
    assert model.get_layer("patch_encoder").class_token


def test_masked_patches_are_predicted_without_a_final_norm(rng):
    vit = tiny_vit(final_norm=False)
    task = MaskedPatchPrediction(vit)
    z = rng.normal(size=(2, *vit.get_layer("block_00").input.shape[1:]))
    expected = vit.get_layer("block_01")(vit.get_layer("block_00")(z))
    np.testing.assert_array_equal(task.blocks(z), expected)


def test_a_first_bias_of_a_head_without_one_is_refused():
    settings = ModelSettings(
        name="ViT_Ti16", arguments={"head_bias": False}, head_bias=-10.0, image_size=32
    )
    with pytest.raises(ValueError, match="the first bias of a head"):
        build_model(settings, 3)
