"""A call of `keras-vit serve` that cannot be carried out ends in one line."""

import builtins
import socket
import sys

import pytest

from keras_vit.cli.main import main
from keras_vit.serving import Limits, serve


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "--model is missing. Expected: A SavedModel"),
        (["--model=no/where"], "No such file or folder: no/where"),
        (["--model={empty}"], "No model in"),
        (
            ["--model={pets}", "--port={taken}"],
            "Use another --port, or 0 for any free one",
        ),
        (["--model={pets}", "--port=70000"], "port"),
        (["--model={pets}", "--batch_size=0"], "batch_size"),
        (["--model={pets}", "--timeout=0"], "timeout"),
        (["--model={pets}", "--host=no.such.host.invalid"], "Cannot listen at no.such"),
        (
            ["--model={pets}", "--allow_origin=example.org"],
            "such as https://example.org",
        ),
        (["--model={broken}"], "can be loaded. version 1: "),
        (["--model={pets}", "{pets}"], "unexpected argument"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(arguments, message, pets, tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    (tmp_path / "broken" / "1" / "variables").mkdir(parents=True)
    for name in ("saved_model.pb", "variables/variables.index"):
        (tmp_path / "broken" / "1" / name).write_bytes(b"not a model")
    data = tmp_path / "broken" / "1" / "variables" / "variables.data-00000-of-00001"
    data.write_bytes(b"no weights")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        places = {
            "{pets}": pets,
            "{empty}": tmp_path / "empty",
            "{broken}": tmp_path / "broken",
            "{taken}": taken.getsockname()[1],
        }
        for name, place in places.items():
            arguments = [one.replace(name, str(place)) for one in arguments]
        assert main(["serve", *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert message in err
    assert err.splitlines()[-1].startswith("keras-vit serve: ")


def test_packages_that_are_not_installed_are_named_with_how_to_get_them(monkeypatch):
    real = builtins.__import__

    def without(name, *arguments, **more):
        if name.partition(".")[0] == "uvicorn":
            raise ImportError("No module named 'uvicorn'")
        return real(name, *arguments, **more)

    monkeypatch.delitem(sys.modules, "keras_vit.serving.server", raising=False)
    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ImportError, match=r"uvicorn.*pip install .*\[serve\]'"):
        serve("anything")


@pytest.mark.parametrize("name", ["body", "images", "batch", "seconds", "connections"])
def test_limits_are_above_zero(name):
    with pytest.raises(ValueError, match=f"{name} must be above 0"):
        Limits(**{name: 0})
