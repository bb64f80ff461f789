import contextlib
import json
import signal

import pytest

import keras_vit
from keras_vit import recipes
from keras_vit.data import cached
from keras_vit.data import image_cache as caches
from keras_vit.training import dry_run
from keras_vit.training.cached_images import short_side_needed
from support.photographs import photographs
from support.training.interrupted import At, ask_to_end, outcome
from support.training.small import linear, small_recipe

CROPS = {"crop": "inception", "crop_area": 0.25, "crop_padding": None, "flip": True}
RECIPE = small_recipe(
    steps=6, batch_size=4, evaluate_every=3, checkpoint_every=2, **CROPS
)
SIDE = 32  # 16 pixels of a quarter


@pytest.fixture
def dataset(tmp_path):
    return photographs(tmp_path / "photos", 20)


def train(dataset, folder, recipe=RECIPE, callbacks=(), **options):
    """A run without files of results, its cache opened as a new process would."""
    for cache in [*caches._OPEN.values()]:
        cache.seal()
    caches._OPEN.clear()
    return keras_vit.train(
        recipe,
        dataset=dataset,
        folder=folder,
        callbacks=[*callbacks],
        export=False,
        verbose=0,
        **options,
    )


@pytest.mark.slow
def test_runs_with_an_empty_a_full_and_no_lasting_cache_are_equal_bit_for_bit(
    dataset, tmp_path, monkeypatch
):
    first = outcome(train(dataset, tmp_path / "a", cache=tmp_path / "cache"))
    assert outcome(train(dataset, tmp_path / "b", cache=tmp_path / "cache")) == first
    passed = cached(dataset, tmp_path / "cache")
    assert outcome(train(passed, tmp_path / "c")) == first
    monkeypatch.setattr(caches.ImageCache, "add", lambda *arguments: None)
    assert outcome(train(dataset, tmp_path / "d", cache=tmp_path / "other")) == first
    monkeypatch.undo()
    assert outcome(train(dataset, tmp_path / "e")) != first


@pytest.mark.slow
@pytest.mark.parametrize("lost", [False, True])
def test_a_stopped_run_ends_as_one_that_was_not_with_the_cache_or_without_it(
    dataset, tmp_path, lost
):
    """It is stopped before the cache is full, which is full at the end of the run."""
    whole = outcome(train(dataset, tmp_path / "whole", cache=tmp_path / "one"))
    folder, cache = tmp_path / "broken", tmp_path / "two"
    stop = At("on_train_batch_end", 2, lambda: ask_to_end(signal.SIGTERM))
    with pytest.raises(SystemExit):
        train(dataset, folder, callbacks=[stop], cache=cache)
    if lost:
        cache = tmp_path / "three"
    assert outcome(train(dataset, folder, cache=cache)) == whole


@pytest.mark.slow
def test_a_run_resumes_with_its_cache_alone(dataset, tmp_path):
    stop = At("on_train_batch_end", 2, lambda: ask_to_end(signal.SIGTERM))
    with pytest.raises(SystemExit):
        train(dataset, tmp_path / "run", callbacks=[stop], cache=tmp_path / "cache")
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    assert config["dataset"]["cache"] == {"short_side": SIDE, "quality": 90}
    with pytest.raises(ValueError, match="must resume on the training images"):
        train(dataset, tmp_path / "run")


@pytest.mark.slow
def test_the_end_is_evaluated_on_the_files_themselves(dataset, tmp_path):
    run = train(dataset, tmp_path / "run", cache=tmp_path / "cache", keep="last")
    expected = keras_vit.evaluate(run.model, dataset)
    assert run.evaluation.loss == pytest.approx(expected.loss, rel=1e-6)
    assert run.history[-1]["eval_loss"] != run.evaluation.loss
    small = keras_vit.evaluate(run.model, cached(dataset, tmp_path / "cache"))
    assert run.history[-1]["eval_loss"] == pytest.approx(small.loss, rel=1e-5)


@pytest.mark.parametrize(
    ("settings", "size", "expected"),
    [
        ({"crop": "inception", "crop_area": 0.25}, 224, 448),
        ({"crop": "random_resized", "crop_area": 0.08}, 224, 792),
        ({"crop": "inception", "crop_area": 1.0}, 224, 224),
        ({"crop": "pad", "crop_area": 0.25}, 32, 32),
        ({"crop": None, "crop_area": 0.25}, 384, 384),
        ({"crop": None, "evaluation_preprocessing": "timm:0.875"}, 224, 256),
    ],
)
def test_the_short_side_is_that_of_the_smallest_crop(settings, size, expected):
    recipe = recipes.Recipe.of("photos", **settings)
    assert short_side_needed(recipe, size) == expected


@pytest.mark.slow
def test_a_cache_that_is_too_small_for_a_run_is_refused_before_it(dataset, tmp_path):
    small = cached(dataset, tmp_path / "cache", short_side=20)
    small.train.image(0)
    why = "a short side of 32 pixels, JPEG quality 90 for this.*20 pixels.*another"
    with pytest.raises(ValueError, match=why):
        train(dataset, tmp_path / "run", cache=tmp_path / "cache")
    with pytest.raises(ValueError, match=why):
        train(small, tmp_path / "run")
    model = linear()  # of 16 x 16 pixels
    with pytest.raises(ValueError, match=why):
        train(small, tmp_path / "run", model=model, recipe=changed(image_size=None))
    assert not (tmp_path / "run").exists()
    train(small, tmp_path / "run", recipe=changed(crop_area=0.7))


def changed(**settings):
    return recipes.changed(RECIPE, settings)


def test_a_dry_run_says_what_the_cache_takes(dataset, tmp_path, caplog):
    caches._OPEN.clear()
    with contextlib.chdir(tmp_path), caplog.at_level("INFO"):
        dry_run(RECIPE, dataset=dataset, cache=tmp_path / "cache", folder="run")
    assert f"cache keeps the images at a short side of {SIDE} pixels" in caplog.text
    assert "adds 20 of 20: about " in caplog.text
