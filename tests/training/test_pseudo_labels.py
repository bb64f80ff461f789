import json
import shutil

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_vit
from keras_vit import recipes
from keras_vit.classifier import Classifier
from keras_vit.data import Dataset, Split
from keras_vit.data.joined import Joined
from keras_vit.data.pipeline import examples_of_step, training_batches
from keras_vit.model import head
from keras_vit.model_files import save_model
from keras_vit.training.artifacts.folder import RunFolder
from keras_vit.training.tasks import TaskContext, task_of
from keras_vit.training.tasks.pseudo_labels import (
    PseudoLabels,
    pseudo_labels,
)
from support.models import tiny_vit
from support.splits import numbered
from support.training.interrupted import At, ask_to_end, outcome, train
from support.training.small import small_dataset, small_recipe

NOISY = small_recipe(
    epochs=2,
    checkpoint_every=3,
    train_split="train[:40%]",
    unlabelled_split="train[40%:]",
    pseudo_labels="soft",
    min_confidence=0.0,
    flip=True,
)


def of_paper(probabilities, least, per_class):
    """Section 3.1, image by image: what is kept of each class, the surest first."""
    kept = {}
    for number, row in enumerate(probabilities):
        if max(row) > least:
            kept.setdefault(list(row).index(max(row)), []).append(number)
    for images in kept.values():
        images.sort(key=lambda number: -max(probabilities[number]))
        del images[per_class:]
    return kept


@pytest.fixture(scope="module")
def teacher(tmp_path_factory):
    """A model that knows by how much one half is the brighter one, on disk."""
    folder = tmp_path_factory.mktemp("teacher")
    images = keras.Input((16, 16, 3), name="images")
    halves = keras.layers.Flatten()(keras.layers.AveragePooling2D((16, 8))(images))
    model = keras.Model(images, head(2)(halves))
    kernel = np.array([[1.0, -1.0]] * 3 + [[-1.0, 1.0]] * 3) / 500
    model.get_layer("head").kernel.assign(kernel)
    save_model(model, folder / "model.keras", small_dataset().class_names)
    return str(folder)


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory, teacher):
    return train(tmp_path_factory.mktemp("unbroken"), recipe=NOISY, teacher=teacher)


@pytest.mark.parametrize("kind", ["soft", "hard"])
def test_of_each_class_the_surest_are_taken_and_the_rare_ones_again(kind, rng):
    probabilities = rng.dirichlet([2, 1, 1, 0.2], 60)
    told = pseudo_labels(probabilities, kind, 0.5, per_class=12, seed=3)
    expected = of_paper(probabilities, 0.5, 12)
    sizes = [len(images) for images in expected.values()]
    assert max(sizes) == 12 > min(sizes) > 0  # some to leave out, some to repeat
    assert len(told.indices) == 12 * len(expected)
    for start, number in enumerate(sorted(expected)):
        received = told.indices[12 * start :][:12].tolist()
        images = expected[number]
        assert received[: len(images)] == images
        assert {*received} == {*images}
    of_images = probabilities[told.indices]
    if kind == "hard":
        of_images = np.eye(4)[of_images.argmax(1)]
    np.testing.assert_array_equal(told.labels, of_images.astype(np.float32))
    again = pseudo_labels(probabilities, kind, 0.5, per_class=12, seed=3)
    np.testing.assert_array_equal(told.indices, again.indices)


def test_a_class_without_images_is_left_out_and_no_image_at_all_is_refused():
    probabilities = np.array([[0.6, 0.3, 0.1], [0.2, 0.7, 0.1], [0.5, 0.4, 0.1]])
    told = pseudo_labels(probabilities, "soft", 0.3, per_class=None, seed=0)
    assert told.indices.tolist() == [0, 1]  # one a class: 3 images of 3 classes
    with pytest.raises(ValueError, match="sure of some images.*0.700 at most"):
        pseudo_labels(probabilities, "soft", 0.7, per_class=None, seed=0)


def test_joined_splits_give_the_images_and_the_rows_of_their_places(rng):
    first, second = numbered(6), numbered(9).subset(np.arange(4, 9))
    indices, labels = np.array([0, 10, 6, 5, 6]), rng.dirichlet([1] * 9, 5)
    joined = Joined((first, second), indices, labels.astype(np.float32))
    shown = [0, 8, 4, 5, 4]
    read, target = joined.reader(), joined.targets(9)
    for place, value in enumerate(shown):
        assert (joined.image(place) == value).all()
        assert (read(tf.constant(place, tf.int64)).numpy() == value).all()
        np.testing.assert_array_equal(target(place), joined.labels[place])
    stream = training_batches(joined, 4, (4, 6), 9, seed=0)
    images, targets = next(iter(stream))
    places = examples_of_step(joined, 4, 0, 0)
    np.testing.assert_array_equal(images[:, 0, 0, 0], np.array(shown)[places])
    np.testing.assert_array_equal(targets, joined.labels[places])
    part = joined.subset(np.array([1, 3]))
    assert [part.name(0), part.name(1)] == ["4", "5"]
    assert (
        joined.fingerprint() != Joined((first, second), indices, labels).fingerprint()
    )


@pytest.mark.slow
def test_a_run_learns_what_the_teacher_says_of_images_that_are_not_changed(
    unbroken, teacher
):
    stored = np.load(unbroken.folder / "pseudo_labels.npz")
    split = small_dataset().split("train[40%:]")
    model = keras.models.load_model(f"{teacher}/model.keras")
    expected = keras.ops.softmax(model.predict(split.images, verbose=0)).numpy()
    chosen = stored["indices"]
    assert len(chosen) == 30
    assert expected.max() < 0.95
    assert np.bincount(stored["labels"].argmax(1)).tolist() == [15, 15]
    np.testing.assert_allclose(stored["labels"], expected[chosen], atol=1e-5)
    assert unbroken.history[-1]["steps"] == 2 * (20 + 30) // 10
    config = json.loads((unbroken.folder / "config.json").read_text())
    assert config["recipe"]["task"]["unlabelled_split"] == "train[40%:]"


