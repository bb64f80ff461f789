"""The page of a run: whole, escaped, and without what a model does not have."""

import itertools
import re
from html import unescape
from html.parser import HTMLParser

import keras
import numpy as np
import pytest
from PIL import Image
from scipy import stats

import keras_vit
from keras_vit import figures
from keras_vit.data import Dataset, Split
from keras_vit.report_page import Gallery, Picture, Section, Table, page
from support.browser import FLAGS, executable
from support.training.small import small_dataset, small_recipe

EXPORT = "keras_vit.training.artifacts.results.export"
NAMES = ("<b>left</b>", 'right & "wrong"', "absent")


def dataset(rng):
    """Two classes that cannot be told apart, and one without images."""
    data = small_dataset()
    test = rng.permutation(data.test.labels)
    return Dataset("<i>sides", data.train, Split(data.test.images, test), NAMES)


def train(folder, rng, **options):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(EXPORT, lambda *args, **options: folder / "savedmodels")
        return keras_vit.train(
            small_recipe(epochs=2),
            dataset=dataset(rng),
            folder=folder / "run",
            **options,
        )


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return train(tmp_path_factory.mktemp("page"), np.random.default_rng(0))


@pytest.fixture(scope="module")
def html(run):
    return (run.folder / "report.html").read_text()


class Outline(HTMLParser):
    """Which elements a page has, and whether each is closed in its turn."""

    EMPTY = {"meta", "img", "br"}

    def __init__(self, html):
        super().__init__()
        self.open, self.elements = [], []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in self.EMPTY:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_the_page_is_whole_and_has_a_section_for_each_part(html):
    outline = Outline(html)
    assert outline.open == []
    tags = [tag for tag, _ in outline.elements]
    assert tags.count("h1") == 1
    sections = [attrs["id"] for tag, attrs in outline.elements if tag == "section"]
    assert sections == ["curves", "confusion", "confused", "classes", "batch", "recipe"]
    links = [attrs["href"] for tag, attrs in outline.elements if tag == "a"]
    assert [one[1:] for one in links if one.startswith("#")] == sections
    levels = [int(tag[1]) for tag in tags if re.fullmatch("h[1-6]", tag)]
    assert all(one - before <= 1 for before, one in itertools.pairwise(levels))


def test_the_page_loads_nothing_and_links_to_what_lies_beside_it(run, html):
    outline = Outline(html)
    assert not {"script", "link", "iframe"} & {tag for tag, _ in outline.elements}
    for _, attrs in outline.elements:
        assert not attrs.get("src", "data:image/png;base64,").partition("data:")[0]
        place = attrs.get("href", "#")
        assert place.startswith("#") or (run.folder / place).is_file()
    assert "://" not in re.sub(r"base64,[^\"]*", "", html)
    assert "default-src 'none'" in html


def test_names_are_shown_as_they_are_written(html):
    assert "&lt;b&gt;left&lt;/b&gt;" in html
    assert "&lt;i&gt;sides" in html
    assert not {"b", "i"} & {tag for tag, _ in Outline(html).elements}
    assert "right &amp; &#34;wrong&#34;" in html


def test_every_picture_has_a_text_and_every_table_headers(html):
    elements = Outline(html).elements
    images = [attrs for tag, attrs in elements if tag == "img"]
    assert all(len(one["alt"]) > 10 for one in images)
    assert all(int(one["width"]) * int(one["height"]) for one in images)
    for table in re.findall("<table>.+?</table>", html, re.S):
        assert "<caption" in table
        assert '<th scope="col"' in table
        assert table.count('<th scope="row">') == table.count("<tr>") - 1


def test_the_summary_and_the_classes_have_supports_and_intervals(run, html):
    text, found = unescape(html), run.evaluation
    right = round(20 * found.top1)
    wilson = stats.binomtest(right, 20).proportion_ci(method="wilson")
    within = f"({100 * wilson.low:.2f} to {100 * wilson.high:.2f})"
    assert f"Accuracy {100 * right / 20:.2f} % {within} on 20 test images" in text
    assert "the largest class has 50.00 %" in text
    assert 'left</b> 10, right & "wrong" 10, absent 0' in text
    rows = (
        html.split('id="classes"')[1].split("<tbody>")[1].split("</tbody>")[0].strip()
    )
    rows = [re.findall("<t[hd].*?>(.*?)</t[hd]>", row) for row in rows.splitlines()]
    for number, (_, images, predicted, correct, share, interval, *_) in enumerate(rows):
        expected = found.classes[:, number].tolist()
        assert [int(images), int(predicted), int(correct)] == expected
        if number == 2:  # without images
            assert (share, interval) == ("", "")
        else:
            wilson = stats.binomtest(expected[2], 10).proportion_ci(method="wilson")
            bounds = f"{100 * wilson.low:.2f} to {100 * wilson.high:.2f}"
            assert (share, interval) == (f"{10 * expected[2]:.2f}", bounds)


