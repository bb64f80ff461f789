"""Old names, accepted for one version."""

import functools
import sys
import warnings
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")


def renamed_arguments(**names: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Accept the old names of a function's keyword arguments.

    Args:
        **names: the new name of each, by its old one.

    Returns:
        A decorator. What it returns has the signature of the function, which
        knows the new names alone.

    Example:

    >>> @renamed_arguments(pixel_deviation="pixel_std")
    ... def divided(pixels, *, pixel_std):
    ...     return pixels / pixel_std
    >>> divided(510.0, pixel_std=255.0)
    2.0
    """

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        @functools.wraps(function)
        def accepting(*args: P.args, **kwargs: P.kwargs) -> R:
            renamed = with_new_names(kwargs, names, function.__name__, stacklevel=3)
            return function(*args, **renamed)  # type: ignore[arg-type]

        return accepting

    return decorate


def with_new_names(
    arguments: dict, names: dict[str, str], called: str, *, stacklevel: int = 2
) -> dict:
    """Return keyword arguments by their new names.

    Args:
        arguments: values by name, old or new.
        names: the new name of each that was renamed, by its old one.
        called: the function that was called, as the messages name it.
        stacklevel: of the warning, as `warnings.warn` counts it from here.

    Raises:
        TypeError: if both names of one argument are given.

    Warns:
        DeprecationWarning: for each old name.
    """
    renamed = dict(arguments)
    for old in names.keys() & arguments.keys():
        new = names[old]
        if new in renamed:
            raise TypeError(
                f"{called}() takes {new} once. Received: {new} and its old name {old}"
            )
        warnings.warn(
            f"{called}(): {old} is called {new} now; the old name goes with the next "
            "version",
            DeprecationWarning,
            stacklevel=stacklevel,
        )
        renamed[new] = renamed.pop(old)
    return renamed


class OldName:
    """An attribute of a class under its old name, such as a field or a method.

    Args:
        new: what it is called now.

    Example:

    >>> class Box:
    ...     width = 3
    ...     breadth = OldName("width")
    >>> Box().breadth  # with a DeprecationWarning  # doctest: +SKIP
    3
    """

    def __init__(self, new: str) -> None:
        self._new = new

    def __set_name__(self, owner: type, name: str) -> None:
        self._old = name

    def __get__(self, instance: Any, owner: type) -> Any:
        if instance is None:
            return self
        warnings.warn(
            f"{owner.__name__}.{self._old} is called {self._new} now; the old name "
            "goes with the next version",
            DeprecationWarning,
            stacklevel=2,
        )
        return getattr(instance, self._new)


def old_names(module: str, **names: str) -> Callable[[str], Any]:
    """Return a module's `__getattr__` that knows the old names of what is in it.

    Args:
        module: its `__name__`.
        **names: the new name of each, by its old one.

    Example:

    >>> __getattr__ = old_names("keras_vit.renamed", Renamed="OldName")
    >>> __getattr__("Renamed").__name__  # with a DeprecationWarning  # doctest: +SKIP
    'OldName'
    """

    def get(name: str) -> Any:
        if name not in names:
            raise AttributeError(f"module {module!r} has no attribute {name!r}")
        warnings.warn(
            f"{module}.{name} is called {names[name]} now; the old name goes with the "
            "next version",
            DeprecationWarning,
            stacklevel=2,
        )
        return getattr(sys.modules[module], names[name])

    return get