@pytest.mark.slow
def test_a_run_that_goes_on_reads_the_labels_that_it_made(
    tmp_path, teacher, unbroken, monkeypatch
):
    def stop():
        raise RuntimeError("a power cut")

    with pytest.raises(RuntimeError, match="a power cut"):
        train(
            tmp_path,
            [At("on_train_batch_end", 5, stop)],
            recipe=NOISY,
            teacher=teacher,
        )
    monkeypatch.setattr("keras_vit.training.tasks.pseudo_labels.predictions_of", None)
    assert outcome(train(tmp_path, recipe=NOISY, teacher=teacher)) == outcome(unbroken)


def test_a_signal_while_the_teacher_labels_ends_the_run_at_once(
    tmp_path, teacher, monkeypatch
):
    def labels(*_, **__):
        ask_to_end()
        pytest.fail("The program goes on.")

    monkeypatch.setattr("keras_vit.training.tasks.pseudo_labels.predictions_of", labels)
    with pytest.raises(SystemExit) as end:
        train(tmp_path, recipe=NOISY, teacher=teacher)
    assert end.value.code == 42
    assert not (tmp_path / "run").exists()


def labels_of(split, teacher, folder):
    """The pseudo labels of a run on images without labels, which it writes."""
    folder.path.mkdir(exist_ok=True)
    task = task_of(NOISY.task, Classifier.of(teacher))
    dataset = Dataset("sides", split, split, ("left half", "right/half"))
    context = TaskContext(tf.distribute.get_strategy(), folder, seed=0)
    task.unlabelled_split = "train"
    joined = task.examples(split, dataset, context)
    task.write(folder)
    with np.load(folder.path / "pseudo_labels.npz") as stored:
        labels = PseudoLabels(stored["indices"], stored["labels"])
    assert len(joined) == len(split) + len(labels.indices)
    return labels


@pytest.mark.slow
def test_labels_of_other_images_are_made_anew(tmp_path, teacher, unbroken):
    folder, split = RunFolder(tmp_path), small_dataset().split("train[40%:]")
    stored = np.load(unbroken.folder / "pseudo_labels.npz")
    made = PseudoLabels(stored["indices"], stored["labels"])
    shutil.copy(unbroken.folder / "pseudo_labels.npz", tmp_path)
    same = labels_of(split, teacher, folder)
    np.testing.assert_array_equal(same.indices, made.indices)
    fewer = split.subset(np.arange(6))
    anew = labels_of(fewer, teacher, folder)
    assert anew.indices.max() < 6
    np.testing.assert_array_equal(
        np.load(tmp_path / "pseudo_labels.npz")["indices"], anew.indices
    )


def test_rows_of_zeros_and_a_one_are_not_judged_class_by_class(tmp_path, teacher):
    split = small_dataset().split("train[40%:]")
    several = Split(split.images, np.eye(2, dtype=np.int64)[split.labels])
    one, other = (
        labels_of(one, teacher, RunFolder(tmp_path / name))
        for name, one in (("several", several), ("one", split))
    )
    np.testing.assert_array_equal(one.labels, other.labels)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"unlabelled_split": ""}, "goes with an unlabelled_split"),
        ({"pseudo_labels": "fuzzy"}, "must be one of soft, hard"),
        ({"distillation": "soft"}, "distillation and pseudo_labels"),
        ({"masked_patches": "pixels"}, "masked_patches and pseudo_labels"),
        ({"loss": "sigmoid"}, "go with loss=softmax"),
        ({"min_confidence": 1.5}, r"lie in \[0, 1\]"),
    ],
)
def test_a_recipe_refuses_what_does_not_go_with_pseudo_labels(changes, expected):
    with pytest.raises(ValueError, match=expected):
        recipes.changed(NOISY, changes)


def test_a_teacher_that_is_missing_or_of_other_classes_is_refused(tmp_path, teacher):
    with pytest.raises(ValueError, match="A teacher needs distillation.*no teacher"):
        task_of(NOISY.task, None)
    split = Split(small_dataset().train.images, small_dataset().train.labels)
    others = Dataset("animals", split, split, ("cat", "dog"))
    with pytest.raises(ValueError, match="teacher must know the classes of the data"):
        keras_vit.train(NOISY, dataset=others, teacher=teacher, folder=tmp_path / "run")
    with pytest.raises(ValueError, match="a teacher of 5 and data of 2"):
        train(tmp_path, recipe=NOISY, teacher=tiny_vit())
    of_several = Classifier.of(teacher).model
    of_several.get_layer("head").probabilities = "sigmoid"
    with pytest.raises(ValueError, match="trained with loss=softmax"):
        train(tmp_path, recipe=NOISY, teacher=of_several)


def test_the_recipe_of_a_noisy_student_has_the_labels_of_its_teacher_alone():
    teacher, student = map(
        recipes.get, ("fashion_mnist_labelled_quarter", "fashion_mnist_noisy_student")
    )
    assert student.data.train_split == teacher.data.train_split
    dataset = keras_vit.data.load(student.data.name)
    names = student.data.train_split, student.task.unlabelled_split
    parts = [dataset.split(name) for name in names]
    assert [len(part) for part in parts] == [3000, 9000]
    assert student.task.teacher == "runs/fashion_mnist_labelled_quarter"
    assert student.model.arguments["dropout_rate"] > 0
    assert student.augmentation.randaugment_layers > 0
