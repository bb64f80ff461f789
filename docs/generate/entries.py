"""Public names -> directives for mkdocstrings."""

import importlib
import inspect

MEMBERS = {  # a class: the methods that belong to its contract
    "AttentionPooling": ("scores", "given"),
    "Classifier": ("of", "image_size", "num_classes", "probabilities", "save"),
    "KerasVitModel": ("builder", "arguments"),
    "MultiHeadSelfAttention": ("scores", "read"),
    "PatchEncoder": ("embeddings", "sequence", "position_vectors"),
    "PositionEmbedding": ("position_vectors",),
    "Recipe": ("total_steps", "evaluation_interval"),
    "TransformerBlock": ("scores", "given"),
}


def entries(module_name):
    """The directives of all that a module gives to others, in its order."""
    module = importlib.import_module(module_name)
    names = (name for name, one in vars(module).items() if _is_public(name, one))
    return "\n".join(entry(f"{module_name}.{name}") for name in names)


def entry(name, level=2):
    """The directive for one public name.

    An object has its docstring in the file that defines it, and is read from there.
    """
    module_name, _, last = name.rpartition(".")
    one = getattr(importlib.import_module(module_name), last)
    path = f"{one.__module__}.{one.__qualname__}"
    return (
        f"::: {path}\n"
        "    options:\n"
        f"      heading: {name}\n"
        f"      toc_label: {last}\n"
        f"      heading_level: {level}\n"
        f"      members: [{', '.join(MEMBERS.get(last, ()))}]\n"
    )


def _is_public(name, one):
    made_of = inspect.isclass(one) or inspect.isfunction(one)
    return name[0] != "_" and made_of and one.__module__.startswith("keras_vit.")
