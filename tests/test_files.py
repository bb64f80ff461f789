import os

import pytest

from keras_vit.files import written_whole


def test_a_file_appears_when_it_is_complete(tmp_path):
    path = tmp_path / "new folder" / "a.txt"
    with written_whole(path) as scratch:
        scratch.write_text("all")
        assert not path.exists()
    assert path.read_text() == "all"
    assert os.listdir(path.parent) == ["a.txt"]


def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(RuntimeError), written_whole(path) as scratch:
        scratch.write_text("half")
        raise RuntimeError
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["a.txt"]


def test_a_folder_appears_when_it_is_complete(tmp_path):
    with written_whole(tmp_path / "1") as scratch:
        scratch.mkdir()
        (scratch / "part").write_text("x")
        assert not (tmp_path / "1").exists()
    assert (tmp_path / "1" / "part").read_text() == "x"
    assert os.listdir(tmp_path) == ["1"]


def test_a_folder_that_holds_something_is_not_replaced(tmp_path):
    (tmp_path / "1").mkdir()
    (tmp_path / "1" / "mine").write_text("x")
    with pytest.raises(OSError), written_whole(tmp_path / "1") as scratch:
        scratch.mkdir()
    assert (tmp_path / "1" / "mine").read_text() == "x"
