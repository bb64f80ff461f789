"""The notebooks as they are stored; that they run is for `pytest --nbmake`."""

import importlib.util
import json
import pathlib
import re

import pytest

FOLDER = pathlib.Path(__file__).parent.parent / "examples" / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
MOST_BYTES = 400_000
MOST_LINES = 25  # of a cell of code
KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}
OF_A_MACHINE = re.compile(
    r"/(home|root|tmp|usr|opt|work|content|Users|private|var)/"
    r"|[A-Z]:\\|site-packages|dist-packages|127\.0\.0\.1:\d{5}"
)

every_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def cells_of(path, kind="code"):
    cells = json.loads(path.read_text())["cells"]
    return [cell for cell in cells if cell["cell_type"] == kind]


def outputs_of(path):
    return [output for cell in cells_of(path) for output in cell["outputs"]]


def texts_of(output):
    """What an output says in words, not in pixels."""
    data = output.get("data", {})
    texts = [text for kind, text in data.items() if not kind.startswith("image/")]
    return "\n".join("".join(text) for text in [*texts, output.get("text", "")])


def refresh():
    place = FOLDER / "refresh.py"
    spec = importlib.util.spec_from_file_location("refresh", place)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_there_are_the_notebooks_that_are_told_of():
    told = re.findall(r"\]\((\w+\.ipynb)\)", (FOLDER / "README.md").read_text())
    assert told == [path.name for path in NOTEBOOKS]


@every_notebook
def test_a_notebook_is_valid(path):
    nbformat = pytest.importorskip("nbformat")
    nbformat.validate(nbformat.read(path, as_version=nbformat.NO_CONVERT))


@every_notebook
def test_every_cell_was_executed_in_order(path):
    counts = [cell["execution_count"] for cell in cells_of(path)]
    assert counts == [*range(1, len(counts) + 1)]


@every_notebook
def test_pictures_and_words_are_stored_without_errors_and_logs(path):
    outputs = outputs_of(path)
    kinds = {output["output_type"] for output in outputs}
    assert kinds <= {"stream", "display_data", "execute_result"}
    assert all(output.get("name", "stdout") == "stdout" for output in outputs)
    assert any("image/png" in output.get("data", {}) for output in outputs)
    words = "".join(map(texts_of, outputs))
    assert "Warning" not in words and "\r" not in words


@every_notebook
def test_nothing_tells_of_the_machine(path):
    content = json.loads(path.read_text())
    assert content["metadata"] == {
        "kernelspec": KERNEL,
        "language_info": {"name": "python"},
    }
    assert all(cell["metadata"] == {} for cell in content["cells"])
    for output in outputs_of(path):
        found = OF_A_MACHINE.search(texts_of(output))
        assert found is None, found


@every_notebook
def test_a_notebook_is_small(path):
    assert path.stat().st_size < MOST_BYTES
    lines = ["".join(cell["source"]).count("\n") + 1 for cell in cells_of(path)]
    assert max(lines) <= MOST_LINES


@every_notebook
def test_a_notebook_begins_with_its_title_and_how_to_install(path):
    cells = json.loads(path.read_text())["cells"]
    title, install = ("".join(cell["source"]) for cell in cells[:2])
    assert title.startswith("# ") and "In Colab" in title
    assert "%pip install" in install and "find_spec" in install


@every_notebook
def test_links_between_notebooks_lead_somewhere(path):
    for cell in cells_of(path, "markdown"):
        for target in re.findall(r"\]\(([\w/.]+)\)", "".join(cell["source"])):
            assert (FOLDER / target).is_file(), target


def test_cleaning_takes_away_what_the_tests_would_find():
    nbformat = pytest.importorskip("nbformat")
    pytest.importorskip("nbclient")
    v4 = nbformat.v4
    log = v4.new_output("stream", name="stderr", text="W0000 port.cc")
    said = [
        v4.new_output("stream", name="stdout", text=text) for text in ("76", ".5 %\n")
    ]
    cell = v4.new_code_cell("1", outputs=[*said, log], metadata={"timing": 3})
    notebook = v4.new_notebook(cells=[cell], metadata={"path": "/home/someone"})
    refresh().clean(notebook)
    assert notebook.metadata == {
        "kernelspec": KERNEL,
        "language_info": {"name": "python"},
    }
    assert [one.text for one in cell.outputs] == ["76.5 %\n"]
    assert (cell.metadata, cell.id) == ({}, "cell-01")
