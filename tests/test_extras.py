"""What is missing is said with the command that installs it here."""

import json
from importlib import metadata

import pytest

from keras_vit import extras


def installed_from(monkeypatch, source):
    class Distribution:
        def read_text(self, name):
            assert name == "direct_url.json"
            return source and json.dumps(source)

    monkeypatch.setattr(metadata, "distribution", lambda _: Distribution())


@pytest.mark.parametrize(
    ("source", "package"),
    [
        ({"url": "file:///clone", "dir_info": {"editable": True}}, "."),
        ({"url": "file:///clone", "dir_info": {}}, "."),
        (
            {"url": "file:///dist/one.whl", "archive_info": {}},
            "keras-vision-transformer",
        ),
        (None, "keras-vision-transformer"),
    ],
)
def test_a_clone_installs_its_folder_and_a_wheel_its_name(monkeypatch, source, package):
    installed_from(monkeypatch, source)
    assert extras.install("export") == f"pip install '{package}[export]'"


def test_a_clone_that_was_never_installed_is_one(monkeypatch):
    def missing(name):
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "distribution", missing)
    assert extras.install("export,nncf") == "pip install '.[export,nncf]'"
