"""Every public name is where people look for it."""

import ast
import importlib
import pathlib
import pkgutil
import re
import subprocess
import sys

import pytest

import keras_vit

ROOT = pathlib.Path(keras_vit.__file__).parent
PACKAGES = [path.parent for path in ROOT.rglob("__init__.py")]


def defined(node):
    """The names that a statement at the top of a module gives it, and their module."""
    if isinstance(node, ast.ImportFrom):
        return {(one.asname or one.name): node.module for one in node.names}
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return {node.name: None}
    if isinstance(node, ast.Assign):
        return {one.id: None for one in node.targets if isinstance(one, ast.Name)}
    return {}


def test_no_name_hides_a_module_of_its_package():
    hidden = []
    for package in PACKAGES:
        own = ".".join(package.relative_to(ROOT.parent).parts)
        modules = {one.name for one in pkgutil.iter_modules([str(package)])}
        for node in ast.parse((package / "__init__.py").read_text()).body:
            hidden += [
                f"{own}.{name}"
                for name, module in defined(node).items()
                if name in modules and module != own
            ]
    assert hidden == []


def lazy_names_for_editors():
    """Submodules, and names by their module, that `keras_vit` imports when typed."""
    tree = ast.parse((ROOT / "__init__.py").read_text())
    [block] = [
        node
        for node in tree.body
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
    ]
    modules, functions = set(), {}
    for node in block.body:
        for one in node.names:
            assert one.asname == one.name  # else a checker takes it for private
            if node.module == "keras_vit":
                modules.add(one.name)
            else:
                functions[one.name] = node.module
    return modules, functions


def test_what_an_editor_sees_is_what_is_loaded_when_it_is_asked_for():
    modules, functions = lazy_names_for_editors()
    assert functions == keras_vit._FUNCTIONS
    assert modules | {"layers"} == keras_vit._MODULES


def test_modules_that_are_named_exist_and_one_that_does_not_is_no_attribute():
    assert {one.name for one in pkgutil.iter_modules([str(ROOT)])} >= keras_vit._MODULES
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        keras_vit.nothing  # noqa: B018
    assert not hasattr(keras_vit, "_nothing")


def test_every_name_of_the_package_is_listed():
    assert sorted(keras_vit.__all__) == keras_vit.__all__
    assert len({*keras_vit.__all__}) == len(keras_vit.__all__)
    assert {*keras_vit._FUNCTIONS, *keras_vit.factories.FACTORIES, "VARIANTS"} <= {
        *keras_vit.__all__
    }


REFERENCE = ROOT.parent / "docs" / "reference"
IN_ONE_PROCESS = """
import sys, keras_vit
wrong = []
for name in sys.argv[1:]:
    one = keras_vit
    try:
        for part in name.split(".")[1:]:
            one = getattr(one, part)
    except AttributeError as error:
        wrong.append(f"{name}: {error}")
print("\\n".join(wrong))
"""


def names_of_the_reference():
    """All names with dots that pages of the reference mention or are made of."""
    names = {f"keras_vit.{name}" for name in keras_vit.__all__}
    for page in sorted(REFERENCE.glob("*.md")):
        names |= {*re.findall(r"\bkeras_vit(?:\.\w+)+", page.read_text())}
    return names


@pytest.mark.slow
def test_every_name_of_the_reference_exists_in_a_fresh_process():
    """Nothing but `import keras_vit` was said; modules come first."""
    names = sorted(names_of_the_reference(), key=lambda name: (name.count("."), name))
    assert len(names) > 60
    told = subprocess.run(
        [sys.executable, "-c", IN_ONE_PROCESS, *names],
        capture_output=True,
        text=True,
        check=True,
    )
    assert told.stdout.strip() == ""


@pytest.mark.slow
def test_each_lazy_module_is_reached_before_anything_else_was_called():
    """Each is forgotten again, as far as the package's own names go."""
    code = (
        "import sys, keras_vit\n"
        "for name in sys.argv[1:]:\n"
        "    vars(keras_vit).pop(name, None)\n"
        "    assert getattr(keras_vit, name).__name__ == f'keras_vit.{name}'\n"
    )
    found = [one.name for one in pkgutil.iter_modules([str(ROOT)])]
    names = [one for one in found if one != "__main__"]  # for `python -m`
    subprocess.run([sys.executable, "-c", code, *names], check=True)


@pytest.mark.parametrize(
    ("module", "name", "new"),
    [
        ("keras_vit.model_files", "Classifier", "keras_vit.classifier"),
        ("keras_vit.weights.releases", "Release", "keras_vit.releases"),
    ],
)
def test_a_public_name_that_moved_is_found_with_a_warning(module, name, new):
    old = importlib.import_module(module)
    with pytest.warns(DeprecationWarning, match=f"{name} is keras_vit"):
        found = getattr(old, name)
    assert found is getattr(importlib.import_module(new), name)


def test_the_old_way_to_load_a_classifier_goes_on_with_a_warning():
    model_files = importlib.import_module("keras_vit.model_files")
    with pytest.warns(DeprecationWarning, match="Classifier.of now"):
        found = model_files.load_classifier
    assert found == keras_vit.Classifier.of
