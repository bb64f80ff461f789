"""What a function takes, read from its file without importing it.

Flags have the names, defaults and descriptions of the arguments of the function that
their command calls. Its module would import Keras, so its text is read instead.
"""

import ast
import functools
import pathlib
import re
from typing import Any, NamedTuple

# Where the functions are that commands call, or that docstrings refer to by name.
FILES = {
    "diagnose": "diagnosis.py",
    "evaluate": "evaluation/metrics.py",
    "export": "exporting/export_model.py",
    "inspect": "data/inspection/inspection.py",
    "load": "data/sources.py",
    "predict": "prediction.py",
    "prepare": "batch/__init__.py",
    "report": "inspect/inspection_report.py",
    "resize": "weights/rebuild.py",
    "run": "batch/__init__.py",
    "save_weights": "weights/save.py",
    "serve": "serving/__init__.py",
    "train": "training/run.py",
    "transfer": "experiments/transfer_runs.py",
}
PACKAGE = pathlib.Path(__file__).parent.parent
ARGS = re.compile(r"^Args:\n((?:(?: .*)?\n)+)", re.M)
ARGUMENT = re.compile(r"^ {4}(\w+): (.+(?:\n {8}.+)*)", re.M)  # its first paragraph
REFERENCE = re.compile(r"as `(?:[\w.]+\.)?(\w+)` takes (?:it|them)")
INSIDE = re.compile(r" \((?:see )?`[^)]*`\)")  # where code is
CODE = re.compile(r"`\"?(.*?)\"?`")
LONGEST = 110  # characters of more than one sentence


class Parameter(NamedTuple):
    """An argument of a function.

    Attributes:
        annotation: its type, as the file has it.
        default: its value where it is a literal; `None` for any other, or none.
        help: what its docstring says, as sentences for a terminal.
    """

    annotation: str
    default: Any
    help: str


@functools.cache
def parameters(function: str) -> dict[str, Parameter]:
    """Return the arguments of a function by name.

    Args:
        function: a key of `FILES`.

    Example:

    >>> parameters("diagnose")["seconds"].help
    'How long matrices are multiplied in each precision.'
    """
    text = (PACKAGE / FILES[function]).read_text(encoding="utf-8")
    [found] = [
        one
        for one in ast.parse(text).body
        if isinstance(one, ast.FunctionDef) and one.name == function
    ]
    args = found.args
    missing = [None] * (len(args.args) - len(args.defaults))
    pairs = [
        *zip(args.args, [*missing, *args.defaults], strict=True),
        *zip(args.kwonlyargs, args.kw_defaults, strict=True),
    ]
    section = ARGS.search((ast.get_docstring(found) or "") + "\n")
    said = dict(ARGUMENT.findall(section[1])) if section else {}
    return {
        one.arg: Parameter(
            ast.unparse(one.annotation) if one.annotation else "",
            _literal(default),
            _sentences(one.arg, said.get(one.arg, "")),
        )
        for one, default in pairs
    }


def _literal(node: ast.expr | None) -> Any:
    try:
        return ast.literal_eval(node) if node is not None else None
    except ValueError:
        return None


def _sentences(name: str, text: str) -> str:
    """Return what a docstring says of an argument, or what it refers to says.

    Sentences after the first are kept while the whole stays short.
    """
    reference = REFERENCE.match(text)
    if reference and reference[1] in FILES:
        return parameters(reference[1])[name].help
    plain = INSIDE.sub("", " ".join(text.split()))
    plain = CODE.sub(r"\1", plain).replace("None:", "if not given:")
    first, *others = re.split(r"(?<=\.) (?=[A-Z])", plain)
    for one in others:
        first += f" {one}" if len(first) + len(one) < LONGEST else ""
    return first if text[:1] == "`" else first[:1].upper() + first[1:]
