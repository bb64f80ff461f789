"""Every public name is where people look for it."""

import ast
import pathlib
import pkgutil
import subprocess
import sys

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


def test_what_a_name_of_a_package_was_called_before_it_hid_its_module_is_imported():
    """In a process of its own: the import must not put the module in its place."""
    code = (
        "import keras_vit.exporting.export, keras_vit.exporting as e\n"
        "from keras_vit.exporting.export import export\n"
        "assert callable(e.export) and export is e.export"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
