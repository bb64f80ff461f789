"""A small server of one model, for people without a cluster."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from keras_vit.extras import install
from keras_vit.serving.limits import Limits as Limits

if TYPE_CHECKING:
    import keras

    from keras_vit.classifier import Classifier

LOG = logging.getLogger(__name__)


def serve(
    model: keras.Model | Classifier | str | os.PathLike[str],
    *,
    host: str = "127.0.0.1",
    port: int = 8501,
    limits: Limits | None = None,
    allowed_origins: Sequence[str] = (),
    started: Callable[[str], object] = LOG.info,
) -> None:
    """Answer TensorFlow Serving's REST requests until a signal stops it.

    Of a SavedModel the newest version is served, and replaced while it answers
    once a newer one has been copied whole, loads and is warm. A page at `/`
    classifies pictures in the browser, `/metrics` is for Prometheus, `/healthz`
    for monitoring.

    Args:
        model: the path of a SavedModel: the folder of all its versions, as
            `export` writes it, or that of one. Or a Keras model, a
            `keras_vit.Classifier`, the path of a run's folder or of a `.keras`
            file: these are exported to a temporary folder first, which takes
            some seconds; the logger `keras_vit.serving` reports it.
        host: the address to listen at, 0.0.0.0 for all; by default this machine
            alone is answered.
        port: the port to listen at; 0 takes any free one.
        limits: a `Limits`.
        allowed_origins: pages elsewhere that may ask this server, such as
            `https://example.org`.
        started: called with a line that says where the model is served, as soon
            as it is; by default the line is logged.

    Raises:
        ImportError: without the packages of the extra `serve`.
        FileNotFoundError: if there is nothing at the path.
        TypeError: for a model of another type.
        ValueError: if there is no model at the path, or no version that can be
            loaded.
        OSError: if the port is taken.

    Example:

    >>> serve("savedmodels/fashion_mnist", port=0, started=print)  # doctest: +SKIP
    Serving fashion_mnist version 1 at http://127.0.0.1:40713/ (Ctrl-C stops it)
    """
    try:
        from keras_vit.serving.server import run
    except ImportError as error:
        raise ImportError(
            f"Serving needs packages that are not installed ({error}). Install them: "
            f"{install('serve')}"
        ) from error
    run(
        model,
        host,
        port,
        limits=limits or Limits(),
        origins=tuple(allowed_origins),
        started=started,
    )
