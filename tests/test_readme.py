"""README's commands stand where users look, and its Python prints what it says."""

import pathlib

import pytest

from support.markdown_pages import examples, printed_by

README = pathlib.Path(__file__).parent.parent / "README.md"


def test_the_two_commands_stand_before_line_30():
    head = README.read_text().splitlines()[:30]
    assert "pip install . && keras-vit train" in head
    assert "pip install -e '.[test]' && pytest" in head


@pytest.mark.parametrize(("code", "printed"), list(examples(README)))
def test_the_code_runs_and_prints_what_it_says(code, printed, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    output = printed_by(code, "README.md", {})
    if printed is not None:
        assert output == printed
