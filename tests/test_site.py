"""The documentation's site builds without a warning and is whole in a browser."""

import functools
import http.server
import os
import pathlib
import subprocess
import sys
import threading

import pytest

from support.browser import FLAGS, executable
from support.serving.process import PATIENCE

ROOT = pathlib.Path(__file__).parent.parent
PHONE = {"width": 390, "height": 844}
TOO_WIDE = "document.documentElement.scrollWidth > document.documentElement.clientWidth"

pytestmark = pytest.mark.slow


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *told):
        pass


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "-d", folder],
        cwd=ROOT,
        env=os.environ | {"NO_MKDOCS_2_WARNING": "1", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def address(built):
    handler = functools.partial(Quiet, directory=built)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


@pytest.fixture(scope="module")
def page(address):
    playwright = pytest.importorskip("playwright.sync_api")
    path = executable()
    with playwright.sync_playwright() as running:
        browser = running.chromium.launch(executable_path=path, args=FLAGS)
        page = browser.new_page(viewport=PHONE)
        page.set_default_timeout(1000 * PATIENCE)
        page.asked, page.said = [], []
        page.on("request", lambda request: page.asked.append(request.url))
        page.on("response", lambda one: one.status < 400 or page.said.append(one.url))
        page.on("console", lambda message: page.said.append(message.text))
        page.on("pageerror", lambda error: page.said.append(str(error)))
        yield page


def pages(folder):
    return sorted(
        one.parent.relative_to(folder).as_posix() for one in folder.rglob("index.html")
    )


def test_every_page_opens_fits_a_phone_and_asks_no_other_host(page, built, address):
    found = pages(built)
    assert {".", "concepts", "reference/layers", "how-to/ship"} <= {*found}
    for name in found:
        page.goto(f"{address}{name}/")
        assert not page.evaluate(TOO_WIDE), name
        assert page.said == [], name
    assert all(url.startswith((address, "data:")) for url in page.asked)
    assert len(page.asked) > len(found)


def test_equations_are_set_as_mathematics(page, address):
    page.goto(f"{address}concepts/")
    numbers = page.locator(".equation .number").all_inner_texts()
    assert numbers == [f"({number})" for number in range(1, 9)]
    assert page.locator("math").count() > 80
    assert page.locator("mjx-container, .arithmatex").count() == 0


def test_every_public_name_has_its_entry(page, address):
    expected = {
        "reference/models/": ["keras_vit.ViT", "keras_vit.ViT_B16"],
        "reference/training/": ["keras_vit.train", "keras_vit.training.Run"],
        "reference/layers/": ["keras_vit.layers.Patches", "keras_vit.layers.Head"],
        "reference/inspect/": ["keras_vit.inspect.rollout", "keras_vit.inspect.report"],
        "reference/shipping/": ["keras_vit.export", "keras_vit.serving.serve"],
    }
    for name, entries in expected.items():
        page.goto(address + name)
        headings = page.locator("h2.doc-heading").all_inner_texts()
        assert {*entries} <= {one.split()[0] for one in headings}
