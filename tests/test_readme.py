"""README's commands stand where users look, and its Python prints what it says."""

import pathlib
import re

import numpy as np
import pytest
import requests
import tensorflow as tf
from PIL import Image

import keras_vit
from keras_vit.releases import RELEASES
from keras_vit.weights import find_checkpoint, save_weights
from keras_vit.weights.imagenet import TABLE
from support.markdown_pages import examples, printed_by
from support.models import with_few_layers

pytestmark = pytest.mark.slow  # runs every block of README

README = pathlib.Path(__file__).parent.parent / "README.md"
RESULTS = README.parent / "benchmarks/RESULTS.md"
UNITS = "%|[kMGT]B|images/s|m?s|seconds|minutes|hours|times|points"
MEASURED = re.compile(rf"(?<![\w.,-])(\d[\d,]*(?:\.\d+)? (?:{UNITS}))(?!\w)")
ZOO = re.compile(r"^\| `\w+` \| `\w+` \|.*$", re.MULTILINE)
LINK = re.compile(r"\]\(([^)#:]+)(?:#([^)]+))?\)")


def test_a_visitor_reads_at_most_160_lines_of_which_40_decide():
    lines = README.read_text().splitlines()
    assert len(lines) <= 160
    head = "\n".join(lines[:40])
    pictures = re.findall(r"!\[.+\]\((.+)\)", head)
    assert all((README.parent / picture).exists() for picture in pictures)
    assert pictures
    assert head.count("```python") == 1
    assert head.count("```bash") == 2
    assert re.search(r"^\| attention maps \|", head, re.MULTILINE)  # the last row


def test_what_readme_measures_stands_in_the_results():
    results = " ".join(RESULTS.read_text().split())
    text = README.read_text()
    zoo = ZOO.findall(text)
    numbers = MEASURED.findall(" ".join(text.split()))
    assert len(numbers) > 4
    assert len(zoo) > 5
    assert [one for one in numbers if one not in results] == []
    rows = RESULTS.read_text().splitlines()
    assert [row for row in zoo if row not in rows] == []


def test_what_readme_links_to_is_there():
    missing = []
    for path, anchor in LINK.findall(README.read_text()):
        page = README.parent / path
        if not page.exists():
            missing.append(path)
        elif anchor and anchor not in anchors(page):
            missing.append(f"{path}#{anchor}")
    assert not missing


def anchors(page):
    """Return the anchors of a page's headings, as they are made in a repository."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", one).lower().replace(" ", "-") for one in headings}


def test_the_two_commands_stand_before_line_30():
    head = README.read_text().splitlines()[:30]
    assert "pip install . && keras-vit train" in head
    assert "pip install -e '.[test]' && pytest" in head


def without_network(*args, **kwargs):
    raise requests.ConnectionError("no network")


def test_the_first_block_classifies_a_photograph_by_name(tmp_path, monkeypatch):
    """The release's file lies in the cache, where it is put without a network."""
    (code, _), *_ = examples(README)
    monkeypatch.chdir(tmp_path)
    with_few_layers(monkeypatch)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    release = RELEASES[re.search(r'keras_vit\.(\w+)\(weights="(\w+)"\)', code).groups()]
    rng = np.random.default_rng(0)
    model = vars(keras_vit)[release.variant](1000, image_size=release.image_size)
    kernel, bias = model.get_layer("head").weights
    kernel.assign(rng.normal(size=kernel.shape))
    bias.assign(rng.normal(size=bias.shape))
    monkeypatch.setattr(requests, "get", without_network)
    with pytest.raises(OSError, match="put the file at") as refused:
        find_checkpoint(release.variant, release.name)
    file = pathlib.Path(str(refused.value).rpartition("put the file at ")[2])
    file.parent.mkdir(parents=True)
    save_weights(model, file)
    Image.fromarray(rng.integers(0, 256, (60, 80, 3), dtype=np.uint8)).save("photo.jpg")

    output = printed_by(code, "README.md", {})

    pixels = np.asarray(Image.open("photo.jpg"), np.float32)[np.newaxis]
    resized = tf.image.resize(pixels, (release.image_size,) * 2)
    p = tf.nn.softmax(np.float64(model(resized)[0])).numpy()
    names = [line.split("\t")[1] for line in TABLE.read_text().splitlines()]
    top = np.argmax(p)
    assert output == f"photo.jpg: {names[top]}, {p[top]:.1%}\n"


@pytest.mark.parametrize(("code", "printed"), list(examples(README))[1:])
def test_the_code_runs_and_prints_what_it_says(code, printed, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    if "export(" in code:
        with_few_layers(monkeypatch)
    output = printed_by(code, "README.md", {})
    if printed is not None:
        assert output == printed
