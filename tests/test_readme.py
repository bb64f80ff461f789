"""README's commands stand where users look, and its Python prints what it says."""

import contextlib
import io
import pathlib
import re

import pytest

README = pathlib.Path(__file__).parent.parent / "README.md"
BLOCK = re.compile(r"```(\w*)\n(.*?)```", re.DOTALL)


def blocks():
    return [match.groups() for match in BLOCK.finditer(README.read_text())]


def test_the_two_commands_stand_before_line_30():
    head = README.read_text().splitlines()[:30]
    assert "pip install . && keras-vit train" in head
    assert "pip install -e '.[test]' && pytest" in head


def examples():
    """Each Python block, and what follows it without a language, if anything."""
    found = blocks()
    for index, (language, code) in enumerate(found):
        if language == "python":
            following = found[index + 1] if index + 1 < len(found) else ("none", "")
            yield code, following[1] if following[0] == "" else None


@pytest.mark.parametrize(("code", "printed"), list(examples()))
def test_the_code_runs_and_prints_what_it_says(code, printed, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    output = io.StringIO()
    with contextlib.redirect_stdout(output):
        exec(compile(code, "README.md", "exec"), {})
    if printed is not None:
        assert output.getvalue() == printed
