"""The examples in docstrings run and give what they say."""

import doctest
import importlib
import pathlib

import keras
import numpy as np
import pytest

import keras_vit

ROOT = pathlib.Path(keras_vit.__file__).parent
MODULES = [
    ".".join(path.relative_to(ROOT.parent).with_suffix("").parts)
    for path in sorted(ROOT.rglob("*.py"))
    if path.name not in ("__init__.py", "make_sample.py")
]


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_of_a_module_run(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    module = importlib.import_module(name)
    names = vars(keras_vit) | vars(module)
    names |= {"keras": keras, "keras_vit": keras_vit, "np": np, "data": keras_vit.data}
    failed, _ = doctest.testmod(module, extraglobs=names)
    assert not failed


def test_what_is_public_in_a_module_has_a_docstring():
    missing = [
        f"{name}.{key}"
        for name in MODULES
        for key, value in vars(importlib.import_module(name)).items()
        if getattr(value, "__module__", None) == name and key[0] != "_"
        if not value.__doc__
    ]
    assert not missing, "\n".join(missing)
