"""The command that installs the packages of an extra."""

import json

DISTRIBUTION = "keras-vision-transformer"


def install(extras: str) -> str:
    """Return the command that installs extras for the package as it is here.

    Of a clone, which pip installed from its folder or did not install at all, it is
    for that folder; of a wheel it names the distribution.

    Args:
        extras: their names, separated by commas.

    Example:

    >>> "[export]'" in install("export")
    True
    """
    return f"pip install '{'.' if _is_a_clone() else DISTRIBUTION}[{extras}]'"


def _is_a_clone() -> bool:
    from importlib import metadata  # whose import takes longer than most commands

    try:
        source = metadata.distribution(DISTRIBUTION).read_text("direct_url.json")
    except metadata.PackageNotFoundError:
        return True
    return source is not None and "dir_info" in json.loads(source)
