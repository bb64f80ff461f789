"""Whose pages may ask, and what every answer carries."""

import shutil

import pytest

from keras_vit.serving.middleware import checked
from support.serving.local import PREDICT, Local, error_in


@pytest.fixture(scope="module")
def open_to_one(pets):
    with Local(pets, origins=checked(["https://Friend.example/"])) as server:
        yield server


@pytest.fixture(scope="module")
def public(pets):
    with Local(pets, host="0.0.0.0") as server:
        yield server


@pytest.mark.parametrize(
    "host", ["127.0.0.1:8501", "localhost:8501", "LOCALHOST", "[::1]:8501", "127.0.0.1"]
)
def test_this_machine_is_answered_by_all_its_names(local, host):
    assert local.ask("GET", "/healthz", headers={"host": host}).status_code == 200
    same = {"host": host, "origin": f"http://{host}"}
    assert local.ask("GET", "/healthz", headers=same).status_code == 200


@pytest.mark.parametrize(
    "host", ["evil.example:8501", "evil.example", "127.0.0.1.evil.example", "[::2]"]
)
def test_another_name_for_this_machine_is_refused(local, host):
    told = local.ask(
        "POST", PREDICT, headers={"host": host, "origin": f"http://{host}"}
    )
    assert "Expected a request to 127.0.0.1 or localhost" in error_in(told, 400)


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example",
        "null",
        "http://127.0.0.1:9999",
        "http://localhost:8501",
        "http://127.0.0.1",
        "https://friend.example.evil.example",
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS"])
def test_another_page_is_refused(open_to_one, method, origin):
    told = open_to_one.ask(method, PREDICT, headers={"origin": origin})
    assert "Expected a request of this server's own page" in error_in(told, 403)
    assert "access-control-allow-origin" not in told.headers


def test_a_page_that_is_allowed_is_answered_and_may_read_the_answer(open_to_one):
    origin = {"origin": "https://friend.example"}
    told = open_to_one.ask("GET", "/healthz", headers=origin)
    assert told.status_code == 200
    assert told.headers["access-control-allow-origin"] == "https://friend.example"
    assert told.headers["vary"] == "Origin"
    asked = origin | {"access-control-request-method": "POST"}
    before = open_to_one.ask("OPTIONS", PREDICT, headers=asked)
    assert before.status_code == 200
    assert "Content-Type" in before.headers["access-control-allow-headers"]
    assert "POST" in before.headers["access-control-allow-methods"]
    behind = {"host": "friend.example"}  # of a proxy there
    assert open_to_one.ask("GET", "/healthz", headers=behind).status_code == 200


def test_a_method_that_no_page_needs_is_refused_to_it(open_to_one):
    asked = {"origin": "https://friend.example", "access-control-request-method": "PUT"}
    told = open_to_one.ask("OPTIONS", PREDICT, headers=asked)
    assert "Disallowed CORS method" in error_in(told, 400)


@pytest.mark.parametrize("origin", ["*", "https://*", "https://*.example", "friend"])
def test_what_is_no_origin_is_refused_at_the_start(origin):
    with pytest.raises(ValueError, match="such as https://example.org"):
        checked([origin])


def test_a_public_server_answers_by_any_name_but_its_own_page_alone(public):
    there = {"host": "vit.example:8501"}
    assert public.ask("GET", "/healthz", headers=there).status_code == 200
    own = there | {"origin": "http://vit.example:8501"}
    assert public.ask("GET", "/healthz", headers=own).status_code == 200
    other = there | {"origin": "http://evil.example"}
    error_in(public.ask("GET", "/healthz", headers=other), 403)


@pytest.mark.parametrize(
    "path", ["/", "/page/page.js", "/healthz", "/nowhere", PREDICT]
)
def test_every_answer_tells_browsers_to_be_careful(local, path):
    headers = local.get(path).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    policy = headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; ")
    assert "unsafe" not in policy and "http" not in policy


def test_the_page_and_its_files_are_served_with_their_types(local):
    page = local.get("/")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert 'data-model="pets"' in page.text and "{{" not in page.text
    for name, kind in (("js", "text/javascript"), ("css", "text/css")):
        assert f"page/page.{name}" in page.text
        told = local.get(f"/page/page.{name}")
        assert told.headers["content-type"] == f"{kind}; charset=utf-8"
    for name in ("x.js", "..%2Fapp.py", "%2e%2e/app.py"):
        error_in(local.get(f"/page/{name}"), 404)


def test_the_name_of_a_model_is_text_in_the_page(pets, tmp_path):
    name = '"><script>alert(1)<'
    shutil.copytree(pets, tmp_path / name)
    with Local(tmp_path / name) as local:
        assert "<script>alert" not in local.get("/").text
