"""The page, used in a browser as people use it."""

import base64
import io
import re

import numpy as np
import pytest
from PIL import Image

from support.browser import FLAGS, executable
from support.serving import stand_in
from support.serving.process import PATIENCE, Process

pytestmark = pytest.mark.slow

RED = (250, 10, 20)
SIZE = (60, 40)  # of pictures, of which the model sees the square in the middle


@pytest.fixture(scope="module")
def browser():
    playwright = pytest.importorskip("playwright.sync_api")
    path = executable()
    with playwright.sync_playwright() as running:
        yield running.chromium.launch(executable_path=path, args=FLAGS)


@pytest.fixture(scope="module")
def servers(pets, second):
    """One with attention, and one without."""
    both = Process(pets, "--max_body_mb=1"), Process(second)
    with both[0], both[1]:
        yield both


@pytest.fixture
def page(browser, servers):
    with browser.new_context(service_workers="block") as context:
        context.set_default_timeout(1000 * PATIENCE)
        page = context.new_page()
        page.asked, page.said = [], []
        page.on("request", lambda request: page.asked.append(request.url))
        page.on("console", lambda message: page.said.append(message.text))
        page.on("pageerror", lambda error: page.said.append(str(error)))
        page.on("filechooser", lambda chooser: None)  # heard from the beginning on
        page.goto(servers[0].url)
        yield page


def picture(colour=RED, size=SIZE):
    return {
        "name": "red.png",
        "mimeType": "image/png",
        "buffer": stand_in.png(colour, size),
    }


def choose(page, file):
    with page.expect_file_chooser() as chooser:
        page.get_by_text("Choose a picture").click()
    chooser.value.set_files(file)


TRANSFER = """([name, type, data]) => {
  const bytes = Uint8Array.from(atob(data), (one) => one.charCodeAt(0));
  const transfer = new DataTransfer();
  transfer.items.add(new File([bytes], name, {type}));
  return transfer;
}"""


def transfer(page, file):
    data = base64.b64encode(file["buffer"]).decode()
    return page.evaluate_handle(TRANSFER, [file["name"], file["mimeType"], data])


def drop(page, file):
    dropped = {"dataTransfer": transfer(page, file)}
    for event in ("dragenter", "dragover", "drop"):
        page.dispatch_event("h1", event, dropped)


def paste(page, file):
    page.evaluate(
        """(clipboardData) => document.dispatchEvent(
             new ClipboardEvent("paste", {clipboardData, bubbles: true}))""",
        transfer(page, file),
    )


def choose_by_keys(page, file):
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "file"
    with page.expect_file_chooser() as chooser:
        page.keyboard.press("Space")
    chooser.value.set_files(file)


def shown(page):
    """The classes and shares in the list, once there are any."""
    page.get_by_role("listitem").first.wait_for()
    return [one.split("\n") for one in page.get_by_role("listitem").all_inner_texts()]


def expected(colour):
    shares = stand_in.probabilities_of(stand_in.logits_of(colour))
    best = np.argsort(-shares)[: stand_in.TOP]
    return [[stand_in.CLASSES[n], f"{100 * shares[n]:.1f} %"] for n in best]


@pytest.mark.one_in(4)
@pytest.mark.parametrize("give", [choose, drop, paste, choose_by_keys])
def test_a_picture_is_classified_however_it_is_given(page, give):
    give(page, picture())
    assert shown(page) == expected(RED)
    assert re.fullmatch(
        r"Answered in \d+ ms\.", page.get_by_role("status").inner_text()
    )
    bars = page.locator(".bar").evaluate_all(
        "bars => bars.map(bar => bar.offsetWidth / bar.parentElement.offsetWidth)"
    )
    shares = [float(share[:-2]) / 100 for _, share in expected(RED)]
    np.testing.assert_allclose(bars, shares, atol=0.01)
    assert page.get_by_role("img", name="The picture red.png").is_visible()


@pytest.mark.slow
def test_nothing_is_asked_of_another_host_and_nothing_is_forbidden(page, servers):
    choose(page, picture())
    shown(page)
    page.locator("#map").wait_for()
    own = [url for url in page.asked if url.startswith(servers[0].url)]
    others = [url for url in page.asked if url not in own]
    assert len(own) >= 7
    assert all(url.startswith("blob:") for url in others)
    assert page.said == []


@pytest.mark.slow
def test_the_map_lies_over_the_part_of_the_picture_that_the_model_saw(page):
    choose(page, picture())
    page.locator("#map").wait_for()
    image, drawn = (
        page.locator(f"#{one}").bounding_box() for one in ("picture", "map")
    )
    assert image["width"] / image["height"] == pytest.approx(1.5, abs=0.02)
    assert drawn["x"] - image["x"] == pytest.approx(image["width"] / 6, abs=1)
    assert drawn["y"] == pytest.approx(image["y"], abs=1)
    assert drawn["width"] == pytest.approx(image["width"] * 2 / 3, abs=1)
    assert drawn["height"] == pytest.approx(image["height"], abs=1)


