"""An inspection's files and its page, of models that have all and that lack some."""

import json
import re
from html import unescape

import numpy as np
import pytest

import keras_vit
from keras_vit.classifier import Classifier
from keras_vit.inspect import attention_distance, attention_rollout, report
from keras_vit.inspect.figure_specs import FIGURE_SPECS
from keras_vit.inspect.inspection import READERS, Inspection
from keras_vit.inspect.relevance import GRAD_CAM
from keras_vit.layers.pooling_config import POOLINGS
from support.browser import FLAGS, executable
from support.models import randomize, tiny_vit

NAMES = ("<b>coat</b>", "a & b", '"dress"', "$shirt", "猫")
IMAGES = np.random.default_rng(1).uniform(0, 255, (5, 16, 24, 3)).astype("float32")


def resnet():
    return keras_vit.baselines.ResNet(
        blocks=(1,), width_factor=0.5, num_classes=3, image_size=(16, 24)
    )


@pytest.fixture(scope="module")
def model():
    return randomize(tiny_vit(num_registers=1), np.random.default_rng(0))


@pytest.fixture(scope="module")
def written(model, tmp_path_factory):
    """All there is to see in it."""
    return report(
        model,
        IMAGES,
        tmp_path_factory.mktemp("inspection") / "new",
        image_names=NAMES,
        class_names=("<i>", *"bcde"),
        source="<script>alert(1)</script>",
        pictures=2,
        name="<img src=x>",
    )


@pytest.fixture
def html(written):
    return (written.folder / "report.html").read_text()


def test_each_figure_is_there_as_picture_as_drawing_and_as_numbers(written):
    assert [*written.figures, *written.skipped] == [
        *(name for name in FIGURE_SPECS if name not in ("offsets", "biases")),
        "offsets",
        "biases",
    ]
    for name in written.figures:
        assert (written.folder / f"{name}.png").read_bytes().startswith(b"\x89PNG")
        assert "<svg" in (written.folder / f"{name}.svg").read_text()
        with np.load(written.folder / f"{name}.npz") as numbers:
            assert all(np.isfinite(numbers[one]).all() for one in numbers)


def test_the_numbers_are_those_of_the_functions(written, model):
    with np.load(written.folder / "rollout.npz") as numbers:
        shares = attention_rollout(model, IMAGES[:2])
        np.testing.assert_allclose(numbers["shares"], shares, rtol=1e-5)
        np.testing.assert_allclose(numbers["times_even"], 6 * shares, rtol=1e-5)
    with np.load(written.folder / "distance.npz") as numbers:
        pixels = attention_distance(model, IMAGES)
        np.testing.assert_allclose(numbers["pixels"], pixels, rtol=1e-5)


def test_the_distance_of_reading_all_alike_is_that_of_all_pairs(written):
    places = np.array(
        [(8 * row, 8 * column) for row in range(2) for column in range(3)]
    )
    apart = np.linalg.norm(places[:, None] - places, axis=-1)
    with np.load(written.folder / "distance.npz") as numbers:
        np.testing.assert_allclose(numbers["even"], apart.mean(), rtol=1e-6)


def test_the_page_refers_to_nothing_but_itself_and_what_lies_beside_it(written, html):
    beside = {path.name for path in written.folder.iterdir()}
    references = re.findall(r'(?:src|href|url|action)\s*[=(]\s*"?([^">)\s]+)', html)
    assert references
    for one in references:
        assert one.startswith(("data:image/png;base64,", "#", "x&gt;")) or one in beside
    assert "://" not in re.sub(r"base64,[^\"]*", "", html)
    assert "<script" not in html


def test_the_page_shows_names_as_they_are_written(html):
    assert "&lt;b&gt;coat&lt;/b&gt;" in html
    assert "Inside &lt;img src=x&gt;" in html
    assert not re.search("<(b|i|img src=x)>", html)


def test_every_figure_has_a_heading_a_reading_and_a_text_for_the_blind(written, html):
    for name in written.figures:
        look = FIGURE_SPECS[name]
        section = html.split(f'<section id="{name}">')[1].split("</section>")[0]
        assert f"<h2>{look.title}</h2>" in section
        assert look.meaning in unescape(section)
        alt = re.search(r'alt="([^"]+)"', section).group(1)
        assert alt.startswith(look.title)
        assert len(alt) > len(look.title) + 10


def test_the_page_has_a_row_for_each_layer_and_the_totals(html, model):
    table = html.split("<table>")[1].split("</table>")[0]
    for layer in ("patch_encoder", "block_00", "block_01", "head"):
        assert f'<th scope="row">{layer}</th>' in table
    assert f">{model.count_params():,}</td>" in table.split("<tfoot>")[1]


