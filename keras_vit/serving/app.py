"""The paths of the server."""

import html
import pathlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from keras_vit.serving.api import Api
from keras_vit.serving.limits import Limits, RefusedError, error_body
from keras_vit.serving.metrics import CONTENT_TYPE, Metrics
from keras_vit.serving.middleware import Responses, starlettes

PAGE = pathlib.Path(__file__).parent / "page"
TYPES = {
    ".html": "text/html",
    ".css": "text/css",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
    ".json": "application/json",
}
PAGES = {"/": "index.html", "/docs": "docs.html", "/openapi.json": "openapi.json"}
MODEL = "/v1/models/{name}"
NO_SUCH_PATH = (
    "Expected /v1/models/<name>, .../metadata, ...:predict, /healthz, /metrics, /docs "
    "or /."
)
CLOSED_BY_CLIENT = 499  # for the counters: no client receives it


def build(
    api: Api,
    metrics: Metrics,
    limits: Limits,
    host: str = "127.0.0.1",
    origins: Sequence[str] = (),
) -> Responses:
    """Build the ASGI application.

    Args:
        api: what responds.
        metrics: where every response is counted.
        limits: what the server accepts.
        host: the address that the server listens at.
        origins: of pages elsewhere that may send requests.

    Returns:
        An ASGI application, for any server.
    """
    handlers: dict[Any, Any] = {
        RefusedError: _refused,
        HTTPException: _no_such_path,
        ClientDisconnect: _disconnected,
        Exception: _failed,
    }
    routes = [*_model_routes(api), *_other_routes(api, _page(api.name, limits))]
    app: Any = Starlette(
        routes=routes,
        middleware=starlettes(host, origins),
        exception_handlers=handlers,
    )
    app.router.redirect_slashes = False
    return Responses(app, metrics, origins)


def _model_routes(api: Api) -> Iterator[Route]:
    async def predict(request: Request) -> Response:
        status, content = await api.predict(
            *_model_of(request, "predict"), _length(request), request.stream()
        )
        return Response(content, status, media_type="application/json")

    async def other_verb(request: Request) -> None:
        name, version = _model_of(request, "other")
        api.other_verb(name, version, request.path_params["verb"])

    async def status(request: Request) -> Response:
        if ":" in request.url.path.rpartition("/")[2]:  # a verb, which is for POST
            raise HTTPException(405, headers={"Allow": "POST"})
        return JSONResponse(api.status(*_model_of(request, "status")))

    async def metadata(request: Request) -> Response:
        return JSONResponse(api.metadata(*_model_of(request, "metadata")))

    for path in (MODEL, MODEL + "/versions/{version}"):
        yield Route(path + ":predict", predict, methods=["POST"])
        yield Route(path + ":{verb}", other_verb, methods=["POST"])
        yield Route(path + "/metadata", metadata)
        yield Route(path, status)


def _other_routes(api: Api, files: Mapping[str, bytes]) -> Iterator[Route]:
    async def page(request: Request) -> Response:
        request.scope["kind"] = "page"
        name = request.path_params.get("file") or PAGES[request.url.path]
        if name not in files:
            raise HTTPException(404)
        kind = TYPES[pathlib.PurePath(name).suffix]
        headers = {
            "content-type": f"{kind}; charset=utf-8",
            "cache-control": "no-cache",
        }
        return Response(files[name], headers=headers)

    async def health(request: Request) -> Response:
        request.scope["kind"] = "health"
        return JSONResponse(api.health())

    async def counters(request: Request) -> Response:
        request.scope["kind"] = "metrics"
        return Response(api.counters(), headers={"content-type": CONTENT_TYPE})

    for path in (*PAGES, "/page/{file}"):
        yield Route(path, page)
    yield Route("/healthz", health)
    yield Route("/metrics", counters)


def _model_of(request: Request, kind: str) -> tuple[str, str | None]:
    """Return the model and the version in a path; note the kind for the counters."""
    request.scope["kind"] = kind
    return request.path_params["name"], request.path_params.get("version")


def _page(name: str, limits: Limits) -> dict[str, bytes]:
    """Return the files of the page, by name."""
    files = {one.name: one.read_bytes() for one in PAGE.iterdir()}
    values = {b"{{model}}": name, b"{{most}}": str(limits.body)}
    for page in ("index.html", "docs.html"):
        for key, value in values.items():
            files[page] = files[page].replace(key, html.escape(value).encode())
    return files


def _length(request: Request) -> int | None:
    text = request.headers.get("content-length", "")
    return int(text) if text.isascii() and text.isdigit() else None


async def _refused(request: Request, error: RefusedError) -> Response:
    return _error(error.status, error.message, error.headers)


async def _no_such_path(request: Request, error: HTTPException) -> Response:
    expected = NO_SUCH_PATH
    if error.status_code == 405:
        allowed = sorted(cast(Any, error.headers)["Allow"].split(", "))
        expected = f"Expected {' or '.join(allowed)} at this path."
    message = f"{expected} Received: {request.method} {request.url.path[:200]}"
    return _error(error.status_code, message, error.headers)


async def _disconnected(request: Request, error: Exception) -> Response:
    return _error(CLOSED_BY_CLIENT, "The client closed the connection.")


async def _failed(request: Request, error: Exception) -> Response:
    return _error(500, f"The server failed: {type(error).__name__}")


def _error(
    status: int, message: str, headers: Mapping[str, str] | None = None
) -> Response:
    headers = {"content-type": "application/json", **(headers or {})}
    return Response(error_body(message), status, headers)
