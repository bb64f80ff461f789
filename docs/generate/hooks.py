"""What mkdocs calls: pages and pictures that are made, and equations."""

import pathlib

import mathematics
import pages
from mkdocs.structure.files import File

ROOT = pathlib.Path(__file__).parent.parent.parent
PICTURES = {  # in the site: in the repository
    "assets/icon.svg": "keras_vit/serving/page/icon.svg",
    "assets/rollout.png": "examples/pictures/rollout.png",
    "assets/distance.png": "examples/pictures/distance.png",
}


def on_files(files, config):
    """Adds what no file of `docs/` holds."""
    for name, path in PICTURES.items():
        files.append(File.generated(config, name, abs_src_path=str(ROOT / path)))
    for name, content in pages.all_pages():
        files.append(File.generated(config, name, content=content))
    return files


def on_page_content(html, page, config, files):
    """Makes MathML of equations, which browsers set without a script."""
    return mathematics.with_mathml(html)