@pytest.mark.slow
def test_the_map_is_bright_where_the_model_looks(page):
    pixels = np.zeros((64, 64, 3), np.uint8)
    pixels[16:32, 48:] = 255  # the patch in row 1, column 3
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    choose(page, picture() | {"buffer": stream.getvalue()})
    page.locator("#map").wait_for()
    bright = page.evaluate(
        """() => {
          const map = document.getElementById("map");
          const {data} = map.getContext("2d").getImageData(0, 0, map.width, map.height);
          return Array.from({length: 16}, (_, patch) => {
            const [y, x] = [Math.floor(patch / 4) * 16 + 8, (patch % 4) * 16 + 8];
            return data[4 * (y * map.width + x)];
          });
        }"""
    )
    assert np.argmax(bright) == 1 * 4 + 3
    assert sorted(bright)[-2] < 100 < max(bright)


@pytest.mark.slow
def test_the_map_fades_by_keys(page):
    choose(page, picture())
    slider = page.get_by_label("Attention map")
    slider.wait_for()
    opacity = "map => Number(getComputedStyle(map).opacity)"
    assert page.locator("#map").evaluate(opacity) == pytest.approx(0.6)
    slider.focus()
    page.keyboard.press("Home")
    assert page.locator("#map").evaluate(opacity) == 0


@pytest.mark.slow
def test_a_model_without_attention_shows_bars_alone(page, servers):
    page.goto(servers[1].url)
    choose(page, picture())
    assert len(shown(page)) == stand_in.TOP
    page.wait_for_load_state("networkidle")
    assert not page.get_by_label("Attention map").is_visible()
    assert not page.locator("#map").is_visible()
    assert page.said == []


@pytest.mark.slow
def test_what_is_no_picture_is_said_in_words_until_there_is_one(page):
    choose(page, picture() | {"buffer": b"no image at all"})
    alert = page.get_by_role("alert").filter(has_text=stand_in.NOT_AN_IMAGE)
    alert.wait_for()
    assert page.get_by_role("listitem").count() == 0
    assert not page.locator("#figure").is_visible()
    choose(page, picture())
    assert shown(page) == expected(RED)
    assert page.get_by_role("alert").inner_text() == ""


@pytest.mark.slow
def test_a_file_that_is_too_large_is_not_sent(page):
    before = len(page.asked)
    choose(page, picture() | {"buffer": b"\xff" * 2**20})
    alert = page.get_by_role("alert").filter(has_text="up to 0.7 MB")
    alert.wait_for()
    assert not [url for url in page.asked[before:] if "predict" in url]


@pytest.mark.slow
def test_a_server_that_is_gone_is_said_in_words(page):
    page.route("**/*:predict", lambda route: route.abort())
    choose(page, picture())
    page.get_by_role("alert").filter(has_text="does not answer").wait_for()


@pytest.mark.slow
def test_an_error_of_the_server_is_said_in_its_words(page):
    error = {"error": "512 images wait already. Ask again in a second."}
    page.route("**/*:predict", lambda route: route.fulfill(status=503, json=error))
    choose(page, picture())
    page.get_by_role("alert").filter(has_text="Ask again in a second.").wait_for()


@pytest.mark.slow
def test_the_last_picture_counts_whichever_is_answered_first(page):
    held = []

    def hold(route):
        held.append(route) if not held else route.continue_()

    page.route("**/*:predict", hold)
    drop(page, picture())
    while not held:
        page.wait_for_timeout(20)
    blue = (5, 30, 200)
    drop(page, picture(blue))
    assert shown(page) == expected(blue)
    with page.expect_response("**/*:predict"):
        held[0].continue_()
    page.wait_for_load_state("networkidle")
    assert shown(page) == expected(blue)


@pytest.mark.slow
def test_a_picture_is_shown_upright(page):
    image, stream = Image.new("RGB", (60, 40), RED), io.BytesIO()
    exif = image.getexif()
    exif[0x0112] = 6  # turned by a quarter
    image.save(stream, "JPEG", exif=exif)
    file = {"name": "a.jpg", "mimeType": "image/jpeg", "buffer": stream.getvalue()}
    choose(page, file)
    shown(page)
    box = page.locator("#picture").bounding_box()
    assert box["height"] / box["width"] == pytest.approx(1.5, abs=0.02)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("width", "scheme"),
    [
        *[(320, "light"), (1200, "dark")],
        *[
            pytest.param(*other, marks=pytest.mark.slow)
            for other in ((320, "dark"), (375, "light"), (375, "dark"), (1200, "light"))
        ],
    ],
)
def test_the_page_fits_any_width_and_both_colour_schemes(page, width, scheme):
    page.set_viewport_size({"width": width, "height": 800})
    page.emulate_media(color_scheme=scheme)
    choose(page, picture(size=(900, 600)))
    page.locator("#map").wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    colour = "one => getComputedStyle(document.body)[one].match(/\\d+/g).map(Number)"
    ground = np.mean(page.evaluate(colour, "backgroundColor"))
    text = np.mean(page.evaluate(colour, "color"))
    dark, bright = (text, ground) if scheme == "light" else (ground, text)
    assert dark < 60 and bright > 200


@pytest.mark.slow
def test_a_screen_reader_is_told_what_is_where(page):
    choose(page, picture())
    shown(page)
    told = page.locator("body").aria_snapshot()
    for line in (
        '- heading "pets" [level=1]',
        '- heading "Picture" [level=2]',
        '- heading "Likeliest classes" [level=2]',
        '- button "Choose a picture',
        "- status: ",
        f"- listitem: {' '.join(expected(RED)[0])}",
    ):
        assert line in told
