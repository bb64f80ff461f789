"""LoRA: few numbers are trained, and a plain model is left."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_vit
from keras_vit import recipes
from keras_vit.baselines import ResNet
from keras_vit.classifier import Classifier
from keras_vit.training.adapters.lora import LowRankAdaptation, num_trained
from keras_vit.training.optimizers import build_optimizer
from support.models import randomize, tiny_vit
from support.training.interrupted import At, ask_to_end, outcome, train
from support.training.small import small_recipe
from support.training.steps import adapted_by

RECIPE = small_recipe(
    epochs=2,
    evaluate_every=7,
    checkpoint_every=3,
    lora_rank=3,
    lora_alpha=6.0,
    lora_targets=("query", "value", "fc1"),
    ema=0.5,
    remat=True,
    layer_decay=0.5,
    freeze=("norm",),
)
HEAD = {"head/kernel", "head/bias"}


def by_path(model):
    return {weight.path: weight.numpy() for weight in model.weights}


def paths(weights):
    return [weight.path for weight in weights]


def batch(rng):
    return rng.uniform(0, 255, (3, 16, 24, 3)).astype("float32")


@pytest.mark.one_in(2)
@pytest.mark.parametrize("targets", [("query", "value"), ("key", "out", "fc1", "fc2")])
def test_the_model_is_that_of_w_plus_ab_before_and_after_merging(targets, rng):
    model = randomize(tiny_vit(pooling="map"), rng)
    before, images = by_path(model), batch(rng)
    expected = model(images)
    trained_before = paths(model.trainable_weights)
    adaptation = LowRankAdaptation(model, rank=3, alpha=5.0, targets=targets)
    np.testing.assert_allclose(model(images), expected, atol=1e-5)  # B is 0
    kernels = dict(before)
    for path in before:
        *place, projection, last = path.split("/")
        if path.startswith("block") and last == "kernel" and projection in targets:
            a = rng.normal(scale=0.3, size=(before[path].shape[0], 3))
            b = rng.normal(scale=0.3, size=(3, before[path].shape[1]))
            kernels[path] = before[path] + 5 / 3 * a @ b
            found = by_path(model).keys()
            stem = "/".join([*place, projection])
            assert {f"{stem}/lora_kernel_a", f"{stem}/lora_kernel_b"} <= found
            for weight in model.weights:
                if weight.path.startswith(stem + "/lora"):
                    weight.assign(a if weight.path.endswith("a") else b)
    plain = tiny_vit(pooling="map")
    for weight in plain.weights:
        weight.assign(kernels[weight.path])
    assert np.abs(plain(images) - expected).max() > 0.01
    np.testing.assert_allclose(model(images), plain(images), atol=1e-4)
    adaptation.merge()
    np.testing.assert_allclose(model(images), plain(images), atol=1e-5)
    assert paths(model.weights) == list(before)
    assert paths(model.trainable_weights) == trained_before


def test_the_factors_of_queries_and_values_and_the_heads_are_trained(rng):
    model = tiny_vit(distillation=True, drop_path_rate=0.1)
    recipe = small_recipe(lora_rank=4, lr_multipliers={"*lora_kernel_b": 16.0})
    undo = adapted_by(recipe, model)
    of_blocks = {
        f"block_0{block}/attention/{name}/lora_kernel_{factor}"
        for block in range(2)
        for name in ("query", "value")
        for factor in "ab"
    }
    of_heads = {path.replace("head", f"head{end}") for path in HEAD
                for end in ("", "_distillation")}  # fmt: skip
    optimizer = build_optimizer(model, recipe.optimizer, recipe.schedule, 10)
    assert set(paths(optimizer.weights)) == of_blocks | of_heads
    expected = 2 * 2 * (16 * 4 + 4 * 16) + 2 * (16 * 5 + 5)
    assert num_trained(model) == expected
    sizes = [np.size(slot) for slots in optimizer.slots.values() for slot in slots]
    assert sum(sizes) == 2 * expected  # Adam's two moments
    assert optimizer.lr_multipliers["block_00/attention/query/lora_kernel_b"] == 16
    undo.close()
    assert num_trained(model) == num_trained(tiny_vit(distillation=True))


def test_gates_are_adapted_where_there_are_some():
    model = tiny_vit(block=[{"mlp": "gated"}, {}])
    adaptation = LowRankAdaptation(model, rank=2, targets=("gate", "out"))
    assert [one.path for one in adaptation.projections] == [
        "block_00/mlp/gate",
        "block_00/attention/out",
        "block_01/attention/out",
    ]
    adaptation.merge()
    with pytest.raises(ValueError, match="Received: gate, for 'vit', whose MLPs"):
        LowRankAdaptation(tiny_vit(), rank=2, targets=("query", "gate"))


def test_gradients_are_the_same_with_remat(rng):
    images, found = batch(rng), []
    for remat in (False, True):
        model = tiny_vit()
        kept = adapted_by(small_recipe(lora_rank=2, remat=remat), model)
        randomize(model, np.random.default_rng(1))
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(model(images, training=True) ** 2)
        weights = [weight.value for weight in model.trainable_weights]
        found.append(tape.gradient(loss, weights))
        kept.close()
    for one, other in zip(*found, strict=True):
        assert np.abs(one).max() > 0
        np.testing.assert_allclose(other, one, rtol=1e-4, atol=1e-5 * np.abs(one).max())


class First(keras.callbacks.Callback):
    """Keeps the weights before the first step."""

    def on_train_begin(self, logs=None):
        self.weights = by_path(self.model)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A run, its folder, and the weights that it began with."""
    folder, first = tmp_path_factory.mktemp("lora"), First()
    run = train(folder, [first], recipe=RECIPE)
    return run, folder / "run", first.weights


