"""The examples in docstrings run and give what they say."""

import doctest
import importlib.util
import pathlib

import keras
import numpy as np
import pytest

import keras_vit
from support.models import with_few_layers

ROOT = pathlib.Path(keras_vit.__file__).parent
WITHOUT_BEAM = importlib.util.find_spec("apache_beam") is None
OF_BEAM = "keras_vit.batch."
MODULES = [
    ".".join(path.relative_to(ROOT.parent).with_suffix("").parts)
    for path in sorted(ROOT.rglob("*.py"))
    if path.name not in ("__init__.py", "make_sample.py")
]

# Whose examples print something of each of the twelve layers of a ViT_Ti16.
OF_ALL_LAYERS = {
    "keras_vit.inspect.attention",
    "keras_vit.inspect.distance",
    "keras_vit.inspect.heads",
    "keras_vit.inspect.model_summary",
    "keras_vit.inspect.tokens",
    "keras_vit.training.adapters.lora",
    "keras_vit.training.optimizers.multipliers",
}


# Whose examples take seconds, each trained, exported or with several models.
LONG = {
    "keras_vit.baselines",
    "keras_vit.exporting.export_model",
    "keras_vit.inspect.attention",
    "keras_vit.inspect.distance",
    "keras_vit.inspect.heads",
    "keras_vit.layers.quantized",
}


@pytest.mark.one_in(4)
@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.slow if name in LONG else [])
        for name in MODULES
    ],
)
def test_the_examples_of_a_module_run(name, tmp_path, monkeypatch):
    if name.startswith(OF_BEAM):
        pytest.importorskip("apache_beam")
    monkeypatch.chdir(tmp_path)
    if name not in OF_ALL_LAYERS:
        with_few_layers(monkeypatch)
    module = importlib.import_module(name)
    names = vars(keras_vit) | vars(module)
    names |= {"keras": keras, "keras_vit": keras_vit, "np": np, "data": keras_vit.data}
    failed, _ = doctest.testmod(module, extraglobs=names)
    assert not failed


def test_what_is_public_in_a_module_has_a_docstring():
    missing = [
        f"{name}.{key}"
        for name in MODULES
        if not (WITHOUT_BEAM and name.startswith(OF_BEAM))
        for key, value in vars(importlib.import_module(name)).items()
        if getattr(value, "__module__", None) == name and key[0] != "_"
        if not value.__doc__
    ]
    assert not missing, "\n".join(missing)
