"""`keras-vit serve`."""

import contextlib
import functools
import logging
from collections.abc import Iterator

from absl import flags

from keras_vit.cli import flag_types, model_flag
from keras_vit.cli.model_flag import SERVED, TRAINED
from keras_vit.serving.limits import Limits

SUMMARY = "Serve a model by TensorFlow Serving's REST paths, with a page to try it."
USAGE = "--model=MODEL [--port=8501]"
REQUIRED = ("model",)
TAKES_PATHS = False


def define(values: flags.FlagValues) -> None:
    """Define the flags."""
    usual = Limits()
    model_flag.define(
        values,
        "model",
        "A SavedModel: the folder of all its versions, of which the newest is served "
        "and a newer one takes its place, or that of one. A run's folder or a .keras "
        "file is exported first.",
        (SERVED, TRAINED),
    )
    flag_types.text(
        values,
        "host",
        "The address to listen at: this machine alone by default, 0.0.0.0 for all.",
        "127.0.0.1",
    )
    flag_types.whole(
        values, "port", "The port; 0 for any free one.", 8501, least=0, most=65535
    )
    flag_types.whole(
        values,
        "batch_size",
        "How many images the model is given at once; as many as it answers in a tenth "
        "of a second, up to 64, if not given.",
        least=1,
    )
    flag_types.whole(
        values,
        "max_body_mb",
        "The largest request, in MB; an image takes a third more than its file.",
        usual.body // 2**20,
        least=1,
    )
    flag_types.number(
        values,
        "timeout",
        "Seconds for a request to arrive, and for its answer.",
        usual.seconds,
        least=0.1,
    )
    flag_types.texts(
        values,
        "allow_origin",
        "A page elsewhere that may ask, such as https://example.org; repeatable.",
    )


def check(values: flags.FlagValues) -> None:
    """Do nothing: each flag is checked by itself."""


def run(values: flags.FlagValues) -> int:
    """Serve until a signal stops it, and return the exit status."""
    from keras_vit.serving import serve

    body = values.max_body_mb * 2**20
    limits = Limits(
        body=body,
        held=max(Limits().held, 2 * body),
        batch=values.batch_size,
        seconds=values.timeout,
    )
    with _logged():
        serve(
            values.model,
            host=values.host,
            port=values.port,
            limits=limits,
            allowed_origins=values.allow_origin,
            started=functools.partial(print, flush=True),
        )
    return 0


@contextlib.contextmanager
def _logged() -> Iterator[None]:
    """Print what happens to versions, and what fails, on the error stream."""
    log, handler = logging.getLogger("keras_vit.serving"), logging.StreamHandler()
    handler.setFormatter(logging.Formatter("keras-vit serve: %(message)s"))
    before = log.level
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    try:
        yield
    finally:
        log.removeHandler(handler)
        log.setLevel(before)
