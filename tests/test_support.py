"""What tests share is in `support`; a test module stands alone."""

import ast
import pathlib

TESTS = pathlib.Path(__file__).parent
# Scripts that make files of `fixtures`, what tests share, and what pyright reads.
APART = {"fixtures", "support", "typing"}


def imported(path):
    """The full names of all that a file imports, at the top or inside."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (
                "." * node.level + f"{node.module}.{alias.name}" for alias in node.names
            )


def name_of(path):
    return ".".join(path.relative_to(TESTS).with_suffix("").parts)


def test_a_test_module_is_imported_by_nothing():
    modules = [
        name_of(path)
        for path in TESTS.rglob("*.py")
        if path.relative_to(TESTS).parts[0] not in APART and path.name != "__init__.py"
    ]
    assert {"conftest", "test_support", "data.test_sources"} <= {*modules}
    wrong = [
        f"{path.relative_to(TESTS)} imports {name}: move what it needs to support/"
        for path in sorted(TESTS.rglob("*.py"))
        for name in imported(path)
        if name.startswith(".") or any(f"{name}.".startswith(f"{m}.") for m in modules)
    ]
    assert not wrong, "\n".join(wrong)


def test_beside_test_modules_there_is_nothing_that_is_not_one():
    others = [
        str(path.relative_to(TESTS))
        for path in sorted(TESTS.rglob("*.py"))
        if path.relative_to(TESTS).parts[0] not in APART
        and not path.name.startswith("test_")
        and path.name not in ("__init__.py", "conftest.py")
    ]
    assert not others, f"what tests share belongs in support/: {', '.join(others)}"


def test_no_test_changes_where_modules_are_found():
    wrong = [
        str(path.relative_to(TESTS))
        for path in sorted(TESTS.rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute)
        and node.attr == "path"
        and ast.unparse(node) == "sys.path"
    ]
    assert not wrong
