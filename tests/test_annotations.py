"""Public functions state their types, and their docstrings what to do."""

import ast
import pathlib
import re
from collections.abc import Iterator

import keras_vit

ROOT = pathlib.Path(keras_vit.__file__).parent
# First words of a docstring that is no sentence in the imperative.
NOT_A_VERB = {
    *("a", "all", "an", "as", "by", "how", "its", "of", "on", "one", "our", "that"),
    *("the", "their", "theirs", "this", "what", "where", "whether", "which", "with"),
}
THIRD_PERSON = re.compile(r"[a-z]+[^s]s")  # "Returns", but not "Compress"


def functions(body: list[ast.stmt], in_class: bool = False) -> Iterator:
    """Yield the public functions and methods of a module, and whether in a class."""
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            if not node.name.startswith("_"):
                yield node, in_class
        elif isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            yield from functions(node.body, True)
        elif isinstance(node, ast.If | ast.Try):
            yield from functions(node.body, in_class)
            yield from functions(node.orelse, in_class)


def all_functions() -> Iterator:
    for path in sorted(ROOT.rglob("*.py")):
        for node, in_class in functions(ast.parse(path.read_text()).body):
            place = f"{path.relative_to(ROOT.parent)}:{node.lineno} {node.name}"
            yield place, node, in_class


def decorators(node: ast.FunctionDef) -> set[str]:
    return {ast.unparse(one).rpartition(".")[2] for one in node.decorator_list}


def test_every_argument_and_result_of_a_public_function_is_annotated():
    missing = []
    for place, node, in_class in all_functions():
        every = [*node.args.posonlyargs, *node.args.args]
        if in_class and "staticmethod" not in decorators(node):
            every = every[1:]
        every += [*node.args.kwonlyargs, node.args.vararg, node.args.kwarg]
        bare = [one.arg for one in every if one is not None and one.annotation is None]
        bare += ["its result"] if node.returns is None else []
        if bare:
            missing.append(f"{place}: {', '.join(bare)}")
    assert not missing, "\n".join(missing)


def test_the_docstring_of_a_public_function_begins_in_the_imperative():
    """A property's names what it is."""
    wrong = []
    for place, node, _ in all_functions():
        text = ast.get_docstring(node)
        if not text or decorators(node) & {"property", "cached_property"}:
            continue
        word = text.split()[0].strip(".,:").lower()
        if word in NOT_A_VERB or THIRD_PERSON.fullmatch(word):
            wrong.append(f"{place}: {text.splitlines()[0]}")
    assert not wrong, "\n".join(wrong)


MOST_POSITIONAL = 5


def test_nothing_takes_more_than_five_positional_arguments():
    """A call of six bare values can only be read beside the definition."""
    wrong = []
    for path in sorted(ROOT.rglob("*.py")):
        tree = ast.parse(path.read_text())
        methods = {
            member
            for node in ast.walk(tree)
            if isinstance(node, ast.ClassDef)
            for member in node.body
            if isinstance(member, ast.FunctionDef | ast.AsyncFunctionDef)
            and "staticmethod" not in decorators(member)
        }
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
                count = len(node.args.posonlyargs) + len(node.args.args)
                if count - (node in methods) > MOST_POSITIONAL:
                    place = f"{path.relative_to(ROOT.parent)}:{node.lineno}"
                    wrong.append(f"{place} {getattr(node, 'name', 'lambda')}: {count}")
    assert not wrong, "\n".join(wrong)


def test_no_dataclass_is_made_of_more_than_five_positional_arguments():
    """Fields after `_: KW_ONLY` are passed by name."""
    wrong = []
    for path in sorted(ROOT.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            made = [ast.unparse(one) for one in getattr(node, "decorator_list", [])]
            made = [one for one in made if one.startswith("dataclass")]
            if not made or "kw_only=True" in made[0]:
                continue
            kinds = [
                ast.unparse(one.annotation)
                for one in node.body
                if isinstance(one, ast.AnnAssign)
            ]
            last = kinds.index("KW_ONLY") if "KW_ONLY" in kinds else len(kinds)
            if last > MOST_POSITIONAL:
                wrong.append(f"{path.relative_to(ROOT.parent)} {node.name}: {last}")
    assert not wrong, "\n".join(wrong)
