"""What the documentation says holds: its code, its commands, its quotations."""

import pathlib
import re
import shlex

import pytest
from absl import flags

from keras_vit.cli.flag import define
from keras_vit.cli.main import COMMANDS
from keras_vit.evaluation.measurements import MEASUREMENTS
from keras_vit.factories import find
from keras_vit.inspect.figure_specs import FIGURE_SPECS
from keras_vit.recipes import RECIPES, get, override
from support.markdown_pages import blocks, examples, printed_by
from support.models import with_few_layers

pytestmark = pytest.mark.slow  # runs the code of every page

ROOT = pathlib.Path(__file__).parent.parent
PAGES = sorted((ROOT / "docs").rglob("*.md"))
README = ROOT / "README.md"  # whose code tests/test_readme.py runs
# Whose examples print something of the twelve layers of a ViT_Ti16.
OF_ALL_LAYERS = {"concepts.md", "index.md"}
WITH_CODE = [page for page in PAGES if any(examples(page))]
PLACES = "docs|examples|benchmarks|tests|keras_vit|savedmodels"
FILE = re.compile(rf"`((?:{PLACES})/[\w./-]+)`")
FINDINGS = ROOT / "docs/findings.md"
STUDIES = ROOT / "examples/studies/results"
IN_A_LINE = re.compile(r"`(keras-vit [a-z-]+ --[^`]+)`")
RECIPE = re.compile(r"`((?:paper|augreg|big_vision)/[\w/]+)`")


def named(path):
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize(
    "page", [one for one in PAGES if list(examples(one))], ids=named
)
def test_the_code_of_a_page_runs_in_turn_and_prints_what_it_says(
    page, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    if page.name == "batch.md":
        pytest.importorskip("apache_beam")
    if page.name not in OF_ALL_LAYERS:
        with_few_layers(monkeypatch)
    names = {}
    for code, printed in examples(page):
        output = printed_by(code, named(page), names)
        if printed is not None:
            assert output == printed


def test_quoted_code_stands_in_the_file_named_above_it():
    missing = []
    for page in PAGES:
        for block in blocks(page):
            if block.language != "python" or not (block.title or "").endswith(".py"):
                continue
            lines = iter((ROOT / block.title).read_text().splitlines())
            for line in block.code.splitlines():
                if line.strip() != "…" and line not in lines:  # behind the one before
                    missing.append(f"{named(page)}: {block.title} has no {line!r}")
                    break
    assert not missing, "\n".join(missing)


def command_lines(page):
    for block in blocks(page):
        if block.language == "bash":
            for line in block.code.replace("\\\n", " ").splitlines():
                if line.startswith("keras-vit "):
                    yield line
    yield from IN_A_LINE.findall(page.read_text())


def test_a_command_line_names_what_there_is():
    wrong, lines = [], 0
    for page in [*PAGES, README]:
        for line in command_lines(page):
            lines += 1
            try:
                check_command_line(line)
            except Exception as error:  # of a flag, a recipe, a setting
                wrong.append(f"{named(page)}: {line}: {error!r}")
    assert lines > 50
    assert not wrong, "\n".join(wrong)


def check_command_line(line):
    name, *arguments = shlex.split(line, comments=True)[1:]
    command, values = COMMANDS[name], flags.FlagValues()
    define(values, command)
    values.set_gnu_getopt(True)
    paths = values([name, *arguments])[1:]
    assert getattr(command, "TAKES_PATHS", False) or not paths
    required = getattr(command, "REQUIRED", ())
    assert all(values[flag].value is not None for flag in required)
    if name == "train":
        override(get(values.recipe), values["set"].value)
    words = {"evaluate": [*MEASUREMENTS, "all"], "inspect": [*FIGURE_SPECS, "all"]}
    assert {*(values["what"].value or [])} <= {*words[name]} if name in words else True
    model = values["model"].value if "model" in values else None
    assert model is None or "/" in model or find(model)


def test_files_and_recipes_that_a_page_names_are_there():
    missing = []
    for page in [*PAGES, README]:
        text = page.read_text()
        names = [path for path in FILE.findall(text) if not exists(path)]
        names += [name for name in RECIPE.findall(text) if name not in RECIPES]
        missing += [f"{named(page)}: {name}" for name in names]
    assert not missing, "\n".join(missing)


def exists(path):
    return (ROOT / path).exists() or path.startswith("savedmodels/")


def test_every_finding_is_listed_with_what_is_done_about_it():
    listed = re.findall(r"^\| `(\w+\.sh)` \| .+ \| .+ \|$", FINDINGS.read_text(), re.M)
    assert listed == sorted(one.name for one in (ROOT / "findings").glob("*.sh"))


def test_every_page_has_its_place():
    config = (ROOT / "mkdocs.yml").read_text()
    places = re.findall(r"^ +- .*?([\w/-]+\.md)$", config, re.MULTILINE)
    pages = {one.relative_to(ROOT / "docs").as_posix() for one in PAGES}
    studies = {f"studies/{study.name}/report.md" for study in STUDIES.iterdir()}
    assert {*places} == pages | studies
