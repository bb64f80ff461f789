"""What mkdocs calls: files of the repository, tables, entries and equations."""

import pathlib
import re

import entries
import mathematics
import tables
from mkdocs.structure.files import File

ROOT = pathlib.Path(__file__).parent.parent.parent
PICTURES = {  # in the site: in the repository
    "assets/icon.svg": "keras_vit/serving/page/icon.svg",
    "assets/report.png": "examples/pictures/report.png",
    "assets/rollout.png": "examples/pictures/rollout.png",
    "assets/distance.png": "examples/pictures/distance.png",
}
STUDIES = ROOT / "examples/studies/results"
MADE = {  # what a comment of a page, such as <!-- table variants -->, stands for
    "entries": entries.entries,
    "entry": entries.entry,
    "file": lambda name: (ROOT / name).read_text(),
    "table": lambda name: tables.TABLES[name](),
}
_COMMENT = re.compile(rf"^<!-- ({'|'.join(MADE)}) (\S+) -->$", re.MULTILINE)


def on_files(files, config):
    """Adds pictures that lie elsewhere in the repository, and what studies found."""
    elsewhere = {name: ROOT / path for name, path in PICTURES.items()}
    for study in STUDIES.iterdir():
        elsewhere[f"studies/{study.name}/report.md"] = study / "README.md"
        elsewhere[f"studies/{study.name}/figure.png"] = study / "figure.png"
    for name, path in elsewhere.items():
        files.append(File.generated(config, name, abs_src_path=str(path)))
    return files


def on_page_markdown(markdown, page, config, files):
    """Puts what is made of the package in the place of comments."""
    return _COMMENT.sub(lambda found: MADE[found[1]](found[2]), markdown)


def on_page_content(html, page, config, files):
    """Makes MathML of equations, which browsers set without a script."""
    return mathematics.with_mathml(html)
