"""Which version of a folder answers while versions come, stop halfway and go."""

import gc
import shutil
import weakref

import numpy as np
import pytest

from keras_vit.serving.folder import ModelFolder
from keras_vit.serving.metrics import Metrics
from keras_vit.serving.versions import AVAILABLE, END, State, Versions, look
from support.serving import stand_in

PICTURE = stand_in.png((200, 100, 50))


def started(folder):
    versions = Versions(ModelFolder(folder), Metrics(), batch_size=2)
    versions.load_first(0)
    return versions


def answer(versions):
    return versions.current.run("serving_default", {"image_bytes": [PICTURE]})


def test_the_newest_version_answers_and_gives_way_to_a_newer_one(own_pets, second):
    versions = started(own_pets)
    assert versions.current.version == 1
    before = answer(versions)["logits"][0]
    np.testing.assert_allclose(before, stand_in.logits_of((200, 100, 50)), rtol=1e-4)
    shutil.copytree(second, own_pets / "2")
    versions.poll()
    assert versions.current.version == 1  # a first look says nothing of a second
    versions.poll()
    assert versions.current.version == 2
    np.testing.assert_allclose(
        answer(versions)["logits"][0] - before, 7.0 * np.arange(7), atol=1e-3
    )
    assert versions.states == {2: State(AVAILABLE), 1: State(END)}
    versions.poll()
    assert versions.current.version == 2


def test_ten_is_newer_than_nine_and_other_names_are_no_versions(own_pets, second):
    for name in ("10", "9"):
        shutil.copytree(second, own_pets / name)
    for name in (".11.tmp", "11.part", "x", "1²"):
        shutil.copytree(second, own_pets / name)
    assert started(own_pets).current.version == 10


@pytest.mark.parametrize(
    "missing",
    ["saved_model.pb", "variables/variables.index", "variables/variables.data-*"],
)
def test_a_version_without_all_its_files_is_waited_for(missing, own_pets, second):
    versions = started(own_pets)
    shutil.copytree(second, own_pets / "2")
    (file,) = (own_pets / "2").glob(missing)
    whole = file.read_bytes()
    file.unlink()
    for _ in range(3):
        versions.poll()
    file.write_bytes(b"")
    for _ in range(3):
        versions.poll()
    assert versions.states == {1: State(AVAILABLE)}
    file.write_bytes(whole)
    versions.poll()
    versions.poll()
    assert versions.current.version == 2


def test_a_version_whose_files_grow_is_waited_for(own_pets, second):
    versions = started(own_pets)
    shutil.copytree(second, own_pets / "2")
    (data,) = (own_pets / "2" / "variables").glob("variables.data-*")
    whole = data.read_bytes()
    for end in range(10, len(whole), len(whole) // 5):
        data.write_bytes(whole[:end])
        versions.poll()
        assert versions.states == {1: State(AVAILABLE)}
    data.write_bytes(whole)
    versions.poll()
    versions.poll()
    assert versions.current.version == 2


@pytest.mark.parametrize(
    "cut", ["saved_model.pb", "variables/variables.index", "variables/variables.data-*"]
)
def test_a_copy_that_stops_halfway_is_refused_and_loaded_once_it_is_whole(
    cut, own_pets, second, caplog
):
    versions = started(own_pets)
    shutil.copytree(second, own_pets / "2")
    (file,) = (own_pets / "2").glob(cut)
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])
    for _ in range(4):
        versions.poll()
    assert versions.current.version == 1
    assert versions.states[1] == State(AVAILABLE)
    assert versions.states[2].name == END
    assert versions.states[2].code == "INTERNAL"
    assert versions.states[2].message
    assert caplog.text.count("version 2 cannot be loaded") == 1
    answer(versions)
    file.write_bytes(whole)
    versions.poll()
    versions.poll()
    assert versions.current.version == 2
    assert versions.states == {2: State(AVAILABLE), 1: State(END)}


def test_labels_that_are_not_as_many_as_the_classes_are_refused(own_pets, second):
    versions = started(own_pets)
    shutil.copytree(second, own_pets / "2")
    labels = own_pets / "2" / "assets" / "labels.txt"
    labels.write_text("ant\nbee\n")
    versions.poll()
    versions.poll()
    expected = "Expected 7 names in labels.txt, one for each logit of pixels"
    assert f"{expected}. Received: 2" in versions.states[2].message
    assert versions.current.version == 1