@pytest.mark.slow
def test_what_is_left_is_plain_and_its_kernels_are_w_plus_ab(finished, rng):
    run, folder, _ = finished
    kept = np.load(folder / "checkpoints" / "step_000000010.npz")
    average = {n[8:]: kept[n] for n in kept.files if n.startswith("average/")}
    weights = by_path(Classifier.of(folder).model)
    assert weights.keys() == by_path(run.model).keys()
    assert not any("lora" in path for path in weights)
    moved = 0
    for path, weight in weights.items():
        expected = kept[f"model/{path}"].astype(np.float64)
        if path in HEAD:
            expected = average[path]
        stem = path.removesuffix("kernel")
        if f"{stem}lora_kernel_a" in average:
            product = average[f"{stem}lora_kernel_a"] @ average[f"{stem}lora_kernel_b"]
            assert np.abs(product).max() > 1e-4
            expected = expected + 6 / 3 * product
            moved += 1
        np.testing.assert_allclose(weight, expected, atol=1e-6, err_msg=path)
    assert moved == 3
    assert num_trained(run.model) == run.model.count_params()  # of norm's, too
    left = Classifier.of(folder).model
    assert num_trained(left) == left.count_params()
    config = json.loads((folder / "config.json").read_text())
    factors = 2 * 3 * (16 + 16) + 3 * (16 + 32)
    assert config["model"]["trained"] == factors + 16 * 2 + 2
    assert config["model"]["parameters"] == run.model.count_params()
    images = rng.uniform(0, 255, (2, 24, 24, 3)).astype("float32")
    assert keras_vit.resize(run.model, 24)(images).shape == (2, 2)


@pytest.mark.slow
def test_what_is_frozen_keeps_its_bits(finished):
    run, folder, first = finished
    kept = np.load(folder / "checkpoints" / "step_000000010.npz")
    frozen = [path for path in first if "lora" not in path and path not in HEAD]
    for path in frozen:
        np.testing.assert_array_equal(kept[f"model/{path}"], first[path])
    left = by_path(run.model)
    assert {path for path in frozen if (left[path] != first[path]).any()} == {
        "block_00/attention/query/kernel",
        "block_00/attention/value/kernel",
        "block_00/mlp/fc1/kernel",
    }
    for path in first.keys() - {*frozen}:
        assert (kept[f"model/{path}"] != first[path]).any()


@pytest.mark.slow
def test_a_run_that_was_ended_goes_on_to_the_same_bits(finished, tmp_path):
    with pytest.raises(SystemExit):
        train(tmp_path, [At("on_train_batch_end", 5, ask_to_end)], recipe=RECIPE)
    assert outcome(train(tmp_path, recipe=RECIPE)) == outcome(finished[0])


def test_what_a_begins_with_follows_from_the_seed_alone():
    found = []
    for seed in (3, 3, 4):
        adaptation = LowRankAdaptation(tiny_vit(), rank=2, seed=seed)
        found.append([one.lora_kernel_a.numpy() for one in adaptation.projections])
    np.testing.assert_array_equal(found[0], found[1])
    assert np.abs(np.subtract(found[0], found[2])).min() > 0
    assert np.abs(np.subtract(found[0][0], found[0][1])).min() > 0


