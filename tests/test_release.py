"""What is released: the wheel and the source, their metadata, what they need."""

import importlib.metadata
import os
import pathlib
import re
import subprocess
import sys
import tarfile
import zipfile

import pytest

from keras_vit import augmentation_names, dataset_names, kerascv_networks
from keras_vit.data import augmentation_layers, tfds
from keras_vit.version import VERSION

ROOT = pathlib.Path(__file__).parent.parent
BUILD = (
    "import sys; from setuptools import build_meta; "
    "print(getattr(build_meta, sys.argv[1])(sys.argv[2]))"
)
WITHOUT = ("tensorflow_datasets", "keras_cv", "sklearn", "scipy", "onnx", "wandb")
COMMAND = (
    f"import sys; sys.modules.update(dict.fromkeys({WITHOUT})); "
    "import keras_vit_command; sys.exit(keras_vit_command.main())"
)


def run(*command, cwd, **environment):
    done = subprocess.run(
        [*map(str, command)],
        cwd=cwd,
        env=os.environ | environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def built(kind, source, folder):
    """Return a wheel, or the sources, that setuptools builds of a folder."""
    folder.mkdir()
    name = run(sys.executable, "-c", BUILD, kind, folder, cwd=source).split()[-1]
    return folder / name


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """A copy of what is under version control, as builds write beside it."""
    folder = tmp_path_factory.mktemp("tree")
    names = run("git", "ls-files", "-z", cwd=ROOT).split("\0")[:-1]
    for name in names:
        if (ROOT / name).is_file() and name.split("/")[0] not in ("tests", "docs"):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes((ROOT / name).read_bytes())
    return folder


@pytest.fixture(scope="module")
def wheel(tree, tmp_path_factory):
    return built("build_wheel", tree, tmp_path_factory.mktemp("wheel") / "out")


@pytest.fixture(scope="module")
def sources(tree, tmp_path_factory):
    return built("build_sdist", tree, tmp_path_factory.mktemp("sdist") / "out")


@pytest.mark.slow
def test_the_wheel_has_every_file_of_the_package_and_is_below_8_mb(wheel):
    names = {*zipfile.ZipFile(wheel).namelist()}
    package = run("git", "ls-files", "-z", "keras_vit", cwd=ROOT).split("\0")[:-1]
    there = [one for one in package if (ROOT / one).is_file()]
    assert {*there, "keras_vit_command.py"} - names == set()
    assert wheel.stat().st_size < 8e6
    assert not [one for one in names if one.startswith(("tests", "docs", "examples"))]


@pytest.mark.slow
def test_the_sources_make_the_same_wheel(wheel, sources, tmp_path):
    with tarfile.open(sources) as archive:
        archive.extractall(tmp_path, filter="data")
    (unpacked,) = tmp_path.iterdir()
    again = built("build_wheel", unpacked, tmp_path / "again")
    first, second = ({*zipfile.ZipFile(one).namelist()} for one in (wheel, again))
    assert first == second


@pytest.mark.slow
def test_the_first_command_runs_from_the_wheel_alone(wheel, tmp_path):
    """Far from the sources, and without what only extras and evaluations need."""
    room = tmp_path / "installed"
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index"]
    run(*pip, "--target", room, wheel, cwd=tmp_path)
    command = [sys.executable, "-P", "-m", "keras_vit", "--version"]
    output = run(*command, cwd=tmp_path, PYTHONPATH=str(room))
    assert output == f"keras-vit {VERSION}\n"
    short = ("--set", "steps=2", "--set", "warmup_steps=1", "--folder=run")
    command = [sys.executable, "-P", "-c", COMMAND, "train", *short]
    output = run(*command, cwd=tmp_path, PYTHONPATH=str(room))
    assert "accuracy" in output.lower()
    assert (tmp_path / "run" / "report.html").exists()


@pytest.mark.slow
def test_the_metadata_say_what_it_is(wheel):
    archive = zipfile.ZipFile(wheel)
    (name,) = (one for one in archive.namelist() if one.endswith("/METADATA"))
    found = importlib.metadata.PathDistribution(zipfile.Path(archive, name[:-8]))
    metadata = found.metadata
    assert metadata["Version"] == VERSION
    assert metadata["License-Expression"] == "Apache-2.0"
    assert "vision transformer" in metadata["Keywords"]
    assert "Typing :: Typed" in metadata.get_all("Classifier")
    (entry,) = found.entry_points.select(name="keras-vit")
    assert entry.value == "keras_vit_command:main"


def test_the_version_is_the_same_everywhere():
    citation = (ROOT / "CITATION.cff").read_text()
    assert re.search(r"^version: (.+)$", citation, re.M)[1] == VERSION
    assert f"## {VERSION}" in (ROOT / "CHANGELOG.md").read_text()
    assert f"| version | {VERSION}:" in (ROOT / "README.md").read_text()


def test_the_constraints_allow_what_is_required():
    requirements = pytest.importorskip("packaging.requirements")
    text = (ROOT / "constraints.txt").read_text()
    pinned = dict(re.findall(r"^([\w.-]+)==(.+)$", text, re.M))
    required = re.findall(r'^\s+"([\w.\[\]-]+[<>=].*?)",', setup_text(), re.M)
    assert len(required) > 30
    for one in map(requirements.Requirement, required):
        name = re.sub(r"[-_.]+", "-", one.name).lower()
        if name in pinned:
            assert one.specifier.contains(pinned[name], prereleases=True), one


def setup_text():
    return (ROOT / "setup.py").read_text()


def test_what_few_need_is_an_extra_and_refused_with_its_name(monkeypatch):
    base = setup_text().partition("install_requires")[2].partition("]")[0]
    for name in ("tensorflow-datasets", "keras-cv", "onnx", "wandb"):
        assert name not in base
    for module in ("tensorflow_datasets", "keras_cv"):
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ImportError, match=r"\[datasets\]"):
        dataset_names.check_exists("tfds:cifar10")
    with pytest.raises(ImportError, match=r"\[datasets\]"):
        tfds.load("cifar100")
    with pytest.raises(ValueError, match=r"'fashion_mnist'\?.*\[datasets\]"):
        dataset_names.check_exists("fashon_mnist")
    with pytest.raises(ImportError, match=r"\[keras_cv\]"):
        augmentation_layers.image_changes(["keras_cv:AugMix"], (32, 32))
    with pytest.raises(ImportError, match=r"\[keras_cv\]"):
        kerascv_networks.network("ResNet18")(3)
    assert "keras_cv" in augmentation_names.needs_keras_cv()