def test_what_changes_while_it_is_read_is_not_taken(own_pets, second, monkeypatch):
    from keras_vit.serving import versions as module

    versions = started(own_pets)
    shutil.copytree(second, own_pets / "2")
    warm = module.warm

    def change(servable, batch_size):
        warm(servable, batch_size)
        with open(own_pets / "2" / "assets" / "labels.txt", "a"):
            (own_pets / "2" / "late").write_text("late")

    monkeypatch.setattr(module, "warm", change)
    versions.poll()
    versions.poll()
    assert "changed while they were read" in versions.states[2].message
    monkeypatch.setattr(module, "warm", warm)
    versions.poll()
    versions.poll()
    assert versions.current.version == 2


def test_a_version_that_cannot_be_loaded_leaves_an_older_one(own_pets, second):
    shutil.copytree(second, own_pets / "2")
    (own_pets / "2" / "saved_model.pb").write_bytes(b"not a model")
    versions = started(own_pets)
    assert versions.current.version == 1
    assert versions.states[2].code == "INTERNAL"


def test_versions_that_are_removed_are_forgotten(own_pets, second):
    versions = started(own_pets)
    shutil.copytree(second, own_pets / "2")
    (own_pets / "3").mkdir()
    (own_pets / "3" / "saved_model.pb").write_bytes(b"not whole")
    versions.poll()
    versions.poll()
    shutil.rmtree(own_pets / "3")
    shutil.rmtree(own_pets / "1")
    versions.poll()
    assert versions.states == {2: State(AVAILABLE)}


def test_an_older_version_answers_again_where_the_newest_is_removed(own_pets, second):
    shutil.copytree(second, own_pets / "2")
    versions = started(own_pets)
    shutil.rmtree(own_pets / "2")
    versions.poll()
    versions.poll()
    versions.poll()
    assert versions.current.version == 1
    assert versions.states == {1: State(AVAILABLE)}


def test_the_last_model_goes_on_while_its_folder_is_empty_or_gone(own_pets, second):
    versions = started(own_pets)
    shutil.rmtree(own_pets / "1")
    versions.poll()
    answer(versions)
    shutil.rmtree(own_pets)
    versions.poll()
    answer(versions)
    shutil.copytree(second, own_pets / "2")
    versions.poll()
    versions.poll()
    assert versions.current.version == 2


def test_a_model_that_was_replaced_is_freed(own_pets, second):
    versions = started(own_pets)
    old = weakref.ref(versions.current)
    shutil.copytree(second, own_pets / "2")
    versions.poll()
    versions.poll()
    gc.collect()
    assert versions.current.version == 2
    assert old() is None


def test_no_version_that_can_be_loaded_is_an_error_that_says_why(own_pets):
    (own_pets / "1" / "saved_model.pb").write_bytes(b"not a model")
    versions = Versions(ModelFolder(own_pets), Metrics())
    with pytest.raises(ValueError, match="can be loaded. version 1: "):
        versions.load_first(0)
    shutil.rmtree(own_pets / "1" / "variables")
    with pytest.raises(ValueError, match="None is whole"):
        Versions(ModelFolder(own_pets), Metrics()).load_first(0)


def test_the_folder_of_one_version_is_served_alone(own_pets, second):
    shutil.copytree(second, own_pets / "2")
    folder = ModelFolder(own_pets / "1")
    assert folder.name == "pets"
    versions = Versions(folder, Metrics())
    versions.load_first(0)
    versions.poll()
    assert versions.current.version == 1


def test_what_holds_no_saved_model_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="No model at"):
        ModelFolder(tmp_path / "nowhere")
    with pytest.raises(ValueError, match="No SavedModel at"):
        ModelFolder(tmp_path)


def test_two_looks_at_the_same_files_are_equal(pets):
    assert look(pets / "1") == look(pets / "1")
    assert look(pets) is None
    assert look(pets / "nowhere") is None


def test_watching_goes_on_after_a_look_that_failed(own_pets, second, monkeypatch):
    import threading

    versions, looks = started(own_pets), threading.Semaphore(0)
    poll = versions.poll

    def failing():
        looks.release()
        if versions.current.version == 1 and not failing.failed:
            failing.failed = True
            raise OSError("the disk is busy")
        poll()

    failing.failed = False
    monkeypatch.setattr(versions, "poll", failing)
    shutil.copytree(second, own_pets / "2")
    versions.watch(0.01)
    for _ in range(6):
        assert looks.acquire(timeout=20)
    versions.close()
    assert versions.current.version == 2
