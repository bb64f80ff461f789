"""What is asked of a model -> what is answered, whatever carries it."""

import asyncio
import concurrent.futures

import numpy as np

from keras_vit.serving.body import Bodies
from keras_vit.serving.limits import RefusedError
from keras_vit.serving.pixels import check_pixels
from keras_vit.serving.request import read_request
from keras_vit.serving.response import response_body

LONG_BODY = 2**18  # bytes that are not read in the event loop's own thread
LONG_ANSWER = 2**14  # numbers that are not written there


class Api:
    """The requests of TensorFlow Serving for one model.

    Every method raises `RefusedError`, 404, for another model or version than the
    one that answers.

    Args:
        name: of the model.
        versions: a `Versions`.
        batcher: a `Batcher`.
        metrics: a `Metrics`.
        limits: a `Limits`.
    """

    def __init__(self, name, versions, batcher, metrics, limits):
        self.name = name
        self._versions, self._batcher = versions, batcher
        self._metrics, self._limits = metrics, limits
        self._bodies = Bodies(limits)
        self._reader = concurrent.futures.ThreadPoolExecutor(1, "reader")

    async def predict(self, name, version, length, chunks):
        """Answers a prediction.

        An image that cannot be read is no error of the request while another one
        can be: as with TensorFlow Serving, what is wrong with it stands in the
        output `error`. Where none can be read, the answer says so beside its rows.

        Args:
            name: the model that is asked for.
            version: its version as text, or `None`.
            length: bytes of the body, as the request says; `None` if nothing.
            chunks: an asynchronous iterator of the body's bytes.

        Returns:
            A status, 200, or 400 if no image can be read; and bytes of JSON.

        Raises:
            RefusedError: 400 for a request that is wrong, 413 for one too large,
                500 where the model fails, 503 with too much to do already, 504
                if there is no answer in time.
        """
        servable = self._servable(name, version)
        async with self._bodies.read(length, chunks) as body:
            request = await self._off_loop(
                len(body) > LONG_BODY, self._request, body, servable
            )
            outputs = await self._outputs(servable, request)
            error = _why_none_is_read(outputs, request.count)
            content = await self._off_loop(
                sum(one.size for one in outputs.values()) > LONG_ANSWER,
                response_body,
                outputs,
                request.count,
                request.by_row,
                error,
            )
            return 400 if error else 200, content

    def status(self, name, version):
        """Where one version stands, or every one that was loaded or tried."""
        self._check_name(name)
        states = self._versions.states
        if version is not None:
            number = _number(version)
            if number not in states:
                raise self._unknown(version)
            states = {number: states[number]}
        told = [
            {
                "version": str(number),
                "state": state.name,
                "status": {"error_code": state.code, "error_message": state.message},
            }
            for number, state in states.items()
        ]
        return {"model_version_status": told}

    def metadata(self, name, version):
        """The signatures, as the model's file has them."""
        servable = self._servable(name, version)
        spec = {
            "name": self.name,
            "signature_name": "",
            "version": str(servable.version),
        }
        definitions = {"signature_def": {"signature_def": servable.definitions}}
        return {"model_spec": spec, "metadata": definitions}

    def other_verb(self, name, version, verb):
        """Refuses what is no prediction."""
        self._servable(name, version)
        if verb in ("classify", "regress"):
            raise RefusedError(
                400, f"No signature is one for {verb}. Expected :predict in its place."
            )
        raise RefusedError(404, f"Expected :predict. Received: :{verb[:100]}")

    def health(self):
        """That there is a model, and which."""
        version = str(self._versions.current.version)
        return {"status": "ok", "model": self.name, "version": version}

    def counters(self):
        """The text for Prometheus."""
        return self._metrics.text(self._batcher.waiting)

    def _request(self, body, servable):
        request = read_request(body, servable.signatures, self._limits.images)
        check_pixels(request, self._limits.pixels, servable.max_pixels)
        return request

    async def _outputs(self, servable, request):
        try:
            async with asyncio.timeout(self._limits.seconds):
                outputs = await self._batcher.answer(
                    servable, request.signature, request.inputs, request.count
                )
        except TimeoutError:
            raise RefusedError(
                504, f"The model had no answer within {self._limits.seconds:g} seconds."
            ) from None
        if "error" in outputs:
            self._metrics.unreadable(np.count_nonzero(outputs["error"] != b""))
        return outputs

    async def _off_loop(self, long, function, *arguments):
        """Calls a function, in a thread of its own if it takes long."""
        if not long:
            return function(*arguments)
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._reader, function, *arguments)

    def _servable(self, name, version):
        self._check_name(name)
        servable = self._versions.current
        if version is not None and _number(version) != servable.version:
            raise self._unknown(version)
        return servable

    def _check_name(self, name):
        if name != self.name:
            raise RefusedError(
                404, f"Expected the model {self.name!r}. Received: {name[:100]!r}"
            )

    def _unknown(self, version):
        return RefusedError(
            404,
            f"Expected version {self._versions.current.version} of {self.name}, the "
            f"only one that answers. Received: {version[:100]!r}",
        )


def _why_none_is_read(outputs, count):
    """What is said where none of so many images can be read; else nothing."""
    errors = outputs.get("error", np.array([]))
    if errors.dtype.kind not in "OS" or not all(errors):
        return ""
    wanted = "an" if count == 1 else "at least one"
    first = errors[0].decode("utf-8", "replace")
    more = "" if count == 1 else f", the first of {count} images"
    return f"Expected {wanted} image file that can be read. Received: {first}{more}"


def _number(version):
    """A version's number; -1 for what is none."""
    known = version.isascii() and version.isdigit() and len(version) < 20
    return int(version) if known else -1
