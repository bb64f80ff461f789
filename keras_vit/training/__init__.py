"""One step, the loop around it, and a run that writes its results to a folder."""

import importlib
import warnings
from typing import Any

from keras_vit.training.artifacts.folder import read_config as read_config
from keras_vit.training.preview import DryRun as DryRun
from keras_vit.training.preview import dry_run as dry_run
from keras_vit.training.run import Run as Run
from keras_vit.training.run import train as train
from keras_vit.training.tasks import Task as Task

_OF_EXPERIMENTS = (
    "Outcome",
    "Transfer",
    "Trial",
    "run_trials",
    "transfer",
    "transfer_vtab",
)


def __getattr__(name: str) -> Any:
    """Return what earlier versions had here."""
    if name not in _OF_EXPERIMENTS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    warnings.warn(
        f"keras_vit.training.{name} is called keras_vit.experiments.{name} now; the "
        "old name goes with the next version",
        DeprecationWarning,
        stacklevel=2,
    )
    return getattr(importlib.import_module("keras_vit.experiments"), name)
