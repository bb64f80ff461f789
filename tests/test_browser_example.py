"""`examples/browser/` in headless Chromium: its answers are those of Keras."""

import contextlib
import io
import itertools
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import urllib.request
import zipfile

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

import keras_vit
from keras_vit import layers
from keras_vit.classifier import Classifier
from keras_vit.data.preprocessing import preprocess
from keras_vit.exporting import litert
from keras_vit.meaning import set_meaning
from keras_vit.preprocessing import PRESETS, Preprocessing
from support.models import randomize, tiny_vit
from support.often import often

EXAMPLE = pathlib.Path(__file__).parent.parent / "examples" / "browser"
FLAGS = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-sync"),
    *("--no-first-run", "--disable-background-networking"),
    "--disable-component-update",
]
NAMES = ("T-shirt/top", "ankle boot", "ç", "<b>bold</b>", "last")
MODELS = {
    "pure": {},
    "hybrid": {
        "stem": layers.ResNetStem((1,), 0.5, name="stem"),
        "patch_size": 1,
        "image_size": (32, 48),
    },
}
# Keeps what the page gives to the model, and what it gets, for a look at it.
SPY = """() => {
  const classify = window.classify;
  window.classify = async (pixels) => {
    const answer = await classify(pixels);
    window.seen = { pixels: Array.from(pixels), ...answer };
    return answer;
  };
}"""
DROP = """({ name, type, bytes }) => {
  const dropped = new DataTransfer();
  if (name) dropped.items.add(new File([new Uint8Array(bytes)], name, { type }));
  else dropped.setData("text/plain", "words");
  const event = new DragEvent("drop", { dataTransfer: dropped, bubbles: true });
  document.getElementById("drop").dispatchEvent(event);
}"""
PREPROCESS = """async ([rgba, width, height, size, ways]) => {
  const { preprocess } = await import("./preprocessing.js");
  const image = new ImageData(new Uint8ClampedArray(rgba), width, height);
  return ways.map((how) => Array.from(preprocess(image, size, how)));
}"""
ASSOCIATED = """async (bytes) => {
  const { associatedFiles } = await import("./associated_files.js");
  return associatedFiles(new Uint8Array(bytes));
}"""


def missing(what):
    """A skip, but not where everything is said to be there."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"CI=true, and there is no {what}")
    pytest.skip(f"there is no {what}")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A copy of the example with LiteRT.js, as README has it installed."""
    copy = tmp_path_factory.mktemp("example") / "browser"
    shutil.copytree(EXAMPLE, copy, ignore=shutil.ignore_patterns("node_modules"))
    if shutil.which("npm") is None:
        missing("npm")
    npm = subprocess.run(
        ["npm", "ci"], cwd=copy, capture_output=True, text=True, timeout=600
    )
    if npm.returncode:
        missing(f"LiteRT.js: {npm.stderr[-500:]}")
    return copy


@pytest.fixture(scope="module")
def address(folder):
    """Of the example, served by its own server."""
    with served(folder, "0") as address:
        yield address


