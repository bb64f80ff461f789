"""Libraries that show how runs go, each by its own Keras callback."""

from __future__ import annotations

import contextlib
import importlib.util
from collections.abc import Callable, Iterator
from typing import Any

import keras


@contextlib.contextmanager
def open_loggers(**targets: str | None) -> Iterator[list[keras.callbacks.Callback]]:
    """Open loggers and yield their callbacks; close them at the end.

    Args:
        **targets: by the names of `LOGGERS`: `tensorboard`, a folder; `wandb`, a
            project; `mlflow`, an experiment. `None` for a logger that is not wanted.

    Raises:
        ImportError: for a library that is not installed, before any is opened.

    Example:

    >>> with open_loggers(tensorboard="board") as callbacks:  # doctest: +SKIP
    ...     train("fashion_mnist", callbacks=callbacks)
    """
    wanted = {name: target for name, target in targets.items() if target is not None}
    for name in wanted:
        check_installed(name)
    with contextlib.ExitStack() as opened:
        yield [LOGGERS[name](target, opened) for name, target in wanted.items()]


def check_installed(name: str) -> None:
    """Refuse a logger whose library is not installed.

    Raises:
        ImportError: with the command that installs it.
    """
    if importlib.util.find_spec(name) is None:
        raise ImportError(
            f"--{name} needs the package {name}. Received: none that is installed: "
            f"pip install 'keras-vision-transformer[{name}]'"
        )


def _tensorboard(folder: str, opened: contextlib.ExitStack) -> keras.callbacks.Callback:
    return keras.callbacks.TensorBoard(folder, write_graph=False)


def _wandb(project: str, opened: contextlib.ExitStack) -> Any:
    import wandb
    from wandb.integration.keras import WandbMetricsLogger

    opened.enter_context(wandb.init(project=project))
    return WandbMetricsLogger()


def _mlflow(experiment: str, opened: contextlib.ExitStack) -> Any:
    import mlflow
    from mlflow.keras import MlflowCallback

    mlflow.set_experiment(experiment)
    opened.enter_context(mlflow.start_run())
    return MlflowCallback()


# What opens each, by the name of its flag, its package and its extra.
LOGGERS: dict[str, Callable[[str, contextlib.ExitStack], Any]] = {
    "tensorboard": _tensorboard,
    "wandb": _wandb,
    "mlflow": _mlflow,
}
