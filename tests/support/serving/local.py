"""The server without a socket: its application, asked in this process."""

import asyncio
import base64
import json

import httpx

from keras_vit.serving.api import Api
from keras_vit.serving.app import build
from keras_vit.serving.batching import Batcher
from keras_vit.serving.folder import ModelFolder
from keras_vit.serving.limits import Limits
from keras_vit.serving.metrics import Metrics
from keras_vit.serving.versions import Versions

PREDICT = "/v1/models/pets:predict"


class Local:
    """A server of a model, whose answers are `httpx.Response`s.

    Args:
        folder: of a SavedModel's versions.
        current: a stand-in for the version in that folder.
    """

    def __init__(self, folder, current=None, host="127.0.0.1", origins=(), **limits):
        self.metrics, self.limits = Metrics(), Limits(**limits)
        folder = ModelFolder(folder)
        self.versions = versions = Versions(folder, self.metrics, self.limits.batch)
        if current is None:
            self.versions.load_first(0)
        else:
            self.versions.current = current
        self.batcher = batcher = Batcher(self.limits, self.metrics)
        self.api = Api(folder.name, versions, batcher, self.metrics, self.limits)
        self.app = build(self.api, self.metrics, self.limits, host, origins)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.batcher.close()

    def client(self):
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
        return httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8501")

    def ask(self, method, path, **options):
        async def one():
            async with self.client() as client:
                return await client.request(method, path, **options)

        return asyncio.run(one())

    def get(self, path):
        return self.ask("GET", path)

    def predict(self, path=PREDICT, **request):
        return self.ask("POST", path, json=request)

    def counted(self, name):
        """The value of a counter with its labels."""
        lines = self.get("/metrics").text.splitlines()
        return sum(float(x.split()[1]) for x in lines if x.startswith(f"{name} "))


def b64(data):
    return {"b64": base64.b64encode(data).decode()}


def error_in(response, status):
    """The words of an error, of which JSON is all there is."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/json"
    told = json.loads(response.text)
    assert set(told) == {"error"}
    return told["error"]