@pytest.mark.slow
def test_the_page_opens_in_a_browser_without_a_request(written):
    playwright = pytest.importorskip("playwright.sync_api")
    path = executable()
    asked, said = [], []
    with playwright.sync_playwright() as running:
        browser = running.chromium.launch(executable_path=path, args=FLAGS)
        page = browser.new_page(viewport={"width": 390, "height": 800})
        page.on("request", lambda request: asked.append(request.url))
        page.on("console", lambda message: said.append(message.text))
        address = (written.folder / "report.html").as_uri()
        page.goto(address)
        images = "[...document.images].map((one) => one.naturalWidth)"
        widths = page.evaluate(f"Promise.resolve({images})")
        fits = page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert [url for url in asked if not url.startswith("data:")] == [address]
    assert said == []
    assert len(widths) == len(written.figures)
    assert min(widths) > 100
    assert fits


def test_choices_of_the_rollout_are_taken_and_described(model, tmp_path):
    choices = {"fusion": "max", "discard": 0.25, "residual": False}
    left = report(model, IMAGES, tmp_path, "rollout", **choices)
    with np.load(tmp_path / "rollout.npz") as numbers:
        expected = attention_rollout(model, IMAGES, **choices)
        np.testing.assert_allclose(numbers["shares"], expected, rtol=1e-5)
    text = left.figures["rollout"]
    assert "by their max. The smallest 25 % are discarded. Without resi" in text


def test_the_same_inspection_gives_the_same_files(model, tmp_path):
    files = []
    for folder in (tmp_path / "a", tmp_path / "b"):
        report(model, IMAGES, folder, ["distance", "filters"])
        files.append({path.name: path.read_bytes() for path in folder.iterdir()})
    assert files[0] == files[1]


@pytest.mark.parametrize(
    ("build", "absent"),
    [
        (
            lambda: keras_vit.ViT(
                image_size=(16, 24),
                patch_size=8,
                num_layers=1,
                num_heads=2,
                hidden_dim=16,
                mlp_dim=32,
                num_classes=None,
                pooling="gap",
                position_embedding="none",
            ),
            {"grad_cam": "no head", "positions": "no position embedding"},
        ),
        (
            resnet,
            {name: "no attention" for name in FIGURE_SPECS if name != "filters"},
        ),
    ],
    ids=["a ViT without head and positions", "a ResNet"],
)
def test_what_a_model_does_not_have_is_skipped_with_a_reason(build, absent, tmp_path):
    model = build()
    what = ["filters", *absent]
    left = report(model, IMAGES, tmp_path, what)
    assert list(left.figures) == ["filters"]
    assert set(left.skipped) == set(absent)
    html = (tmp_path / "report.html").read_text()
    for name, why in absent.items():
        assert why in left.skipped[name]
        assert f"{FIGURE_SPECS[name].title}: {left.skipped[name]}." in html
    numbers = json.loads((tmp_path / "inspection.json").read_text())
    assert numbers["skipped"] == left.skipped
    assert numbers["summary"]["parameters"] == model.count_params()


@pytest.mark.parametrize(
    ("images", "options", "message"),
    [
        (IMAGES, {"what": "rollouts"}, "Expected all, or some of rollout, .*rollouts"),
        (IMAGES, {"what": []}, "Received: nothing"),
        (IMAGES[..., :2], {}, r"\(B, H, W, 3\), .* Received: shape \(5, 16, 24, 2\)"),
        (IMAGES[:0], {}, "at least one image"),
        (IMAGES, {"class_names": ["a"]}, "Expected 5 class names"),
        (IMAGES, {"pictures": 0}, "pictures must be at least 1"),
        (IMAGES, {"image_names": ["a"]}, "a name for each of 5 images"),
        (IMAGES, {"what": ["all", "x"]}, "Received: x"),
        (IMAGES, {"other": lambda: tiny_vit(image_size=16)}, "images of one size"),
        (IMAGES, {"other": resnet}, "a Vision Transformer"),
    ],
)
def test_what_does_not_fit_is_refused_before_any_work(
    images, options, message, model, tmp_path
):
    if "other" in options:
        options = {"other": options["other"]()}
    with pytest.raises(ValueError, match=message):
        report(model, images, tmp_path / "new", **options)
    assert not (tmp_path / "new").exists()


def test_maps_of_a_class_say_the_prediction_and_its_probability(rng, monkeypatch):
    drawn = []
    monkeypatch.setattr(
        "keras_vit.figures.maps_over_pictures",
        lambda *args, **options: drawn.append(args),
    )
    model = randomize(tiny_vit(), rng)
    images = rng.uniform(0, 255, (2, 16, 24, 3)).astype("float32")
    lines = ("true: cat (a.jpg)", "b.jpg")
    classes = ("ant", "bee", "cat", "dog", "eel")
    inspection = Inspection(
        model,
        Classifier.of(model, class_names=classes),
        images,
        image_names=lines,
        pictures=2,
        other=None,
        other_name=None,
        rollout={},
    )
    GRAD_CAM.draw(GRAD_CAM.measure(inspection), inspection)
    shares = np.exp(np.array(model(images), np.float64))
    shares /= shares.sum(1, keepdims=True)
    [(_, _, _, names, *_)] = drawn
    assert list(names) == [
        f"{line}\npredicted, {100 * share.max():.1f} %: {classes[share.argmax()]}"
        for line, share in zip(lines, shares, strict=True)
    ]


def test_every_kind_of_pooling_is_described():
    assert {*READERS} == {*POOLINGS}
