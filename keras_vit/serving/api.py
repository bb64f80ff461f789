"""Requests about a model -> responses, whatever transports them."""

from __future__ import annotations

import asyncio
import concurrent.futures
from collections.abc import AsyncIterable, Callable
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar, TypeVarTuple

import numpy as np

from keras_vit.serving.body import Bodies
from keras_vit.serving.limits import Limits, RefusedError
from keras_vit.serving.pixels import check_pixels
from keras_vit.serving.request import PredictRequest, read_request
from keras_vit.serving.response import response_body

if TYPE_CHECKING:
    from keras_vit.serving.batching import Batcher
    from keras_vit.serving.metrics import Metrics
    from keras_vit.serving.servable import Outputs, Servable
    from keras_vit.serving.versions import Versions

Result = TypeVar("Result")
Args = TypeVarTuple("Args")

LONG_BODY = 2**18  # bytes that are not read in the event loop's own thread
LONG_RESPONSE = 2**14  # numbers that are not written there


class Api:
    """The requests of TensorFlow Serving for one model.

    Every method raises `RefusedError`, 404, for a model or version that is not
    served.

    Args:
        name: of the model.
        versions: the versions of the model, one of which is served.
        batcher: what runs the model.
        metrics: the counters of the server.
        limits: what the server accepts.

    Attributes:
        name: of the model.
    """

    name: str

    def __init__(
        self,
        name: str,
        versions: Versions,
        batcher: Batcher,
        metrics: Metrics,
        limits: Limits,
    ) -> None:
        self.name = name
        self._versions, self._batcher = versions, batcher
        self._metrics, self._limits = metrics, limits
        self._bodies = Bodies(limits)
        self._reader = concurrent.futures.ThreadPoolExecutor(1, "reader")

    async def predict(
        self,
        name: str,
        version: str | None,
        length: int | None,
        chunks: AsyncIterable[bytes],
    ) -> tuple[int, bytes]:
        """Predict the images of a request.

        An image that cannot be read is no error of the request while another one
        can be: as with TensorFlow Serving, the output `error` states what is wrong
        with it. Where none can be read, the response states that beside its rows.

        Args:
            name: the requested model.
            version: its version as text; `None` for the one that is served.
            length: bytes of the body, as the request declares; `None` if it does not.
            chunks: the body's bytes, piece by piece.

        Returns:
            A status, 200, or 400 if no image can be read; and bytes of JSON.

        Raises:
            RefusedError: 400 for a request that is wrong, 413 for one too large,
                500 where the model fails, 503 where too many requests wait, 504
                if there are no outputs in time.
        """
        servable = self._servable(name, version)
        async with self._bodies.read(length, chunks) as body:
            request = await self._off_loop(
                len(body) > LONG_BODY, self._request, body, servable
            )
            outputs = await self._outputs(servable, request)
            error = _why_none_is_read(outputs, request.count)
            content = await self._off_loop(
                sum(one.size for one in outputs.values()) > LONG_RESPONSE,
                response_body,
                outputs,
                request.count,
                request.by_row,
                error,
            )
            return 400 if error else 200, content

    def status(self, name: str, version: str | None) -> dict[str, Any]:
        """Return the state of one version, or of every one that was loaded or tried."""
        self._check_name(name)
        states = self._versions.states
        if version is not None:
            number = _number(version)
            if number not in states:
                raise self._unknown(version)
            states = {number: states[number]}
        info = [
            {
                "version": str(number),
                "state": state.name,
                "status": {"error_code": state.code, "error_message": state.message},
            }
            for number, state in states.items()
        ]
        return {"model_version_status": info}

    def metadata(self, name: str, version: str | None) -> dict[str, Any]:
        """Return the signatures, as the model's file has them."""
        servable = self._servable(name, version)
        spec = {
            "name": self.name,
            "signature_name": "",
            "version": str(servable.version),
        }
        definitions = {"signature_def": {"signature_def": servable.definitions}}
        return {"model_spec": spec, "metadata": definitions}

    def other_verb(self, name: str, version: str | None, verb: str) -> NoReturn:
        """Refuse a verb that is not `predict`."""
        self._servable(name, version)
        if verb in ("classify", "regress"):
            raise RefusedError(
                400, f"Expected :predict. Received: :{verb}, which no signature offers"
            )
        raise RefusedError(404, f"Expected :predict. Received: :{verb[:100]}")

    def health(self) -> dict[str, str]:
        """Return which model and version is served."""
        version = str(self._current().version)
        return {"status": "ok", "model": self.name, "version": version}

    def counters(self) -> bytes:
        """Return the text for Prometheus."""
        return self._metrics.text(self._batcher.waiting)

    def _request(self, body: bytearray, servable: Servable) -> PredictRequest:
        request = read_request(body, servable.signatures, self._limits)
        check_pixels(request, self._limits.pixels, servable.max_pixels)
        return request

    async def _outputs(self, servable: Servable, request: PredictRequest) -> Outputs:
        try:
            async with asyncio.timeout(self._limits.seconds):
                outputs = await self._batcher.answer(
                    servable, request.signature, request.inputs, request.count
                )
        except TimeoutError:
            raise RefusedError(
                504,
                f"Expected outputs within {self._limits.seconds:g} seconds. Received: "
                "none. Try again later, or send fewer images.",
            ) from None
        if "error" in outputs:
            self._metrics.unreadable(int(np.count_nonzero(outputs["error"] != b"")))
        return outputs

    async def _off_loop(
        self, long: bool, function: Callable[[*Args], Result], *arguments: *Args
    ) -> Result:
        """Call a function, in a thread of its own if it takes long."""
        if not long:
            return function(*arguments)
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._reader, function, *arguments)

    def _current(self) -> Servable:
        servable = self._versions.current
        assert servable is not None, "the first version is loaded before any request"
        return servable

    def _servable(self, name: str, version: str | None) -> Servable:
        self._check_name(name)
        servable = self._current()
        if version is not None and _number(version) != servable.version:
            raise self._unknown(version)
        return servable

    def _check_name(self, name: str) -> None:
        if name != self.name:
            raise RefusedError(
                404, f"Expected the model {self.name!r}. Received: {name[:100]!r}"
            )

    def _unknown(self, version: str) -> RefusedError:
        return RefusedError(
            404,
            f"Expected version {self._current().version} of {self.name}, the only one "
            f"that is served. Received: {version[:100]!r}",
        )


def _why_none_is_read(outputs: Outputs, count: int) -> str:
    """Return the error where none of so many images can be read; else an empty text."""
    errors = outputs.get("error", np.array([]))
    if errors.dtype.kind not in "OS" or not all(errors):
        return ""
    wanted = "an" if count == 1 else "at least one"
    first = errors[0].decode("utf-8", "replace")
    more = "" if count == 1 else f", the first of {count} images"
    return f"Expected {wanted} image file that can be read. Received: {first}{more}"


def _number(version: str) -> int:
    """Return a version's number; -1 for a text that is not one."""
    known = version.isascii() and version.isdigit() and len(version) < 20
    return int(version) if known else -1