@pytest.mark.slow
def test_a_model_whose_run_was_refused_or_ended_is_plain_and_can_be_trained(tmp_path):
    model = keras_vit.model.ViT(
        image_size=16,
        patch_size=8,
        num_layers=1,
        num_heads=2,
        hidden_dim=16,
        mlp_dim=32,
        num_classes=2,
    )
    expected = paths(model.weights)
    settings = {"model": model, "lora_rank": 2, "recipe": small_recipe(epochs=1)}
    with pytest.raises(ValueError, match="batch_size must lie between"):
        train(tmp_path, batch_size=99, freeze=("norm",), **settings)
    assert paths(model.trainable_weights) == expected
    with pytest.raises(SystemExit):
        train(tmp_path, [At("on_train_batch_end", 2, ask_to_end)], **settings)
    assert paths(model.trainable_weights) == expected
    assert train(tmp_path, **settings).history[-1]["steps"] == 5


def test_layers_in_layers_are_trained_again_as_they_were():
    model = tiny_vit()
    model.get_layer("block_00").mlp.trainable = False
    model.get_layer("patch_encoder").weights[0].trainable = False
    before = paths(model.trainable_weights)
    with adapted_by(small_recipe(freeze=("block_0*", "patch_*")), model):
        assert {path.split("/")[0] for path in paths(model.trainable_weights)} == {
            "norm",
            "head",
        }
    assert paths(model.trainable_weights) == before


def test_a_users_own_model_trains_its_last_layer(rng):
    vit = tiny_vit(num_classes=None)
    images = keras.Input((16, 24, 3))
    x = keras.layers.Conv2D(3, 1)(keras.layers.BatchNormalization()(images))
    logits = keras.layers.Dense(4, name="mine")(vit(x))
    model = keras.Model(images, keras.layers.Activation("linear")(logits))
    before = paths(model.trainable_weights)
    adaptation = LowRankAdaptation(model, rank=2)
    tops = {path.split("/")[-1] for path in paths(model.trainable_weights)}
    assert tops == {"kernel", "bias", "lora_kernel_a", "lora_kernel_b"}
    assert num_trained(model) == 2 * 2 * 2 * 2 * 16 + 16 * 4 + 4
    statistics = model.layers[1].moving_mean
    model(batch(rng), training=True)
    assert not statistics.numpy().any()  # a frozen layer gathers none
    adaptation.merge()
    assert paths(model.trainable_weights) == before


def test_blocks_that_are_frozen_are_not_adapted():
    model = tiny_vit()
    kept = adapted_by(small_recipe(freeze=("block_00",), lora_rank=2), model)
    adapted = {path.split("/")[0] for path in paths(model.trainable_weights)}
    assert adapted == {"block_01", "head"}
    kept.close()
    with pytest.raises(ValueError, match="blocks .* that are not frozen"):
        adapted_by(small_recipe(freeze=("block*",), lora_rank=2), tiny_vit())


def test_mixed_precision_merges_in_float32(rng):
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = randomize(tiny_vit(), rng)
    finally:
        keras.config.set_dtype_policy("float32")
    query = model.get_layer("block_00").attention.query
    before = query.kernel.numpy()
    adaptation = LowRankAdaptation(model, rank=2)
    query.lora_kernel_b.assign(rng.normal(scale=1e-3, size=(2, 16)))
    a, b = query.lora_kernel_a.numpy(), query.lora_kernel_b.numpy()
    expected = before + a @ b
    assert query(np.ones((1, 2, 16), "float32")).dtype == "bfloat16"
    adaptation.merge()
    assert query.kernel.dtype == "float32"
    np.testing.assert_allclose(query.kernel, expected, atol=1e-7)


def test_what_cannot_be_adapted_is_refused():
    with pytest.raises(ValueError, match="some of query, key.*Received: query, head"):
        LowRankAdaptation(tiny_vit(), 2, targets=("query", "head"))
    with pytest.raises(ValueError, match="some of query, key.*Received: none"):
        LowRankAdaptation(tiny_vit(), 2, targets=())
    with pytest.raises(ValueError, match="each once.*Received: query, query"):
        LowRankAdaptation(tiny_vit(), 2, targets=("query", "query"))
    with pytest.raises(ValueError, match="needs a model with layers.TransformerBlock"):
        LowRankAdaptation(
            ResNet(blocks=(1,), width_factor=0.5, num_classes=2, image_size=32), 2
        )
    with pytest.raises(ValueError, match="lora_alpha goes with lora_rank"):
        small_recipe(lora_alpha=2.0)
    with pytest.raises(ValueError, match="without lora_rank"):
        small_recipe(lora_rank=2, masked_patches="pixels")
    recipe = recipes.changed(RECIPE, {"lora_targets": ["query"]})
    assert recipe.model.lora_targets == ("query",)
