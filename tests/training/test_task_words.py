"""What a task is called stands with the tasks and their settings, nowhere else."""

import ast
import pathlib
import re

import keras_vit

ROOT = pathlib.Path(keras_vit.__file__).parent
# A model may have a head and a token for a teacher, whatever it is trained on.
OF_A_MODEL = {"distillation", "distillation_token", "head_distillation"}
MODELS = {"layers", "weights", "inspect", "factories.py", "timm_names.py"}
MODELS |= {path.name for path in ROOT.glob("*model*.py")}
MODELS |= {"derived_arguments.py", "foreign_arguments.py"}
WORD = re.compile("distill|pseudo|masked_patch", re.IGNORECASE)


def words(tree):
    """Names and texts of code; no docstrings, no sentences for people."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            if " " not in node.value:
                yield node.value
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""
        else:
            for name in ("id", "attr", "name", "arg"):
                yield str(getattr(node, name, ""))


def of_tasks(path):
    found = {word for word in words(ast.parse(path.read_text())) if WORD.search(word)}
    return found if path.parent.name == "tasks" else found - OF_A_MODEL


def test_a_task_is_named_with_the_tasks_and_their_settings_alone():
    named = {path.relative_to(ROOT): of_tasks(path) for path in ROOT.rglob("*.py")}
    named = {path: found for path, found in named.items() if found}
    inside = {p for p in named if str(p.parent) in {"recipes", "training/tasks"}}
    assert len(inside) > 5  # the words are found where they are
    elsewhere = {
        str(p): sorted(found)
        for p, found in named.items()
        if p not in inside and p.parts[0] not in MODELS
    }
    assert elsewhere == {}
