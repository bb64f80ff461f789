"""Masked patch prediction against NumPy written from appendix B.1.2."""

import dataclasses
import json
import re
from unittest import mock

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_vit
from keras_vit import layers, recipes
from keras_vit.cli.train import _print_results
from keras_vit.data import Dataset, Split
from keras_vit.data.draws import uniforms
from keras_vit.evaluation.forward import ForwardPass
from keras_vit.training.model import build_model
from keras_vit.training.optimizers import SGD, Optimizer
from keras_vit.training.schedules import LearningRate
from keras_vit.training.step import TrainingState, training_step
from keras_vit.training.tasks.corruption import corrupted, num_corrupted, num_draws
from keras_vit.training.tasks.masked_patch_prediction import MaskedPatchPrediction
from keras_vit.training.tasks.masked_patches import MaskedPatches
from keras_vit.training.tasks.patch_targets import TARGETS
from support.models import randomize, tiny_vit
from support.oracle import Oracle
from support.training.interrupted import EXPORT, At, outcome
from support.training.small import small_dataset, small_recipe

ONE = tf.distribute.get_strategy()


def corrupt(z, mask, draws):
    """Corrupted embeddings `(B, N, D)`, and a list of patches for each image."""
    z, corrupt, chosen = np.array(z), np.array(z), []
    count = z.shape[1]
    for image, numbers in enumerate(draws.reshape(len(z), 3, count)):
        chosen.append(sorted(range(count), key=lambda i: -numbers[0, i])[: count // 2])
        for patch in chosen[-1]:
            _, fate, other = numbers[:, patch]
            if fate < 0.8:
                corrupt[image, patch] = mask
            elif fate < 0.9:
                others = [*range(patch + 1, count), *range(patch)]
                corrupt[image, patch] = z[image, others[int(other * (count - 1))]]
    return corrupt, chosen


def color(pixels):
    """3 bits of the mean red, 3 of green, 3 of blue."""
    red, green, blue = (int(c.mean() / 256 * 8) for c in np.moveaxis(pixels, -1, 0))
    return red << 6 | green << 3 | blue


def cross_entropy(logits, answer):
    return np.log(np.exp(logits - logits.max()).sum()) + logits.max() - logits[answer]


def judge(target, told, patch):
    """The loss and the share of right answers of one patch's prediction."""
    told, patch = told.astype(np.float64), patch.astype(np.float64)
    if target == "pixels":
        aim = patch / 255 * 2 - 1
        told = told.reshape(patch.shape)
        seen = np.clip((told + 1) / 2 * 255, 0, 255)
        return ((told - aim) ** 2).mean(), color(seen) == color(patch)
    side = {"mean_color": 1, "colors_4x4": 4}[target]
    p, q = patch.shape[0] // side, patch.shape[1] // side
    losses, right = [], []
    for row in range(side):
        for column in range(side):
            part = patch[row * p : (row + 1) * p, column * q : (column + 1) * q]
            logits = told.reshape(side * side, 512)[row * side + column]
            losses.append(cross_entropy(logits, color(part)))
            right.append(logits.argmax() == color(part))
    return np.mean(losses), np.mean(right)


class Corrupted(Oracle):
    """A ViT whose embeddings are corrupted, and that tells of all its tokens."""

    def dense(self, path, x):
        y = super().dense(path, x)
        if path == "patch_encoder/projection":
            y, self.chosen = corrupt(y, self.mask, self.draws)
        return y

    def pool(self, z, sizes):
        return z


def images_and_draws(rng, count=4, patches=6, shape=(16, 24)):
    images = rng.integers(0, 256, (count, *shape, 3), dtype=np.uint8)
    return images, rng.random((count, 3 * patches), dtype=np.float32)


@pytest.mark.parametrize("jit_compile", [False, True])
@pytest.mark.parametrize("patches", [6, 9])
def test_embeddings_are_corrupted_as_the_paper_says(patches, jit_compile, rng):
    z = rng.normal(size=(50, patches, 4)).astype(np.float32)
    mask, draws = rng.normal(size=4), rng.random((50, 3 * patches), dtype=np.float32)
    given = tf.function(corrupted, jit_compile=jit_compile)
    told, chosen = given(tf.constant(z), tf.constant(mask, "float32"), draws)
    expected, expected_chosen = corrupt(z, mask, draws)
    np.testing.assert_allclose(told, expected, rtol=1e-6)
    np.testing.assert_array_equal(chosen, expected_chosen)


def test_the_shares_are_50_and_of_those_80_10_and_10_percent():
    """By the draws that a run makes; an embedding says where it comes from."""
    images, patches = 4000, 16
    numbers = np.arange(patches, dtype=np.float32)
    z = np.broadcast_to(numbers[:, None], (images, patches, 1))
    draws = uniforms(3, np.arange(images), num_draws(patches))
    told, chosen = corrupted(tf.constant(z), tf.constant([-1.0]), draws)
    told, chosen = told.numpy()[..., 0], chosen.numpy()
    assert chosen.shape == (images, patches // 2)
    hit = np.zeros((images, patches), bool)
    np.put_along_axis(hit, chosen, True, axis=1)
    assert (hit.sum(1) == patches // 2).all()
    share = hit.mean(0)  # of each patch
    np.testing.assert_allclose(share, 0.5, atol=4 * 0.5 / np.sqrt(images))
    np.testing.assert_array_equal(told[~hit], np.tile(numbers, (images, 1))[~hit])
    after, before = told[hit], np.tile(numbers, (images, 1))[hit]
    count = len(after)
    for found, expected in (
        (after == -1, 0.8),
        ((after != -1) & (after != before), 0.1),
        (after == before, 0.1),
    ):
        error = 4 * np.sqrt(expected * (1 - expected) / count)
        assert abs(found.mean() - expected) < error
    moved = (after != -1) & (after != before)
    from_where = np.bincount(((after - before) % patches)[moved].astype(int))
    assert from_where[0] == 0
    assert len(from_where) == patches
    expected = moved.sum() / (patches - 1)
    np.testing.assert_allclose(from_where[1:], expected, atol=4.5 * np.sqrt(expected))


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("size", [(8, 8), (4, 12)])
def test_a_target_is_what_loops_over_its_patches_give(target, size, rng):
    cells = rng.integers(0, 256, (3, 5, *size, 3)).astype(np.float32)
    cells[0, 0], cells[0, 1], cells[0, 2] = 255, 0, 32  # the ends, and a limit
    outputs = TARGETS[target].outputs(*size)
    told = rng.normal(size=(3, 5, outputs)).astype(np.float32)
    told[:, :2] = told[:, :2] * 0.001 - 0.5  # near an even colour, which can be right
    cells[:, 1] = 60 + rng.integers(0, 2, cells[:, 1].shape)
    losses, right = TARGETS[target].judge(tf.constant(told), tf.constant(cells))
    expected = np.array(
        [
            np.mean([judge(target, *pair) for pair in zip(*image, strict=True)], axis=0)
            for image in zip(told, cells, strict=True)
        ]
    )
    np.testing.assert_allclose(losses, expected[:, 0], rtol=1e-5)
    np.testing.assert_allclose(right, expected[:, 1], rtol=1e-6)
    if target == "pixels":
        assert expected[:, 1].any()


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"pooling": "gap", "num_registers": 2, "num_classes": None},
        {"position_embedding": "learned_2d", "position_embedding_at": "every_layer"},
    ],
    ids=["token", "gap", "every layer"],
)
def test_the_loss_is_that_of_the_corrupted_patches_alone(target, arguments, rng):
    """The whole model against the equations, corrupted after the projection."""
    vit = tiny_vit(**arguments)
    model = randomize(MaskedPatchPrediction(vit, target), rng)
    images, draws = images_and_draws(rng)
    losses, right = model.loss_and_accuracy(tf.constant(images), tf.constant(draws))

    weights = {weight.path: weight.numpy() for weight in model.weights}
    oracle = Corrupted(weights, patch=8, heads=2, pooling=arguments.get("pooling"))
    oracle.draws, oracle.mask = draws, model.mask_embedding.numpy()
    predictions, _ = oracle(images / 127.5 - 1)
    for image, patches in enumerate(oracle.chosen):
        assert len(patches) == 3
        found = []
        for patch in patches:
            row, column = divmod(patch, 3)
            pixels = images[image, row * 8 : row * 8 + 8, column * 8 : column * 8 + 8]
            found.append(judge(target, predictions[image, patch - 6], pixels))
        loss, share = np.mean(found, axis=0)
        np.testing.assert_allclose(losses[image], loss, rtol=2e-5)
        np.testing.assert_allclose(right[image], share, atol=1e-6)


def test_states_are_not_normalised_where_the_norm_follows_pooling(rng):
    vit = tiny_vit(pooling="gap", fc_norm=True)
    model = randomize(MaskedPatchPrediction(vit), rng)
    images, draws = images_and_draws(rng)
    paths = {weight.path for weight in model.trainable_variables}
    assert not {path for path in paths if path.startswith("norm/")}
    before = model.loss_and_accuracy(tf.constant(images), tf.constant(draws))[0]
    vit.get_layer("norm").gamma.assign([0.0] * 16)
    after = model.loss_and_accuracy(tf.constant(images), tf.constant(draws))[0]
    np.testing.assert_array_equal(before, after)


def test_a_cell_of_a_hybrid_stands_for_the_pixels_under_it(rng):
    stem = layers.ResNetStem((), 0.5, name="stem")
    vit = tiny_vit(stem=stem, patch_size=1, image_size=(16, 32))
    model = MaskedPatchPrediction(vit, "pixels")
    assert model.cells.patch_size == (4, 4)
    images, draws = images_and_draws(rng, patches=32, shape=(16, 32))
    losses, _ = model.loss_and_accuracy(tf.constant(images), tf.constant(draws))
    for image, numbers in enumerate(draws):  # with a head of zeros, grey is told
        patches = np.argsort(-numbers[:32], kind="stable")[:16]
        cells = [
            images[image, 4 * (i // 8) :, 4 * (i % 8) :][:4, :4] / 127.5 - 1
            for i in patches
        ]
        np.testing.assert_allclose(losses[image], np.square(cells).mean(), rtol=1e-5)


def test_what_cannot_be_predicted_is_refused():
    images = keras.Input((16, 16, 3))
    other = keras.Model(images, keras.layers.Flatten()(images))
    stem = layers.ResNetStem((), 0.5, name="stem")
    uneven = tiny_vit(stem=stem, patch_size=1, image_size=(18, 24))
    for vit, target, message in (
        (tiny_vit(), "edges", "one of mean_color, colors_4x4, pixels.*'edges'"),
        (tiny_vit(patch_size=6), "colors_4x4", "4 x 4 parts. Received: .* 6 x 6"),
        (tiny_vit(image_size=8), "mean_color", "at least 2 patches. Received: 1"),
        (other, "mean_color", "needs a ViT that a factory"),
        (uneven, "mean_color", "Received: 5 x 6 cells of images of 18 x 24"),
    ):
        with pytest.raises(ValueError, match=message):
            MaskedPatchPrediction(vit, target)


def step_of(accumulation_steps=1, **arguments):
    rng = np.random.default_rng(0)
    model = MaskedPatchPrediction(tiny_vit(**arguments))
    for weight in model.trainable_variables:
        weight.assign(rng.normal(scale=0.3, size=weight.shape))
    optimizer = Optimizer(
        model.trainable_variables, SGD(0.0), LearningRate(0.1, 9, decay="constant")
    )
    state = TrainingState(model, optimizer)
    return state, training_step(
        state,
        model.loss_and_accuracy,
        ONE,
        global_batch=8,
        clip_norm=1.0,
        accumulation_steps=accumulation_steps,
    )


@pytest.mark.slow
def test_micro_batches_give_the_step_of_the_whole_batch(rng):
    batch = [tf.constant(one) for one in images_and_draws(rng, 8)]
    found = []
    for parts in (1, 4):
        state, step = step_of(parts)
        before = [weight.numpy() for weight in state.optimizer.weights]
        told = step(*batch)
        found.append([weight.numpy() for weight in state.optimizer.weights])
        losses, right = state.model.loss_and_accuracy(*batch)  # after it
        assert float(tf.reduce_mean(losses)) < float(told["loss"])
        assert any((x != y).any() for x, y in zip(before, found[-1], strict=True))
    for one, other in zip(*found, strict=True):
        np.testing.assert_allclose(one, other, atol=2e-6)


def test_an_evaluation_asks_for_the_same_patches_whatever_the_batch():
    vit = tiny_vit(image_size=16)
    model = randomize(MaskedPatchPrediction(vit), np.random.default_rng(0), 0.1)
    split, found = small_dataset().test, []
    for batch_size in (20, 7):
        evaluator = MaskedPatches().evaluator(model, vit, seed=5)
        sums = evaluator.metric_sums(split)
        forward = ForwardPass(evaluator.answer, ONE)
        for inputs, labels, weights in evaluator.batches(split, batch_size, 2):
            sums.add(forward(*inputs)[weights > 0], labels)
        found.append(sums.result())
    draws = uniforms(5, np.arange(20), model.num_draws)
    losses, right = model.loss_and_accuracy(tf.constant(split.images), draws)
    assert found[0].count == found[1].count == 20
    for one in found:
        assert one.loss == pytest.approx(float(tf.reduce_mean(losses)), rel=1e-5)
        assert one.accuracy == pytest.approx(float(tf.reduce_mean(right)), abs=1e-6)
    with pytest.raises(FloatingPointError, match="Expected finite losses"):
        sums.add(np.array([[np.nan, 0.0]]), None)


# 4 patches of 8 x 8: dark ones and bright ones.
RECIPE = small_recipe(
    masked_patches="mean_color", epochs=6, evaluate_every=7, checkpoint_every=3
)


def train(folder, recipe=RECIPE, **options):
    return keras_vit.train(
        recipe, dataset=small_dataset(), folder=folder / "run", **options
    )


@pytest.fixture(scope="module")
def pretrained(tmp_path_factory):
    return train(tmp_path_factory.mktemp("pretrained"))


def test_a_run_learns_without_labels_and_leaves_a_model_without_a_head(pretrained):
    run = pretrained
    losses = [row["eval_loss"] for row in run.history]
    assert losses[-1] < losses[0] / 2
    assert run.history[-1]["eval_loss"] == run.evaluation.loss
    assert (run.evaluation.count, run.saved_model) == (20, None)
    assert sorted(path.name for path in run.folder.iterdir()) == [
        "checkpoints",
        "config.json",
        "evaluation.json",
        "finished.json",
        "history.csv",
        "learning_curves.png",
        "model.keras",
        "report.html",
        "training_batch.png",
    ]
    page = (run.folder / "report.html").read_text()
    assert re.findall('<section id="(.+?)">', page) == ["curves", "batch", "recipe"]
    assert " % of the colours of masked patches are correct " in page
    told = json.loads((run.folder / "evaluation.json").read_text())
    assert told | {"predicted": "colours of masked patches"} == dataclasses.asdict(
        run.evaluation
    )
    saved = keras.models.load_model(run.folder / "model.keras")
    assert saved.output_shape == (None, 16)
    for one, other in zip(saved.weights, run.model.weights, strict=True):
        np.testing.assert_array_equal(one.numpy(), other.numpy())


def test_the_command_tells_of_masked_patches(pretrained, capsys):
    _print_results(pretrained)
    told = capsys.readouterr().out
    assert f"{100 * pretrained.evaluation.accuracy:.2f} % of the colours" in told
    assert f"keras-vit train --model={pretrained.folder}" in told


def test_a_finished_run_tells_the_same_again(pretrained):
    again = train(pretrained.folder.parent)
    assert again.evaluation == pretrained.evaluation
    assert again.saved_model is None


@pytest.mark.slow
def test_fine_tuning_begins_from_what_was_pre_trained(
    pretrained, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    with mock.patch(EXPORT, return_value=tmp_path):
        run = keras_vit.train(
            small_recipe(epochs=1, base_lr=0.0),
            model=pretrained.folder,
            dataset=small_dataset(),
        )
    assert run.model.output_shape == (None, 2)
    old = {weight.path: weight.numpy() for weight in pretrained.model.weights}
    new = {weight.path: weight.numpy() for weight in run.model.weights}
    assert new.keys() - old.keys() == {"head/kernel", "head/bias"}
    assert old.keys() <= new.keys()
    for path, value in old.items():
        np.testing.assert_array_equal(new[path], value, err_msg=path)


def test_as_many_features_as_classes_are_no_head(pretrained):
    recipe = small_recipe(model=str(pretrained.folder))
    model = build_model(recipe.model, 16, None)
    assert model.get_layer("head").units == 16


def test_pre_training_goes_on_from_a_model_with_a_head_or_without(pretrained, tmp_path):
    headed = build_model(small_recipe(model=str(pretrained.folder)).model, 2)
    headed.save(tmp_path / "headed.keras")
    for path in (pretrained.folder, tmp_path / "headed.keras"):
        model = build_model(small_recipe(model=str(path)).model, None)
        for one, other in zip(model.weights, pretrained.model.weights, strict=True):
            np.testing.assert_array_equal(one.numpy(), other.numpy())


@pytest.mark.slow
def test_a_run_that_is_interrupted_goes_on_as_if_it_were_not(pretrained, tmp_path):
    def interrupt():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(tmp_path, callbacks=[At("on_train_batch_end", 11, interrupt)])
    assert not (tmp_path / "run" / "model.keras").exists()
    assert outcome(train(tmp_path)) == outcome(pretrained)


@pytest.mark.slow
@pytest.mark.parametrize(
    "settings",
    [
        {"precision": "mixed_bfloat16", "remat": True, "ema": 0.5},
        {"masked_patches": "pixels", "freeze": ("patch_encoder", "block_*")},
    ],
)
def test_settings_hold_and_labels_do_not_matter(settings, tmp_path):
    """Not even where an image has several, which a softmax would refuse."""
    recipe = recipes.changed(RECIPE, {"steps": 4, "warmup_steps": 0, **settings})
    keras.utils.set_random_seed(0)
    before = build_model(recipe.model, None)  # as the run builds it
    several = [
        Split(split.images, np.ones((len(split), 2), int))
        for split in (small_dataset().train, small_dataset().test)
    ]
    dataset = Dataset("both", *several, ("a", "b"))
    run = keras_vit.train(recipe, dataset=dataset, folder=tmp_path / "run")
    assert np.isfinite(run.evaluation.loss)
    assert run.model.get_layer("block_00").dtype_policy.name == recipe.model.precision
    for one, other in zip(before.weights, run.model.weights, strict=True):
        moved = (one.numpy() != other.numpy()).any()
        if one.path.startswith(("patch_encoder/projection", "block_00/mlp")):
            assert moved == (not recipe.model.freeze), one.path


def test_half_of_an_odd_number_is_rounded_down():
    assert [num_corrupted(count) for count in (2, 3, 49, 196)] == [1, 1, 24, 98]
