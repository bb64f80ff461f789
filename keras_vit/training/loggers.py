"""Libraries that show how runs go, each by its own Keras callback."""

from __future__ import annotations

import contextlib
import functools
import importlib.util
from collections.abc import Callable, Iterator
from typing import Any

import keras
import tensorflow as tf

from keras_vit import distribution
from keras_vit.extras import install


def _passed_on(hook: str) -> Callable[..., None]:
    """Return a hook that calls the same one of the logger that was opened."""

    def call(callback: FirstStepLogger, *arguments: Any, **options: Any) -> None:
        getattr(callback.logger, hook)(*arguments, **options)

    return call


class FirstStepLogger(keras.callbacks.Callback):
    """A logger that is opened before the first step, by the chief of all workers.

    Until then whatever is wrong has been refused, so that no service holds a run that
    never began; and workers, which see the same numbers, do not log them again.

    Args:
        open_logger: returns the library's callback, opened.

    Attributes:
        logger: that callback; one that does nothing before, and in other workers.
    """

    def __init__(self, open_logger: Callable[[], keras.callbacks.Callback]) -> None:
        super().__init__()
        self._open = open_logger
        self.logger = keras.callbacks.Callback()

    def on_train_begin(self, logs: Any = None) -> None:
        if distribution.is_chief(tf.distribute.get_strategy()):
            self.logger = self._open()
        self.logger.set_params(self.params)
        self.logger.set_model(self.model)
        self.logger.on_train_begin(logs)

    on_train_end = _passed_on("on_train_end")
    on_epoch_begin = _passed_on("on_epoch_begin")
    on_epoch_end = _passed_on("on_epoch_end")
    on_train_batch_begin = _passed_on("on_train_batch_begin")
    on_train_batch_end = _passed_on("on_train_batch_end")
    on_test_begin = _passed_on("on_test_begin")
    on_test_end = _passed_on("on_test_end")
    on_test_batch_begin = _passed_on("on_test_batch_begin")
    on_test_batch_end = _passed_on("on_test_batch_end")


@contextlib.contextmanager
def open_loggers(**targets: str | None) -> Iterator[list[keras.callbacks.Callback]]:
    """Yield callbacks that open loggers before the first step; close them at the end.

    Args:
        **targets: by the names of `LOGGERS`: `tensorboard`, a folder; `wandb`, a
            project; `mlflow`, an experiment. `None` for a logger that is not wanted.

    Raises:
        ImportError: for a library that is not installed, at once.

    Example:

    >>> with open_loggers(tensorboard="board") as callbacks:  # doctest: +SKIP
    ...     train("fashion_mnist", callbacks=callbacks)
    """
    wanted = {name: target for name, target in targets.items() if target is not None}
    for name in wanted:
        check_installed(name)
    with contextlib.ExitStack() as opened:
        yield [
            FirstStepLogger(functools.partial(LOGGERS[name], target, opened))
            for name, target in wanted.items()
        ]


def check_installed(name: str) -> None:
    """Refuse a logger whose library is not installed.

    Raises:
        ImportError: with the command that installs it.
    """
    if importlib.util.find_spec(name) is None:
        raise ImportError(
            f"--{name} needs the package {name}. Received: none that is installed: "
            f"{install(name)}"
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
