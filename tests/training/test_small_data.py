import itertools

import pytest

from keras_vit import recipes
from keras_vit.data.pipeline import check_batch_size
from keras_vit.recipes.recipe import as_flat, changed
from keras_vit.training.schedules import LearningRate
from keras_vit.training.small_data import fitted_to
from support.splits import numbered

FINETUNE = as_flat(recipes.get("finetune"))


@pytest.mark.parametrize("replicas", [1, 2])
def test_finetune_fits_every_folder_from_2_to_100_images(replicas):
    for count in range(max(replicas, 3), 101):  # 0 and 1 alone would be a mask
        changes, sentences = fitted_to(FINETUNE, (), count, replicas=replicas)
        recipe = changed(recipes.get("finetune"), changes)
        batch_size, steps = recipe.run.batch_size, recipe.run.total_steps(count)
        check_batch_size(numbered(count), batch_size, replicas)
        LearningRate(0.1, steps, recipe.schedule.warmup_steps)  # refuses what is wrong
        assert len(sentences) == len(changes)
        if count >= 32:
            assert not changes
        else:
            assert batch_size == count // replicas * replicas
            assert recipe.schedule.warmup_steps == 2
            assert changes.keys() == {"batch_size", "warmup_steps"}


def test_two_images_are_a_batch():
    changes, sentences = fitted_to(FINETUNE, (), 2)
    assert changes == {"batch_size": 2, "warmup_steps": 2}
    assert sentences == [
        "batch_size=2 instead of the recipe's 32, for 2 training images.",
        "warmup_steps=2 instead of the recipe's 10, for a run of 20 steps.",
    ]


@pytest.mark.parametrize("names", [("batch_size",), ("batch_size", "warmup_steps")])
def test_what_the_user_set_is_left(names):
    assert fitted_to(FINETUNE, names, 18) == ({}, [])


def test_one_of_two_that_the_user_set_is_left():
    assert fitted_to(FINETUNE, ["warmup_steps"], 18)[0] == {"batch_size": 18}


def test_a_run_made_shorter_has_a_shorter_warm_up():
    settings = FINETUNE | {"epochs": 1}
    changes, sentences = fitted_to(settings, {"epochs"}, 100)
    assert changes == {"warmup_steps": 0}
    assert sentences == [
        "warmup_steps=0 instead of the recipe's 10, for a run of 3 steps."
    ]
    assert fitted_to(settings | {"steps": 11}, {"steps"}, 100) == ({}, [])
    assert fitted_to(settings | {"steps": 10}, {"steps"}, 100)[0] == {"warmup_steps": 1}


def test_the_cool_down_fits_too():
    settings = FINETUNE | {"steps": 100, "warmup_steps": 60}
    assert fitted_to(settings | {"cooldown_steps": 40}, {"steps"}, 100) == ({}, [])
    changes, _ = fitted_to(settings | {"cooldown_steps": 41}, {"steps"}, 100)
    assert changes == {"cooldown_steps": 10}
    settings |= {"warmup_steps": 100, "cooldown_steps": 95}
    changes, _ = fitted_to(settings, {"steps"}, 100)
    assert changes == {"warmup_steps": 10, "cooldown_steps": 10}


def test_batches_are_cut_for_replicas_parts_and_repeats():
    for replicas, parts, repeats in itertools.product((1, 2, 4), (1, 3), (1, 2)):
        settings = FINETUNE | {"accumulation_steps": parts, "repeats": repeats}
        changes, _ = fitted_to(settings, (), 27, replicas=replicas)
        size = changes["batch_size"]
        wholes = (
            n for n in range(1, 28) if n % (replicas * parts) == 0 and n % repeats == 0
        )
        assert size == max(wholes)


def test_fewer_images_than_replicas_are_left_to_be_refused():
    assert fitted_to(FINETUNE, (), 3, replicas=4) == ({}, [])


def test_no_recipe_changes_where_there_are_images_enough():
    for name in recipes.RECIPES:
        assert fitted_to(as_flat(recipes.get(name)), (), 10**9) == ({}, [])
