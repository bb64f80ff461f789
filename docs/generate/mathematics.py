"""Equations in LaTeX -> MathML."""

import html
import re

from latex2mathml.converter import convert

# What arithmatex leaves of $...$ and of $$...$$.
_INLINE = re.compile(r'<span class="arithmatex">\\\((.*?)\\\)</span>', re.DOTALL)
_BLOCK = re.compile(r'<div class="arithmatex">\\\[(.*?)\\\]</div>', re.DOTALL)


def with_mathml(page):
    """Gives a page's HTML with every equation as MathML."""
    page = _INLINE.sub(lambda found: _mathml(found[1], "inline"), page)
    return _BLOCK.sub(
        lambda found: f'<div class="equation">{_mathml(found[1], "block")}</div>', page
    )


def _mathml(latex, display):
    return convert(html.unescape(latex).strip(), display=display)
