"""An editor and a type checker see the package: pyright's strict mode has nothing."""

import json
import os
import pathlib
import re
import shutil
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parent.parent
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.S | re.M)
# Values of Keras and TensorFlow, which have few annotations and bases of classes that
# no checker knows: even an attribute that is declared as a `keras.Model` is unknown.
OF_KERAS = {
    f"reportUnknown{kind}Type": False for kind in ("Member", "Argument", "Variable")
}

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def pyright():
    """pyright's command; skipped where it is not installed, but not where CI runs."""
    beside = str(pathlib.Path(sys.executable).parent)
    command = shutil.which("pyright", path=beside) or shutil.which("pyright")
    if command is None:
        assert not os.environ.get("CI"), "pyright is part of the extra `test`"
        pytest.skip("pyright is not installed: pip install pyright")
    return command


def complaints(pyright, folder, mode, **rules):
    """What pyright says of a folder's files, one text each."""
    settings = {
        "extraPaths": [str(ROOT)],
        "typeCheckingMode": mode,
        "pythonVersion": "3.11",
        "reportMissingTypeStubs": False,  # Keras and TensorFlow have none
        **rules,
    }
    path = folder / "pyrightconfig.json"
    path.write_text(json.dumps(settings))
    told = subprocess.run(
        [pyright, "--pythonpath", sys.executable, "--outputjson", "-p", str(path)],
        capture_output=True,
        text=True,
        check=False,
    )
    report = json.loads(told.stdout)
    assert report["summary"]["filesAnalyzed"] == len([*folder.glob("*.py")])
    return [
        f"{pathlib.Path(one['file']).name}:{one['range']['start']['line'] + 1}: "
        f"{one['message']}"
        for one in report["generalDiagnostics"]
        if one["severity"] == "error"
    ]


def test_every_public_name_is_clean_in_strict_mode(pyright, tmp_path):
    shutil.copy(ROOT / "tests" / "typing" / "every_public_name.py", tmp_path)
    assert complaints(pyright, tmp_path, "strict", **OF_KERAS) == []


def test_the_readme_and_the_examples_are_clean_in_strict_mode(pyright, tmp_path):
    blocks = BLOCK.findall((ROOT / "README.md").read_text())
    assert blocks
    for number, block in enumerate(blocks):
        (tmp_path / f"block_{number}.py").write_text(block)
    for path in (ROOT / "examples").glob("*.py"):
        shutil.copy(path, tmp_path)
    assert complaints(pyright, tmp_path, "strict", **OF_KERAS) == []


def test_a_checker_finds_keywords_that_are_not_taken(pyright, tmp_path):
    (tmp_path / "wrong.py").write_text(
        "import keras_vit\n"
        "keras_vit.ViT_B16(include_top=False)\n"
        "keras_vit.ViT_B16(10, 224)\n"
        "keras_vit.ViT_B16(pooling='avg')\n"
    )
    told = complaints(pyright, tmp_path, "standard")
    assert [one.split(":")[1] for one in told] == ["2", "3", "4"]
    assert "include_top" in told[0]
