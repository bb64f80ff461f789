"""Of Apache Beam: the options of its pipelines."""

from __future__ import annotations

from typing import Any


def add_beam_options(kind: Any, parser: Any) -> None:
    """Add the options that a class of Apache Beam's defines to a parser.

    Interface: `PipelineOptions._add_argparse_args`, which classes of options override.
    Verified: apache-beam 2.77.0.

    Args:
        kind: a subclass of `PipelineOptions`.
        parser: an `argparse.ArgumentParser`.
    """
    if any("_add_argparse_args" in vars(one) for one in kind.__mro__):
        kind._add_argparse_args(parser)
