import os
from unittest import mock

import pytest

from keras_vit.files import locked, written_whole


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


def test_companions_go_first_and_no_old_file_stands_among_them(tmp_path):
    path, replace, seen = tmp_path / "a.xml", os.replace, []
    for text in ("old", "new"):

        def note(scratch, to):
            replace(scratch, to)
            seen.append(
                {one.name: one.read_text() for one in sorted(tmp_path.glob("a*"))}
            )

        with (
            mock.patch.object(os, "replace", note),
            written_whole(path) as scratch,
        ):
            for name in ("a.xml.md", "a.xml", "a.bin"):
                scratch.with_name(name).write_text(text)
    first, second, last = seen[3:]
    assert first == {"a.bin": "new", "a.xml.md": "old"}
    assert second == {"a.bin": "new", "a.xml.md": "new"}
    assert last == dict.fromkeys(("a.bin", "a.xml", "a.xml.md"), "new")


def test_a_folder_goes_elsewhere_where_its_name_was_taken_meanwhile(tmp_path):
    others = iter([tmp_path / "2", tmp_path / "3"])
    with written_whole(tmp_path / "1", lambda: next(others)) as scratch:
        scratch.mkdir()
        (scratch / "part").write_text("mine")
        for name in "12":
            (tmp_path / name).mkdir()
            (tmp_path / name / "part").write_text("theirs")
    assert [(tmp_path / name / "part").read_text() for name in "123"] == [
        *("theirs", "theirs", "mine")
    ]
    assert sorted(os.listdir(tmp_path)) == ["1", "2", "3"]


def test_what_fails_otherwise_is_not_tried_elsewhere(tmp_path):
    (tmp_path / "1").write_text("a file")
    with (
        pytest.raises(NotADirectoryError),
        written_whole(tmp_path / "1", lambda: tmp_path / "2") as scratch,
    ):
        scratch.mkdir()
    assert os.listdir(tmp_path) == ["1"]


def test_a_folder_that_holds_something_is_not_replaced(tmp_path):
    (tmp_path / "1").mkdir()
    (tmp_path / "1" / "mine").write_text("x")
    with pytest.raises(OSError), written_whole(tmp_path / "1") as scratch:
        scratch.mkdir()
    assert (tmp_path / "1" / "mine").read_text() == "x"


def test_what_is_locked_is_locked_once_until_the_block_ends(tmp_path):
    for path in (tmp_path, tmp_path / ".lock"):  # a folder, and a file that is made
        with (
            locked(path, "first"),
            pytest.raises(BlockingIOError, match="^wait$"),
            locked(path, "wait"),
        ):
            pass
        with locked(path, "again"):
            pass
