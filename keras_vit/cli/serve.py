"""`keras-vit serve`."""

import contextlib
import functools
import logging
from collections.abc import Iterator

from absl import flags

from keras_vit.cli.flag import Flag, arguments
from keras_vit.cli.flag_types import AT_LEAST_1, Number, Whole
from keras_vit.cli.model_flag import SERVED, TRAINED, Model
from keras_vit.serving.limits import Limits

SUMMARY = "Serve a model by TensorFlow Serving's REST paths, with a page to try it."
USAGE = "--model=MODEL [--port=8501]"
REQUIRED = ("model",)
USUAL = Limits()
CALLS = "serve"
FLAGS = {
    "model": Flag(
        Model(SERVED, TRAINED),
        "A SavedModel: the folder of all its versions, of which the newest is served "
        "and a newer one takes its place, or that of one. A run's folder or a .keras "
        "file is exported first.",
    ),
    "host": Flag(),
    "port": Flag(Whole(0, 65535)),
    "batch_size": Flag(
        AT_LEAST_1,
        "How many images the model is given at once; as many as it answers in a tenth "
        "of a second, up to 64, if not given.",
        USUAL.batch,
    ),
    "max_body_mb": Flag(
        AT_LEAST_1,
        "The largest request, in MB; an image takes a third more than its file.",
        USUAL.body // 2**20,
    ),
    "timeout": Flag(
        Number(0.1),
        "Seconds for a request to arrive, and for its answer.",
        USUAL.seconds,
    ),
    "allow_origin": Flag(of="allowed_origins", repeated=True),
}


def run(values: flags.FlagValues) -> int:
    """Serve until a signal stops it, and return the exit status."""
    from keras_vit.serving import serve

    body = values.max_body_mb * 2**20
    limits = Limits(
        body=body,
        held=max(USUAL.held, 2 * body),
        batch=values.batch_size,
        seconds=values.timeout,
    )
    with _logged():
        serve(
            **arguments(values, CALLS, FLAGS),
            limits=limits,
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
