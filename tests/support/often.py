"""Parameters of a test, of which some are tried by default and the others if slow."""

import pytest


def often(values, by_default):
    """Return the values as parameters, all but some of them marked slow.

    A value of several parameters is a tuple; `by_default` has values, or the first
    of their parameters.
    """
    by_default, values = list(by_default), list(values)
    found = []
    for value in values:
        several = value if isinstance(value, tuple) else (value,)
        kept = value in by_default or several[0] in by_default
        found.append(pytest.param(*several, marks=[] if kept else pytest.mark.slow))
    tried = [one for one in found if not one.marks]
    assert len(tried) >= len(by_default), "none of the values is one of by_default"
    return found
