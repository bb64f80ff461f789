"""A small server of one SavedModel, for people without a cluster."""

from keras_vit.serving.limits import Limits


def serve(model, *, host="127.0.0.1", port=8501, limits=None, allowed_origins=()):
    """Answers TensorFlow Serving's REST requests until a signal ends it.

    The newest version is served, and replaced while it answers once a newer one
    has been copied whole, loads and is warm. A page at `/` classifies pictures
    in the browser, `/metrics` is for Prometheus, `/healthz` for who watches.

    Args:
        model: the path of a SavedModel: the folder of all its versions, as
            `export` writes it, or that of one.
        host: the address to listen at; by default this machine alone is answered.
        port: 0 takes any free one.
        limits: a `Limits`.
        allowed_origins: of pages elsewhere that may ask this server, such as
            `https://example.org`.

    Raises:
        ImportError: without the packages of the extra `serve`.
        FileNotFoundError: if there is nothing at the path.
        ValueError: if it holds no SavedModel, or no version that can be loaded.
        OSError: if the port is taken.

    Example:

    >>> serve("savedmodels/fashion_mnist", port=0)  # doctest: +SKIP
    Serving fashion_mnist version 1 at http://127.0.0.1:40713/ (Ctrl-C ends it)
    """
    try:
        from keras_vit.serving.server import run
    except ImportError as error:
        raise ImportError(
            f"Serving needs packages that are not installed ({error}). Get them by: "
            "pip install 'keras-vision-transformer[serve]'"
        ) from error
    run(model, host, port, limits or Limits(), tuple(allowed_origins))
