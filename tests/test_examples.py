"""The scripts of `examples/`, run on little input."""

import importlib.util
import pathlib

EXAMPLES = pathlib.Path(__file__).parent.parent / "examples"


def load(name):
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_classify_trains_and_names_what_it_sees(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    load("classify").main(epochs=1)
    lines = capsys.readouterr().out.splitlines()
    share = float(lines[-11].removeprefix("test accuracy ").removesuffix("%"))
    assert share > 50  # of ten classes, after one epoch
    assert any(line.startswith("trouser.png Trouser") for line in lines[-10:])
