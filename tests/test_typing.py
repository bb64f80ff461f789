"""An editor and a type checker see the package: pyright's strict mode reports nothing.

README, the examples and `typing/every_public_name.py` are read with every rule of the
strict mode but one, `reportMissingTypeStubs`: Keras, TensorFlow and LiteRT bring no
stubs. They also annotate little, and Keras's `Model` inherits from classes of a
backend that no checker can tell, so what is read from it is unknown. Errors of
`reportUnknownMemberType` are therefore expected of exactly the names in
`UNKNOWN_MEMBERS`; where a file has one of these, what is made of its value may be
unknown, too (`reportUnknownVariableType` and `reportUnknownArgumentType`). Everywhere
else, as in README's first lines, nothing is.
"""

import collections
import importlib.util
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys

import pytest

from support.language_server import LanguageServer

ROOT = pathlib.Path(__file__).parent.parent
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.S | re.M)
# Attributes whose types Keras or TensorFlow do not declare.
UNKNOWN_MEMBERS = {
    "README": "shape",
    "convert_weights": (
        "assign get_layer input_shape kernel normal output_shape shape"
    ),
    "export_and_serve": "get_signature_runner",
    "hybrid": "EfficientNetV2B0 compile fit get_layer input output resize shape",
    "model_parallel": "list_devices set_distribution",
    "own_loss": "categorical_focal_crossentropy",
    "own_task": "__init__ add_weight argsort build",
    "same_on_many": (
        "LogicalDeviceConfiguration config list_physical_devices numpy ravel "
        "set_logical_device_configuration trainable_variables"
    ),
    "take_over": "assign input_shape load_model numpy path save shape weights",
    "tpu": "config list_physical_devices",
}
OF_UNKNOWN_VALUES = ("reportUnknownVariableType", "reportUnknownArgumentType")

pytestmark = pytest.mark.slow


def command(name):
    """Return a command of pyright's; skip without it, but fail where CI runs."""
    beside = str(pathlib.Path(sys.executable).parent)
    path = shutil.which(name, path=beside) or shutil.which(name)
    if path is None:
        assert not os.environ.get("CI"), "pyright is part of the extra `test`"
        pytest.skip("pyright is not installed: pip install 'pyright[nodejs]'")
    return path


def errors(files, *arguments, cwd=None):
    """Return pyright's errors about so many files: file, line, rule, message."""
    done = subprocess.run(
        [
            command("pyright"),
            "--pythonpath",
            sys.executable,
            "--outputjson",
            *arguments,
        ],
        capture_output=True,
        text=True,
        check=False,
        cwd=cwd,
    )
    assert done.stdout.startswith("{"), done.stdout + done.stderr
    report = json.loads(done.stdout)
    assert report["summary"]["filesAnalyzed"] == files
    return [
        (
            pathlib.Path(one["file"]).stem,
            one["range"]["start"]["line"] + 1,
            one.get("rule", ""),
            one["message"],
        )
        for one in report["generalDiagnostics"]
        if one["severity"] == "error"
    ]


def errors_of_users(folder, mode, **rules):
    """Return pyright's errors about the files of a folder that use the package."""
    settings = {"typeCheckingMode": mode, "pythonVersion": "3.11", **rules}
    settings["extraPaths"] = [str(ROOT)]
    path = folder / "pyrightconfig.json"
    path.write_text(json.dumps(settings))
    return errors(len([*folder.glob("*.py")]), "-p", str(path))


def test_readme_examples_and_every_public_name_are_clean_in_strict_mode(tmp_path):
    blocks = BLOCK.findall((ROOT / "README.md").read_text())
    assert blocks
    for number, block in enumerate(blocks):
        (tmp_path / f"README_{number}.py").write_text(block)
    for path in (ROOT / "examples").glob("*.py"):
        shutil.copy(path, tmp_path)
    shutil.copy(ROOT / "tests" / "typing" / "every_public_name.py", tmp_path)

    found = errors_of_users(tmp_path, "strict", reportMissingTypeStubs=False)
    unknown, with_unknown, others = collections.defaultdict(set), set(), []
    for file, line, rule, message in found:
        if rule == "reportUnknownMemberType":
            [name] = re.findall(r'^Type of "(\w+)" is ', message)
            unknown[re.sub(r"^README_\d+$", "README", file)].add(name)
            with_unknown.add(file)
        elif rule not in OF_UNKNOWN_VALUES:
            others.append((file, line, rule, message))
    others += [
        one
        for one in found
        if one[2] in OF_UNKNOWN_VALUES and one[0] not in with_unknown
    ]
    assert others == []
    names = {file: " ".join(sorted(found)) for file, found in unknown.items()}
    assert names == UNKNOWN_MEMBERS
    assert "README_0" not in with_unknown  # the first lines that people type


def test_the_whole_package_is_clean_in_standard_mode():
    package = ["keras_vit", "keras_vit_command.py"]
    files = 1 + len([*(ROOT / "keras_vit").rglob("*.py")])
    found = errors(files, "--pythonversion", "3.11", *package, cwd=ROOT)
    assert [one for one in found if not _of_an_extra_that_is_absent(*one)] == []


def _of_an_extra_that_is_absent(file, line, rule, message):
    """Whether an import is of an extra that the others cannot be tested beside."""
    extras = "apache_beam", "nncf"
    absent = [name for name in extras if importlib.util.find_spec(name) is None]
    return rule == "reportMissingImports" and any(
        message.startswith((f'Import "{name}"', f'Import "{name}.')) for name in absent
    )


def test_a_checker_finds_keywords_that_are_not_taken(tmp_path):
    (tmp_path / "wrong.py").write_text(
        "import keras_vit\n"
        "keras_vit.ViT_B16(include_top=False)\n"
        "keras_vit.ViT_B16(10, 224)\n"
        "keras_vit.ViT_B16(pooling='avg')\n"
    )
    found = errors_of_users(tmp_path, "standard")
    assert [line for _, line, _, _ in found] == [2, 3, 4]
    assert "include_top" in found[0][3]


def test_an_editor_completes_the_arguments_of_a_model_and_of_train(tmp_path):
    settings = {"extraPaths": [str(ROOT)], "pythonVersion": "3.11"}
    (tmp_path / "pyrightconfig.json").write_text(json.dumps(settings))
    with LanguageServer(command("pyright-langserver"), tmp_path) as server:

        def completed(line):
            text = f"import keras_vit\n\n{line}"
            reply = server.at_the_end_of(text, "completion")
            return {one["label"] for one in reply["items"]}

        def parameters(line):
            text = f"import keras_vit\n\n{line}"
            [signature] = server.at_the_end_of(text, "signatureHelp")["signatures"]
            labels = [one["label"] for one in signature["parameters"]]
            return [one.partition(":")[0] for one in labels if one != "*"]

        assert {"ViT_B16", "train", "predict", "training"} <= completed("keras_vit.")
        model = {"num_classes=", "image_size=", "weights=", "pooling=", "name="}
        assert model <= completed("keras_vit.ViT_B16(")
        assert parameters("keras_vit.ViT_B16(")[:2] == ["num_classes", "image_size"]
        run = {"recipe=", "dataset=", "weights=", "folder=", "epochs=", "base_lr="}
        assert run <= completed("keras_vit.train(")
        assert parameters("keras_vit.train(")[0] == "recipe"
        assert {"fit", "summary"} <= completed("keras_vit.ViT_B16(10).")
        assert {"evaluation", "folder"} <= completed("keras_vit.train().")
        assert {"fit", "summary"} <= completed("keras_vit.train().model.")
