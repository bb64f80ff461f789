"""The paths of the server."""

import html
import pathlib

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from keras_vit.serving.guard import Guard
from keras_vit.serving.limits import RefusedError, error_body
from keras_vit.serving.metrics import CONTENT_TYPE

PAGE = pathlib.Path(__file__).parent / "page"
TYPES = {
    ".html": "text/html",
    ".css": "text/css",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
}
MODEL = "/v1/models/{name}"
NO_SUCH_PATH = (
    "Expected /v1/models/<name>, .../metadata, ...:predict, /healthz, /metrics or /."
)
CLOSED_BY_CLIENT = 499  # which nobody sees but the counters


def build(api, metrics, limits, host="127.0.0.1", origins=()):
    """Builds the ASGI application.

    Args:
        api: an `Api`.
        metrics: a `Metrics`, which is told of every answer.
        limits: a `Limits`.
        host: the address that is listened at.
        origins: of pages elsewhere that may ask.

    Returns:
        An ASGI application, for any server.
    """
    handlers = {
        RefusedError: _refused,
        HTTPException: _no_such_path,
        ClientDisconnect: _left_alone,
        Exception: _failed,
    }
    routes = [*_model_routes(api), *_other_routes(api, _page(api.name, limits))]
    app = Starlette(routes=routes, exception_handlers=handlers)
    app.router.redirect_slashes = False
    return Guard(app, metrics, host, origins)


def _model_routes(api):
    async def predict(request):
        status, content = await api.predict(
            *_asked(request, "predict"), _length(request), request.stream()
        )
        return Response(content, status, media_type="application/json")

    async def other_verb(request):
        name, version = _asked(request, "other")
        api.other_verb(name, version, request.path_params["verb"])

    async def status(request):
        if ":" in request.url.path.rpartition("/")[2]:  # a verb, which is for POST
            raise HTTPException(405, headers={"Allow": "POST"})
        return JSONResponse(api.status(*_asked(request, "status")))

    async def metadata(request):
        return JSONResponse(api.metadata(*_asked(request, "metadata")))

    for path in (MODEL, MODEL + "/versions/{version}"):
        yield Route(path + ":predict", predict, methods=["POST"])
        yield Route(path + ":{verb}", other_verb, methods=["POST"])
        yield Route(path + "/metadata", metadata)
        yield Route(path, status)


def _other_routes(api, files):
    async def page(request):
        request.scope["kind"] = "page"
        name = request.path_params.get("file", "index.html")
        if name not in files:
            raise HTTPException(404)
        kind = TYPES[pathlib.PurePath(name).suffix]
        headers = {
            "content-type": f"{kind}; charset=utf-8",
            "cache-control": "no-cache",
        }
        return Response(files[name], headers=headers)

    async def health(request):
        request.scope["kind"] = "health"
        return JSONResponse(api.health())

    async def counters(request):
        request.scope["kind"] = "metrics"
        return Response(api.counters(), headers={"content-type": CONTENT_TYPE})

    yield Route("/", page)
    yield Route("/page/{file}", page)
    yield Route("/healthz", health)
    yield Route("/metrics", counters)


def _asked(request, kind):
    """The model and the version in a path; notes what is asked for the counters."""
    request.scope["kind"] = kind
    return request.path_params["name"], request.path_params.get("version")


def _page(name, limits):
    """The files of the page, by name."""
    files = {one.name: one.read_bytes() for one in PAGE.iterdir()}
    text = files["index.html"].decode()
    for key, value in {"model": name, "most": str(limits.body)}.items():
        text = text.replace("{{" + key + "}}", html.escape(value))
    return files | {"index.html": text.encode()}


def _length(request):
    text = request.headers.get("content-length", "")
    return int(text) if text.isascii() and text.isdigit() else None


async def _refused(request, error):
    return _error(error.status, error.message, error.headers)


async def _no_such_path(request, error):
    expected = NO_SUCH_PATH
    if error.status_code == 405:
        allowed = sorted(error.headers["Allow"].split(", "))
        expected = f"Expected {' or '.join(allowed)} at this path."
    said = f"{expected} Received: {request.method} {request.url.path[:200]}"
    return _error(error.status_code, said, error.headers)


async def _left_alone(request, error):
    return _error(CLOSED_BY_CLIENT, "The client has gone.")


async def _failed(request, error):
    return _error(500, f"The server failed: {type(error).__name__}")


def _error(status, message, headers=None):
    headers = {"content-type": "application/json", **(headers or {})}
    return Response(error_body(message), status, headers)