def test_the_confused_images_are_mistakes_and_have_their_attention(run, html):
    section = html.split('id="confused"')[1].split("</section>")[0]
    headings = unescape(" ".join(re.findall("<h3>(.+?)</h3>", section)))
    count = int(run.evaluation.confusion[0, 1])
    assert f'<b>left</b> as right & "wrong": {count} of 10 images' in headings
    alts = re.findall('alt="(.+?)"', section)
    names = {int(one.split(":")[0].split()[1]) for one in alts[::2]}
    assert names <= {*run.evaluation.mistakes.indices.tolist()}
    assert all(one.startswith("Attention rollout over number") for one in alts[1::2])


def test_the_recipe_is_on_the_page(html):
    section = html.split('id="recipe"')[1]
    assert '<th scope="row">epochs</th><td>2</td>' in section
    assert '<th scope="row">class_weights</th><td>none</td>' in section


@pytest.mark.slow
def test_a_model_without_attention_has_images_alone(tmp_path, rng):
    layers = [keras.Input((16, 16, 3)), keras.layers.Flatten(), keras.layers.Dense(3)]
    model = keras.Sequential(layers)
    found = train(tmp_path, rng, model=model)
    html = (found.folder / "report.html").read_text()
    section = html.split('id="confused"')[1].split("</section>")[0]
    assert "<img" in section
    assert "ttention" not in html


def test_a_table_may_have_no_rows_no_totals_and_undefined_numbers():
    table = Section("f", "f", table=Table("c", ("d", "e"), []))
    html = page("a", [], {}, [table])
    assert "<tfoot>" not in html
    assert '<th scope="col">e</th>' in html
    rows = [("x", float("nan")), ("y", 1.234), ("z", 5678)]
    html = page("a", [], {}, [Section("f", "f", table=Table("c", ("d", "e"), rows))])
    assert re.findall('<td class="number">(.*?)</td>', html) == ["", "1.23", "5,678"]


def test_a_picture_is_a_file_of_its_pixels(rng, tmp_path):
    pixels = rng.integers(0, 256, (5, 7, 3), np.uint8)
    path = tmp_path / "a.png"
    path.write_bytes(figures.png_of(pixels))
    np.testing.assert_array_equal(Image.open(path).convert("RGB"), pixels)
    picture = Picture.of_file(path, dpi=96)
    gallery = Gallery("<g>", [("<c>", [(picture, '"quoted"')])])
    html = page("a", [], {}, [Section("f", "f", galleries=[gallery])])
    assert 'width="7" height="5" alt="&#34;quoted&#34;"' in html
    assert "<h3>&lt;g&gt;</h3>" in html
    assert ">&lt;c&gt;</figcaption>" in html


def test_a_map_over_a_picture_colours_the_pixels_of_its_cells():
    image = np.full((5, 6, 3), 40, np.uint8)
    image[..., 2] = 100
    found = figures.map_over_picture(image, np.array([[0, 0], [0, 0.5]]), (2, 2))
    yellow, grey = [253, 231, 37], [60, 60, 60]  # the end of viridis; the mean
    expected = np.full((5, 6, 3), grey)
    expected[2:4, 2:4] = yellow
    np.testing.assert_array_equal(found, expected)  # beyond the last cell: grey


@pytest.mark.slow
def test_the_page_fits_a_phone_and_asks_for_nothing(run):
    playwright = pytest.importorskip("playwright.sync_api")
    path, asked, said = executable(), [], []
    with playwright.sync_playwright() as running:
        browser = running.chromium.launch(executable_path=path, args=FLAGS)
        page = browser.new_page(viewport={"width": 390, "height": 800})
        page.on("request", lambda request: asked.append(request.url))
        page.on("console", lambda message: said.append(message.text))
        address = (run.folder / "report.html").as_uri()
        page.goto(address)
        fits = page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        widths = page.evaluate("[...document.images].map((one) => one.naturalWidth)")
    assert [url for url in asked if not url.startswith("data:")] == [address]
    assert said == []
    assert min(widths) > 100
    assert fits