@contextlib.contextmanager
def served(folder, *arguments):
    server = subprocess.Popen(
        [sys.executable, str(folder / "serve.py"), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    with server:
        yield server.stdout.readline().strip()
        server.terminate()


@pytest.fixture(scope="module")
def browser():
    sync_api = pytest.importorskip("playwright.sync_api")
    names = ("chromium", "chromium-browser", "google-chrome")
    path = next(filter(None, map(shutil.which, names)), None)
    with sync_api.sync_playwright() as playwright:
        try:
            chromium = playwright.chromium.launch(executable_path=path, args=FLAGS)
        except sync_api.Error as error:
            missing(f"Chromium: {error}")
        context = chromium.new_context()  # whose pages share what was compiled
        context.set_default_timeout(300_000)
        yield context
        chromium.close()


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """The Keras models and their .tflite files."""
    rng, folder = np.random.default_rng(0), tmp_path_factory.mktemp("models")
    made = {}
    for name, arguments in MODELS.items():
        model = randomize(tiny_vit(**arguments), rng)
        path = folder / f"{name}.tflite"
        if name == "hybrid":
            set_meaning(model, preprocessing=PRESETS["huggingface"])
        classifier = Classifier.of(model, class_names=NAMES)
        litert.write(classifier, path)  # export's check of it takes seconds
        made[name] = (model, path)
    return made


@pytest.fixture
def opened(browser, address):
    """Opens the page with a .tflite file, or without one, and waits."""
    with contextlib.ExitStack() as pages:

        def open_page(tflite=None):
            page = pages.enter_context(contextlib.closing(browser.new_page()))
            page.asked = []
            page.on("request", lambda request: page.asked.append(request.url))
            if tflite is not None:
                page.route("**/model.tflite", lambda route: route.fulfill(path=tflite))
            page.goto(address)
            page.wait_for_function(
                "!/server|loading/.test(document.getElementById('status').textContent)"
            )
            return page

        yield open_page


@pytest.fixture(scope="module")
def picture():
    """Makes the bytes of an image file of smooth noise."""
    rng = np.random.default_rng(1)

    def make(width, height, format="PNG", **options):
        coarse = rng.integers(0, 256, (5, 7, 3), dtype=np.uint8)
        image = Image.fromarray(coarse).resize(
            (width, height), Image.Resampling.BICUBIC
        )
        file = io.BytesIO()
        image.save(file, format, **options)
        return file.getvalue()

    return make


def choose(page, name, data, type="image/png"):
    page.set_input_files("#file", {"name": name, "mimeType": type, "buffer": data})


def answered(page, name):
    """Waits for the answer on a file; gives the names and the shares shown."""
    page.wait_for_function(
        "name => document.getElementById('status').textContent.startsWith(name + ': ')",
        arg=name,
    )
    assert "ms on the CPU" in page.text_content("#status"), page.text_content("#status")
    labels = page.locator("#answers .label").all_text_contents()
    shares = page.locator("#answers .share").all_text_contents()
    return labels, [float(share.removesuffix(" %")) / 100 for share in shares]


def relative(received, expected):
    return np.abs(received - expected).max() / max(1, np.abs(expected).max())


@pytest.mark.slow
@pytest.mark.parametrize("name", often(MODELS, [*MODELS][:1]))
def test_the_logits_are_those_of_keras_on_the_same_pixels(
    name, models, opened, picture
):
    model, tflite = models[name]
    height, width = model.input_shape[1:3]
    data = picture(width, height)
    pixels = np.asarray(Image.open(io.BytesIO(data)))[np.newaxis].astype("float32")
    expected = model.predict_on_batch(pixels)[0]

    page = opened(tflite)
    page.evaluate(SPY)
    choose(page, "exact.png", data)
    labels, shares = answered(page, "exact.png")
    seen = page.evaluate("window.seen")
    np.testing.assert_array_equal(seen["pixels"], pixels.ravel())
    assert relative(np.array(seen["logits"]), expected) < 1e-4
    order = np.argsort(-expected)
    assert labels == [NAMES[index] for index in order]
    probabilities = np.exp(expected - expected.max())
    probabilities /= probabilities.sum()
    np.testing.assert_allclose(shares, probabilities[order], atol=6e-4)


@pytest.mark.slow
def test_a_photograph_that_is_dropped_gets_the_class_that_keras_gives(
    models, opened, picture, tmp_path
):
    model, tflite = models["hybrid"]  # resized as Pillow does
    data = picture(151, 97, "JPEG", quality=90)
    (tmp_path / "photo.jpg").write_bytes(data)
    [expected] = keras_vit.predict(model, tmp_path / "photo.jpg", class_names=NAMES)

    page = opened(tflite)
    page.evaluate(
        DROP, {"name": "photo.jpg", "type": "image/jpeg", "bytes": list(data)}
    )
    labels, shares = answered(page, "photo.jpg")
    top = expected.top(len(labels))
    assert labels == [label for label, _ in top]
    np.testing.assert_allclose(shares, [share for _, share in top], atol=0.01)


@pytest.mark.slow
def test_a_picture_stands_upright_as_its_camera_noted(models, opened, picture):
    _, tflite = models["pure"]
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned to the right by a quarter
    data = picture(16, 24, "JPEG", quality=100, subsampling=0, exif=exif)
    stored = np.asarray(Image.open(io.BytesIO(data)))

    page = opened(tflite)
    page.evaluate(SPY)
    choose(page, "turned.jpg", data, "image/jpeg")
    answered(page, "turned.jpg")
    seen = np.reshape(page.evaluate("window.seen.pixels"), (16, 24, 3))
    np.testing.assert_allclose(seen, np.rot90(stored, -1), atol=2)


@pytest.mark.slow
def test_pixels_are_the_numbers_in_the_file_and_white_where_it_is_transparent(
    models, opened, picture
):
    """Whatever gamma a file wants to be shown with."""
    page = opened(models["pure"][1])
    page.evaluate(SPY)
    image = Image.open(io.BytesIO(picture(24, 16))).convert("RGBA")
    image.paste((10, 20, 30, 0), (0, 0, 12, 16))
    expected = np.array(image.convert("RGB"))
    expected[:, :12] = 255
    linear = PngImagePlugin.PngInfo()
    linear.add(b"gAMA", (100_000).to_bytes(4, "big"))
    file = io.BytesIO()
    image.save(file, "PNG", pnginfo=linear)
    choose(page, "linear.png", file.getvalue())
    answered(page, "linear.png")
    seen = page.evaluate("window.seen.pixels")
    np.testing.assert_array_equal(np.reshape(seen, (16, 24, 3)), expected)


@pytest.mark.slow
def test_pictures_are_resized_as_in_evaluation(models, opened):
    """Every preset, for pictures that shrink, that grow, and that are far too long."""
    rng = np.random.default_rng(2)
    page = opened(models["pure"][1])
    ways = list(PRESETS.values())
    ways += [
        Preprocessing("squash", method, antialias, 0.9, levels)
        for method in ("bilinear", "bicubic", "area")
        for antialias, levels in (
            (False, "float"),
            (True, "truncate"),
            (False, "round"),
        )
    ]
    shapes = ((61, 37), (29, 100), (9, 7), (16, 24), (2, 130))
    for (height, width), size in itertools.product(shapes, ((16, 24), (20, 20))):
        image = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
        opaque = np.full((height, width, 1), 255, np.uint8)
        rgba = np.concatenate([image, opaque], axis=-1).ravel().tolist()
        given = [rgba, width, height, list(size), [vars(how) for how in ways]]
        for how, received in zip(ways, page.evaluate(PREPROCESS, given), strict=True):
            expected = np.ravel(preprocess(image, size, how)).astype("float64")
            difference = np.abs(received - expected)
            # TensorFlow has bicubic weights in a table of 1,024, and its float32 may
            # lie on the other side of where a level begins: often where numbers are
            # whole, of which truncation makes one less.
            assert difference.max() <= 1, (how, image.shape, size)
            if how.levels != "truncate":
                assert difference.mean() < 0.1, (how, image.shape, size)


@pytest.mark.slow
def test_no_other_host_is_asked_for_anything(models, opened, picture, address):
    page = opened(models["pure"][1])
    choose(page, "one.png", picture(40, 30))
    answered(page, "one.png")
    own = (address, f"blob:{address}", "data:")
    assert len(page.asked) > 5
    assert [url for url in page.asked if not url.startswith(own)] == []


@pytest.mark.slow
def test_what_is_no_picture_is_told_and_the_next_picture_is_classified(
    models, opened, picture
):
    page = opened(models["pure"][1])
    page.evaluate(DROP, {"name": "notes.txt", "type": "text/plain", "bytes": [72, 105]})
    page.wait_for_selector("#status.wrong")
    told = "notes.txt: this is no picture that the browser can read."
    assert page.text_content("#status") == told
    assert page.locator("#result").is_hidden()

    page.evaluate(DROP, {"name": None})
    assert "That was no file." in page.text_content("#status")

    broken = picture(40, 30)[:60]
    choose(page, "cut.png", broken)
    page.wait_for_function(
        "document.getElementById('status').textContent.startsWith('cut.png')"
    )
    choose(page, "whole.png", picture(40, 30))
    assert len(answered(page, "whole.png")[0]) == 5
    assert page.locator("#status.wrong").count() == 0


@pytest.mark.slow
def test_a_page_without_a_model_says_how_to_write_one(opened, models, tmp_path):
    page = opened()
    told = page.text_content("#status")
    assert told.startswith("There is no model.tflite beside this page.")
    assert "keras-vit export --model=MODEL --format=tflite" in told
    assert page.locator("#file").is_disabled()

    tflite = models["pure"][1]
    with zipfile.ZipFile(tflite) as archive:
        start = archive.infolist()[0].header_offset
    (tmp_path / "bare.tflite").write_bytes(tflite.read_bytes()[:start])
    told = opened(tmp_path / "bare.tflite").text_content("#status")
    assert told.startswith("model.tflite does not say how to resize pictures.")

    (tmp_path / "text.tflite").write_text("version 1")
    told = opened(tmp_path / "text.tflite").text_content("#status")
    assert told.startswith("model.tflite is not a .tflite file.")


@pytest.mark.slow
def test_a_page_without_litert_says_how_to_get_it(opened, browser, address):
    page = browser.new_page()
    page.route("**/node_modules/**", lambda route: route.fulfill(status=404))
    page.goto(address)
    page.wait_for_selector("#status.wrong")
    told = page.text_content("#status")
    page.close()
    assert told.startswith("LiteRT.js is not here") and told.endswith("npm ci")


@pytest.mark.slow
def test_a_model_of_uint8_pixels_without_names_gives_the_same_logits(
    models, opened, picture, tmp_path
):
    model, _ = models["pure"]
    path = tmp_path / "small.tflite"
    litert.write(Classifier.of(model), path, pixels="uint8")
    page = opened(path)
    page.evaluate(SPY)
    data = picture(24, 16)
    choose(page, "exact.png", data)
    labels, _ = answered(page, "exact.png")
    pixels = np.asarray(Image.open(io.BytesIO(data)))[np.newaxis].astype("float32")
    expected = model.predict_on_batch(pixels)[0]
    received = np.array(page.evaluate("window.seen.logits"))
    assert relative(received, expected) < 1e-4
    assert labels == [f"class {index}" for index in np.argsort(-expected)]


@pytest.mark.slow
@pytest.mark.parametrize("scheme", often(["float16", "dynamic"], ["dynamic"]))
def test_a_quantised_model_gives_what_litert_gives_outside_a_browser(
    scheme, models, opened, picture, tmp_path
):
    interpreter = pytest.importorskip("ai_edge_litert.interpreter")
    path = tmp_path / "small.tflite"
    classifier = Classifier.of(models["pure"][0], class_names=NAMES)
    litert.write(classifier, path, quantize=scheme)
    data = picture(24, 16)
    pixels = np.asarray(Image.open(io.BytesIO(data)))[np.newaxis].astype("float32")
    outside = interpreter.Interpreter(str(path)).get_signature_runner()
    expected = outside(images=pixels)["logits"][0]

    page = opened(path)
    page.evaluate(SPY)
    choose(page, "exact.png", data)
    answered(page, "exact.png")
    received = np.array(page.evaluate("window.seen.logits"))
    assert relative(received, expected) < 0.02


@pytest.mark.slow
def test_associated_files_are_found_wherever_their_offsets_count_from(
    models, opened, tmp_path
):
    page = opened(models["pure"][1])
    texts = {"labels.txt": "ç\nd e\n", "näme.json": "{}"}
    appended, alone = tmp_path / "appended", tmp_path / "alone"
    appended.write_bytes(bytes(1000))
    for path in (appended, alone):
        with zipfile.ZipFile(path, "a") as archive:
            for name, text in texts.items():
                archive.writestr(name, text)
            archive.comment = b"a comment"
    after = bytes(777) + alone.read_bytes()
    for data in (appended.read_bytes(), after):
        assert page.evaluate(ASSOCIATED, list(data)) == texts
    assert page.evaluate(ASSOCIATED, list(bytes(500))) == {}
    with zipfile.ZipFile(alone, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("labels.txt", "a\n" * 50)
    with pytest.raises(Exception, match="labels.txt in its archive is compressed"):
        page.evaluate(ASSOCIATED, list(alone.read_bytes()))


def test_the_server_listens_at_the_port_that_it_is_given():
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    for words in (["--port", str(port)], [f"--port={port}"], [str(port)]):
        with served(EXAMPLE, *words) as address:
            assert address == f"http://127.0.0.1:{port}/"
            with urllib.request.urlopen(address) as page:
                assert page.headers["Cross-Origin-Opener-Policy"] == "same-origin"


def test_the_lock_names_no_registry():
    assert "://" not in (EXAMPLE / "package-lock.json").read_text()
