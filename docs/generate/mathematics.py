"""Equations in LaTeX -> MathML."""

import html
import re

from latex2mathml.converter import convert

# What arithmatex leaves of $...$ and of $$...$$.
_INLINE = re.compile(r'<span class="arithmatex">\\\((.*?)\\\)</span>', re.DOTALL)
_BLOCK = re.compile(r'<div class="arithmatex">\\\[(.*?)\\\]</div>', re.DOTALL)
_NUMBER = re.compile(r"\\tag\{(\d+)\}")


def with_mathml(page):
    """Gives a page's HTML with every equation as MathML."""
    page = _INLINE.sub(lambda found: _mathml(found[1], "inline"), page)
    return _BLOCK.sub(lambda found: _block(found[1]), page)


def _block(latex):
    r"""An equation on lines of its own, its `\tag` at the right."""
    number = _NUMBER.search(latex)
    formula = _mathml(_NUMBER.sub("", latex), "block")
    told = f'<div class="number">({number[1]})</div>' if number else ""
    return f'<div class="equation"><div class="formula">{formula}</div>{told}</div>'


def _mathml(latex, display):
    return convert(html.unescape(latex).strip(), display=display)
