"""What an architecture's name says is what timm's own builder is asked for."""

import importlib.util
import json
import pathlib

import pytest

import keras_vit.weights.sources

timm = pytest.importorskip("timm")
FOLDER = pathlib.Path(keras_vit.weights.sources.__file__).parent
MAKER = pathlib.Path(__file__).parents[1] / "fixtures/peers/make_timm_architectures.py"


@pytest.fixture(scope="module")
def made():
    """What the script writes with the timm that is installed."""
    spec = importlib.util.spec_from_file_location("make_timm_architectures", MAKER)
    maker = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(maker)
    return json.loads(maker.content())


def by_name(content):
    return {
        name: (row["arguments"], heads)
        for row in content["architectures"]
        for heads, names in row["names"].items()
        for name in names
    }


def test_the_table_is_what_timms_builders_are_asked_for(made):
    kept = json.loads((FOLDER / "timm_architectures.json").read_text("utf-8"))
    assert timm.__version__ != kept["timm"] or made == kept
    found, theirs = by_name(kept), by_name(made)
    common = found.keys() & theirs.keys()
    assert len(common) > 300
    assert {n: found[n] for n in common} == {n: theirs[n] for n in common}
