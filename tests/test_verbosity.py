"""Progress bars and lines of every part, as `verbose` says."""

import ast
import pathlib

import pytest

import keras_vit
from keras_vit.verbosity import bars_shown, lines_shown, progress_bar

PACKAGE = pathlib.Path(keras_vit.__file__).parent


@pytest.mark.parametrize("verbose", [0, 1, 2])
def test_a_bar_is_drawn_by_other_parts_with_verbose_1_alone(verbose):
    with lines_shown(verbose):
        assert progress_bar(total=3).disable == (verbose != 1)
    assert bars_shown()  # again as before, where nobody has asked for silence


def test_a_run_inside_another_call_decides_for_itself():
    with lines_shown(1):
        with lines_shown(0):
            assert not bars_shown()
        assert bars_shown()


def test_bars_come_back_after_an_error():
    with pytest.raises(KeyError), lines_shown(0):
        raise KeyError
    assert bars_shown()


def test_every_progress_bar_can_be_silenced():
    bars, loud = 0, []
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            called = ast.unparse(node.func) if isinstance(node, ast.Call) else None
            bars += called in ("tqdm", "progress_bar")
            if called == "tqdm" and "disable" not in {k.arg for k in node.keywords}:
                loud.append(f"{path.relative_to(PACKAGE)}:{node.lineno}")
    assert bars > 5
    assert loud == []
