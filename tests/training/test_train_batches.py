import pathlib

import keras
import numpy as np
import pytest
from PIL import Image

import keras_vit
from keras_vit import distribution
from keras_vit.data import Files
from keras_vit.data.augmentation import Augmentation
from keras_vit.data.unreadable import replacements
from keras_vit.training.batches import TrainBatches
from keras_vit.training.progress import Progress
from support.training.small import small_recipe

BAD = (3, 4, 11)


def image_files(folder, count, bad):
    """A split whose image i has the label i, some of the files cut."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    paths = []
    for number in range(count):
        path = folder / f"{number:02}.png"
        pixels = rng.integers(0, 256, (16, 16, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(path)
        if number in bad:
            path.write_bytes(path.read_bytes()[:60])
        paths.append(str(path))
    return Files(np.array(paths), np.arange(count))


def batches_of(split, progress, lines, batch_size=5, most=0.5):
    return TrainBatches(
        distribution.strategy("one"),
        split,
        batch_size,
        progress,
        max_unreadable_fraction=most,
        tell=lines.append,
        image_size=(16, 16),
        num_classes=20,
        seed=3,
        augmentation=Augmentation(flip=True),
    )


def labels(one, steps):
    return [one.batch(step)[1].numpy().argmax(1) for step in steps]


@pytest.fixture(scope="module")
def split(tmp_path_factory):
    return image_files(tmp_path_factory.mktemp("images"), 20, BAD)


@pytest.mark.one_in(3)
@pytest.mark.parametrize("batch_size", [3, 5, 20])
def test_the_next_image_takes_the_place_of_an_unreadable_one(split, batch_size):
    progress, lines = Progress(), []
    seen = labels(batches_of(split, progress, lines, batch_size), range(8))
    whole = image_files(pathlib.Path(split.name(0)).parent / "whole", 20, ())
    expected = labels(batches_of(whole, Progress(), [], batch_size), range(8))
    others = replacements(20, BAD)
    np.testing.assert_array_equal(seen, [others[one] for one in expected])
    assert sorted(progress.unreadable) == list(BAD)
    assert len(lines) == len(BAD)
    for index in BAD:
        [line] = [
            one
            for one in lines
            if one.startswith(f"Cannot be read: {split.name(index)}")
        ]
        assert "is used instead" in line


@pytest.mark.slow
def test_a_run_that_goes_on_is_fed_as_one_that_knew_its_files(split):
    whole = labels(batches_of(split, Progress(), []), range(8))
    for progress in (Progress(), Progress(unreadable=[3]), Progress(unreadable=[*BAD])):
        resumed = labels(batches_of(split, progress, []), range(5, 8))
        np.testing.assert_array_equal(resumed, whole[5:])


@pytest.mark.slow
def test_the_names_of_a_step_are_those_of_the_images_shown(split):
    one = batches_of(split, Progress(), [])
    for step, seen in enumerate(labels(one, range(8))):
        assert one.names(step) == [split.name(index) for index in seen]


def test_too_many_unreadable_images_end_the_run(split):
    with pytest.raises(OSError, match=r"of 20 training images.*\.png.*inspect-data"):
        labels(batches_of(split, Progress(), [], most=0.1), range(8))


@pytest.mark.slow
def test_a_file_that_vanishes_is_lines_as_well(tmp_path):
    split, lines = image_files(tmp_path, 6, ()), []
    pathlib.Path(split.name(2)).unlink()
    seen = labels(batches_of(split, Progress(), lines), range(2))
    assert 2 not in np.concatenate(seen)
    assert "02.png" in lines[0]


@pytest.mark.slow
def test_a_run_tells_its_unreadable_images_and_ends_well(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for part, count, bad in (("train", 12, (5,)), ("test", 4, ())):
        for name in ("a", "b"):
            image_files(tmp_path / "set" / part / name, count, bad)
    run = keras_vit.train(
        small_recipe(batch_size=8, max_unreadable_fraction=0.1),
        dataset=tmp_path / "set",
        export=False,
    )
    lines = capsys.readouterr().out.splitlines()
    named = [line for line in lines if line.startswith("Cannot be read")]
    assert len(named) == 2
    assert "a/05.png" in " ".join(named)
    assert "a/06.png is used instead" in " ".join(named)
    assert run.evaluation.count == 8


def test_too_many_end_the_run_with_the_setting_to_change(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for part, bad in (("train", (5,)), ("test", ())):
        for name in ("a", "b"):
            image_files(tmp_path / "set" / part / name, 12, bad)
    with pytest.raises(
        OSError, match="2 of 24.*more than max_unreadable_fraction allows"
    ):
        keras_vit.train(small_recipe(batch_size=8), dataset=tmp_path / "set")


def test_an_unreadable_image_is_an_error_in_evaluation(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for part, bad in (("train", ()), ("test", (3,))):
        for name in ("a", "b"):
            image_files(tmp_path / "set" / part / name, 12, bad)
    with pytest.raises(ValueError, match=r"test/a/03\.png"):
        keras_vit.train(small_recipe(batch_size=8), dataset=tmp_path / "set")


@pytest.mark.slow
def test_a_run_goes_on_with_the_images_it_began_with_alone(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for part in ("train", "test"):
        for name in ("a", "b"):
            image_files(tmp_path / "set" / part / name, 8, ())

    class StopError(Exception):
        pass

    class End(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            if epoch == 1:
                raise StopError

    arguments = {"dataset": tmp_path / "set", "folder": "run", "export": False}
    with pytest.raises(StopError):
        keras_vit.train(small_recipe(epochs=6), callbacks=[End()], **arguments)
    path = tmp_path / "set" / "train" / "a" / "03.png"
    content = path.read_bytes()
    path.unlink()
    with pytest.raises(ValueError, match="resume on the training images"):
        keras_vit.train(small_recipe(epochs=6), **arguments)
    path.write_bytes(content)
    assert len(keras_vit.train(small_recipe(epochs=6), **arguments).history) == 6
