"""What pages of Markdown say that can be tested: their blocks of code."""

import contextlib
import io
import re
from dataclasses import dataclass

_FENCED = r"^```(\w*)(?: title=\"([^\"\n]+)\")?\n(.*?)^```$"
_BLOCK = re.compile(_FENCED, re.DOTALL | re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """A block of code.

    Attributes:
        language: the word behind the fence; empty: what the block before printed.
        title: the line above it, if it has one.
        code: its lines.
    """

    language: str
    title: str | None
    code: str


def blocks(path):
    """All blocks of a page."""
    return [Block(*match.groups()) for match in _BLOCK.finditer(path.read_text())]


def examples(path):
    """Each Python block without a title, and what the page says it prints, if so."""
    found = blocks(path)
    for index, block in enumerate(found):
        if block.language == "python" and block.title is None:
            following = found[index + 1 : index + 2]
            printed = [one.code for one in following if not one.language]
            yield block.code, printed[0] if printed else None


def printed_by(code, name, names):
    """What code prints that runs with such names, and adds its own to them."""
    output = io.StringIO()
    with contextlib.redirect_stdout(output):
        exec(compile(code, name, "exec"), names)
    return output.getvalue()
