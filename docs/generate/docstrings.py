"""What griffe is told of the package that reading its files does not show.

It reads source and runs nothing; docstrings have sections that Google's style does
not know.
"""

import inspect
import re

import griffe

_EXAMPLE = re.compile(r"^Example:\n\n((?:(?:>>>|\.\.\.|[^\n:]).*\n?|\n(?=>>>))+)", re.M)


class Docstrings(griffe.Extension):
    """Gives sections names that griffe knows."""

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
