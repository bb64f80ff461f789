"""`keras-vit serve`."""

import contextlib
import logging

from absl import flags

SUMMARY = "Answers requests as TensorFlow Serving does, and shows a page to try it."
USAGE = "--model=SAVEDMODEL [--port=8501]"
REQUIRED = ("model",)
TAKES_PATHS = False


def define(values):
    """Defines the flags."""
    from keras_vit.serving import Limits

    usual, options = Limits(), {"flag_values": values}
    flags.DEFINE_string(
        "model",
        None,
        "A SavedModel: the folder of all its versions, of which the newest is served "
        "and a newer one takes its place, or that of one.",
        **options,
    )
    flags.DEFINE_string(
        "host",
        "127.0.0.1",
        "The address to listen at: this machine alone by default, 0.0.0.0 for all.",
        **options,
    )
    flags.DEFINE_integer(
        "port",
        8501,
        "The port; 0 for any free one.",
        lower_bound=0,
        upper_bound=65535,
        **options,
    )
    flags.DEFINE_integer(
        "batch_size",
        None,
        "How many images the model is given at once; as many as it answers in a tenth "
        "of a second, up to 64, if not given.",
        lower_bound=1,
        **options,
    )
    flags.DEFINE_integer(
        "max_body_mb",
        usual.body // 2**20,
        "The largest request, in MB; an image takes a third more than its file.",
        lower_bound=1,
        **options,
    )
    flags.DEFINE_float(
        "timeout",
        usual.seconds,
        "Seconds for a request to arrive, and for its answer.",
        lower_bound=0.1,
        **options,
    )
    flags.DEFINE_multi_string(
        "allow_origin",
        [],
        "A page elsewhere that may ask, such as https://example.org; repeatable.",
        **options,
    )


def run(values):
    """Carries the command out and gives its exit status."""
    from keras_vit.serving import Limits, serve

    body = values.max_body_mb * 2**20
    limits = Limits(
        body=body,
        held=max(Limits().held, 2 * body),
        batch=values.batch_size,
        seconds=values.timeout,
    )
    with _told():
        serve(
            values.model,
            host=values.host,
            port=values.port,
            limits=limits,
            allowed_origins=values.allow_origin,
        )
    return 0


@contextlib.contextmanager
def _told():
    """Has what happens to versions, and what fails, told on the error stream."""
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
