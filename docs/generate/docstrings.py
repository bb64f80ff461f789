"""What griffe is told of the package that reading its files does not show.

It reads source and runs nothing. Factories are made when the package is imported,
and docstrings have sections that Google's style does not know.
"""

import inspect
import re

import griffe

import keras_vit

_EXAMPLE = re.compile(r"^Example:\n\n((?:(?:>>>|\.\.\.|[^\n:]).*\n?|\n(?=>>>))+)", re.M)
_KINDS = {
    kind: getattr(griffe.ParameterKind, kind.name.lower())
    for kind in (
        inspect.Parameter.POSITIONAL_OR_KEYWORD,
        inspect.Parameter.KEYWORD_ONLY,
        inspect.Parameter.VAR_KEYWORD,
    )
}


class Docstrings(griffe.Extension):
    """Adds the factories, and gives sections names that griffe knows."""

    def on_package(self, *, pkg, loader, **kwargs):
        """Adds every factory to the package, with the signature that it has."""
        if pkg.name != "keras_vit":
            return
        for name, factory in keras_vit.FACTORIES.items():
            parameters = griffe.Parameters(*map(_parameter, _parameters_of(factory)))
            function = griffe.Function(name, parameters=parameters)
            function.docstring = griffe.Docstring(
                readable(inspect.getdoc(factory)), parent=function
            )
            pkg.set_member(name, function)

    def on_object(self, *, obj, loader, **kwargs):
        """Makes a docstring's sections readable."""
        if obj.docstring is not None:
            obj.docstring.value = readable(inspect.cleandoc(obj.docstring.value))


def readable(text):
    """A docstring whose sections are those that griffe knows."""
    text = text.replace("\nCall arguments:\n", "\nOther Parameters: Call arguments\n")

    def indented(found):
        lines = found[1].rstrip("\n").split("\n")
        return "\n".join(["Examples:", *("    " + line for line in lines), "", ""])

    return _EXAMPLE.sub(indented, text).rstrip()


def _parameters_of(factory):
    return inspect.signature(factory).parameters.values()


def _parameter(one):
    default = None if one.default is one.empty else repr(one.default)
    return griffe.Parameter(one.name, kind=_KINDS[one.kind], default=default)
