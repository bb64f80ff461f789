"""What is said where another version of a library lacks a private interface."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator


@contextlib.contextmanager
def of_version(interface: str, package: str, verified: str) -> Iterator[None]:
    """Say which version is expected where an interface is absent from another one."""
    try:
        yield
    except (ImportError, AttributeError) as error:
        raise ImportError(
            f"Expected {interface}, as {package} {verified} has it. Received: another "
            f"version of {package}, or none ({error}). Install {package} {verified}."
        ) from error


of_keras = functools.partial(of_version, package="keras", verified="3.15.1")
of_tensorflow = functools.partial(of_version, package="tensorflow", verified="2.21.0")
