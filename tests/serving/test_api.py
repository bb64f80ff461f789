"""TensorFlow Serving's requests, answered as it answers them."""

import asyncio
import importlib
import json
import pathlib
import shutil
import threading
import types

import numpy as np
import pytest
from google.protobuf import json_format

from keras_vit.serving.versions import State
from support.serving import stand_in
from support.serving.local import PREDICT, Local, b64, error_in

EXAMPLE = pathlib.Path(__file__).parents[2] / "examples" / "serving"
MODEL = "/v1/models/pets"
RED, BLUE = (250, 10, 20), (5, 30, 200)


def check(prediction, colour):
    """Compares a prediction with what NumPy says of a colour."""
    logits = stand_in.logits_of(colour)
    shares = stand_in.probabilities_of(logits)
    best = np.argsort(-shares)[: stand_in.TOP]
    assert set(prediction) == {"classes", "probabilities", "logits", "error"}
    assert prediction["classes"] == [stand_in.CLASSES[index] for index in best]
    np.testing.assert_allclose(prediction["logits"], logits, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(prediction["probabilities"], shares[best], atol=1e-5)
    assert prediction["error"] == ""


@pytest.mark.parametrize("path", [PREDICT, MODEL + "/versions/1:predict"])
@pytest.mark.parametrize("named", [False, True])
def test_rows_are_answered_by_rows(local, path, named):
    files = [b64(stand_in.png(colour)) for colour in (RED, BLUE, RED)]
    rows = [{"image_bytes": one} for one in files] if named else files
    told = local.predict(path, instances=rows)
    assert told.status_code == 200
    assert told.headers["content-type"] == "application/json"
    assert list(told.json()) == ["predictions"]
    for prediction, colour in zip(
        told.json()["predictions"], (RED, BLUE, RED), strict=True
    ):
        check(prediction, colour)


@pytest.mark.parametrize("named", [False, True])
def test_columns_are_answered_by_columns(local, named):
    files = [b64(stand_in.png(colour)) for colour in (RED, BLUE)]
    told = local.predict(inputs={"image_bytes": files} if named else files)
    assert list(told.json()) == ["outputs"]
    columns = told.json()["outputs"]
    for row, colour in enumerate((RED, BLUE)):
        check({name: column[row] for name, column in columns.items()}, colour)


def test_an_image_that_cannot_be_read_is_named_and_the_others_are_answered(local):
    good = b64(stand_in.png(RED))
    before = local.counted("keras_vit_unreadable_images_total")
    told = local.predict(instances=[good, b64(b"GIF89a"), good])
    assert told.status_code == 200
    first, bad, last = told.json()["predictions"]
    check(first, RED)
    check(last, RED)
    assert bad["error"] == stand_in.NOT_AN_IMAGE
    assert (bad["classes"], bad["logits"]) == ([""] * 5, [0.0] * 7)
    assert local.counted("keras_vit_unreadable_images_total") == before + 1


@pytest.mark.parametrize("file", [b"", b"no image", b"\xff\xd8"])
def test_a_single_image_that_cannot_be_read_is_refused_with_the_reason(local, file):
    before = local.counted("keras_vit_unreadable_images_total")
    told = local.predict(instances=[b64(file)])
    assert told.status_code == 400
    assert told.json()["error"] == (
        f"Expected an image file that can be read. Received: {stand_in.NOT_AN_IMAGE}"
    )
    assert local.counted("keras_vit_unreadable_images_total") == before + 1


@pytest.mark.parametrize("signature", ["serving_default", "attention"])
def test_where_no_image_can_be_read_each_is_still_told_of(local, signature):
    bomb = bytearray(stand_in.png(RED))
    bomb[16:24] = (30_000).to_bytes(4, "big") * 2
    asked = {"signature_name": signature, "instances": [b64(bytes(bomb)), b64(b"?")]}
    told = local.predict(**asked)
    assert told.status_code == 400
    assert told.json()["error"] == (
        "Expected at least one image file that can be read. Received: "
        f"{stand_in.TOO_LARGE}, the first of 2 images"
    )
    errors = [row["error"] for row in told.json()["predictions"]]
    assert errors == [stand_in.TOO_LARGE, stand_in.NOT_AN_IMAGE]
    told = local.predict(signature_name=signature, inputs=asked["instances"])
    assert (told.status_code, told.json()["outputs"]["error"]) == (400, errors)


def test_the_examples_client_tells_of_each_image_whether_one_can_be_read_or_none(
    local, monkeypatch
):
    monkeypatch.syspath_prepend(EXAMPLE)
    client = importlib.import_module("client_rest")
    session = types.SimpleNamespace(
        post=lambda url, json, timeout: local.ask("POST", url, json=json)
    )
    for good in ([stand_in.png(RED)], []):
        rows = client.classify([b"?", b"", *good], "", "pets", session=session)
        assert [row["error"] for row in rows[:2]] == [stand_in.NOT_AN_IMAGE] * 2
        for row in rows[2:]:
            check(row, RED)


def test_images_of_too_many_pixels_together_are_refused_before_any_is_run(pets, held):
    file = b64(stand_in.png(RED, size=(50, 40)))
    with Local(pets, held, pixels=3 * 50 * 40) as local:
        message = error_in(local.predict(instances=[file] * 4), 413)
        assert "at most 6,000 pixels together. Received: 8,000" in message
        assert not held.running.is_set()
        held.let.set()
        assert local.predict(instances=[file] * 3).status_code == 200


def test_a_file_on_which_the_model_fails_fails_alone(local):
    broken = stand_in.png(RED, size=(50, 50))[:60]  # which the stand-in believes
    told = local.predict(instances=[b64(broken)])
    assert "The model failed: " in error_in(told, 500)

    async def both():
        async with local.client() as client:
            return await asyncio.gather(
                *(
                    client.post(PREDICT, json={"instances": [b64(file)]})
                    for file in (stand_in.png(BLUE), broken, stand_in.png(RED))
                )
            )

    first, bad, last = asyncio.run(both())
    assert (first.status_code, bad.status_code, last.status_code) == (200, 500, 200)
    check(first.json()["predictions"][0], BLUE)


def test_pixels_are_answered_like_the_file_of_them(local):
    shape = (stand_in.HEIGHT, stand_in.WIDTH, 3)
    images = np.stack([np.full(shape, RED), np.full(shape, BLUE)])
    for signature in ("pixels", "pixels_uint8"):
        told = local.predict(signature_name=signature, instances=images.tolist())
        for row, colour in zip(told.json()["predictions"], (RED, BLUE), strict=True):
            logits = stand_in.logits_of(colour)
            np.testing.assert_allclose(row["logits"], logits, rtol=1e-4, atol=1e-4)
            shares = stand_in.probabilities_of(logits)
            np.testing.assert_allclose(row["probabilities"], shares, atol=1e-5)


def test_a_signature_with_one_output_gives_it_without_its_name(local):
    image = np.full((stand_in.HEIGHT, stand_in.WIDTH, 3), RED)
    told = local.predict(signature_name="features", instances=[image.tolist()])
    np.testing.assert_allclose(told.json()["predictions"], [RED], rtol=1e-5)


def test_a_file_that_is_the_body_itself_is_answered_like_one_in_json(local):
    told = local.ask("POST", PREDICT, content=stand_in.png(RED))
    (prediction,) = told.json()["predictions"]
    check(prediction, RED)
    damaged = local.ask("POST", PREDICT, content=b"GIF89a")
    assert damaged.json()["error"].endswith(stand_in.NOT_AN_IMAGE)
    assert damaged.status_code == 400


def test_attention_is_told_with_the_part_of_the_picture_it_is_of(local):
    file = b64(stand_in.png((255, 255, 255), size=(40, 20)))
    told = local.predict(signature_name="attention", instances=[file])
    (row,) = told.json()["predictions"]
    np.testing.assert_allclose(row["window"], [0, 0.25, 1, 0.5], atol=1e-6)
    np.testing.assert_allclose(row["attention"], np.ones((4, 4)), atol=1e-5)


def official(text, message):
    """A message of TensorFlow Serving's protocol, parsed strictly."""
    return json_format.Parse(text, message)


def test_the_status_is_tensorflow_servings_message(local):
    for path in (MODEL, MODEL + "/versions/1"):
        assert local.get(path).json() == {
            "model_version_status": [
                {
                    "version": "1",
                    "state": "AVAILABLE",
                    "status": {"error_code": "OK", "error_message": ""},
                }
            ]
        }


def test_every_state_of_a_version_is_tensorflow_servings(pets):
    status = pytest.importorskip("tensorflow_serving.apis.get_model_status_pb2")
    with Local(pets) as local:
        local.versions.states = {
            3: State("LOADING"),
            2: State("END", "INTERNAL", "it is cut short"),
            1: State("AVAILABLE"),
        }
        text = local.get(MODEL).text
    told = official(text, status.GetModelStatusResponse()).model_version_status
    states = status.ModelVersionStatus.State
    assert [(one.version, states.Name(one.state)) for one in told] == [
        (3, "LOADING"),
        (2, "END"),
        (1, "AVAILABLE"),
    ]
    assert told[1].status.error_message == "it is cut short"
    assert told[1].status.error_code == 13  # INTERNAL in google.rpc.Code


def test_the_metadata_is_tensorflow_servings_message(local):
    metadata = pytest.importorskip("tensorflow_serving.apis.get_model_metadata_pb2")
    model = pytest.importorskip("tensorflow_serving.apis.model_pb2")
    told = local.get(MODEL + "/metadata").json()
    assert set(told) == {"model_spec", "metadata"}
    spec = official(json.dumps(told["model_spec"]), model.ModelSpec())
    assert (spec.name, spec.version.value) == ("pets", 1)
    assert set(told["metadata"]) == {"signature_def"}
    text = json.dumps(told["metadata"]["signature_def"])
    signatures = official(text, metadata.SignatureDefMap()).signature_def
    taken = signatures["serving_default"].inputs["image_bytes"]
    assert (taken.dtype, [dim.size for dim in taken.tensor_shape.dim]) == (7, [-1])
    taken = signatures["pixels"].inputs["images"]
    assert (taken.dtype, [dim.size for dim in taken.tensor_shape.dim]) == (
        1,
        [-1, stand_in.HEIGHT, stand_in.WIDTH, 3],
    )
    assert signatures["pixels"].method_name == "tensorflow/serving/predict"
    assert local.get(MODEL + "/versions/1/metadata").json() == told


@pytest.mark.parametrize("verb", ["classify", "regress"])
def test_what_the_model_has_no_signature_for_is_refused_in_words(local, verb):
    told = local.ask("POST", f"{MODEL}:{verb}", json={"examples": [{"x": 1}]})
    assert "Expected :predict" in error_in(told, 400)


@pytest.mark.parametrize(
    ("method", "path", "status", "message"),
    [
        ("POST", "/v1/models/dogs:predict", 404, "the model 'pets'. Received: 'dogs'"),
        ("GET", "/v1/models/dogs", 404, "the model 'pets'"),
        ("GET", "/v1/models/dogs/metadata", 404, "the model 'pets'"),
        ("POST", MODEL + "/versions/7:predict", 404, "version 1 of pets"),
        ("POST", MODEL + "/versions/x:predict", 404, "version 1 of pets"),
        ("POST", MODEL + f"/versions/{10**30}:predict", 404, "version 1 of pets"),
        ("GET", MODEL + "/versions/7", 404, "version 1 of pets"),
        ("GET", MODEL + "/versions/7/metadata", 404, "version 1 of pets"),
        ("POST", MODEL + ":explain", 404, "Expected :predict"),
        ("POST", MODEL + "/labels/new:predict", 404, "Expected /v1/models/<name>"),
        ("GET", "/v1/models", 404, "Expected /v1/models/<name>"),
        ("GET", "/nowhere", 404, "Received: GET /nowhere"),
        ("GET", MODEL + "/", 404, "Expected /v1/models/<name>"),
        ("GET", PREDICT, 405, "Expected POST"),
        ("GET", MODEL + "/versions/1:predict", 405, "Expected POST"),
        ("POST", MODEL, 405, "Expected GET"),
        ("DELETE", MODEL, 405, "Expected GET"),
        ("PUT", PREDICT, 405, "Expected POST"),
        ("POST", "/", 405, "Expected GET"),
    ],
)
def test_an_error_of_the_path_is_json_and_says_what_was_expected(
    local, method, path, status, message
):
    told = local.ask(method, path)
    assert message in error_in(told, status)
    if status == 405:
        assert told.headers["allow"]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "an empty body"),
        (b"instances=1", "a JSON object such as"),
        (b'{"instances": [{"b64": "?"}]}', "base64 for image 0"),
        (b'{"instances": [[[1, 2]]]}', "image_bytes of image 0"),
        (b'{"instances": [{"image": 1}]}', "instances[0] to have image_bytes"),
        (b'{"inputs": {}}', "'inputs' to have image_bytes"),
        (b"{}", "either 'instances' or 'inputs'"),
        (
            b'{"signature_name": "x", "instances": [1]}',
            "attention, features, pixels, pixels_uint8, serving_default",
        ),
        (
            b'{"signature_name": "pixels", "instances": [[[1, 2]]]}',
            "float32 (6, 8, 3) for each image. Received: the shape (1, 2)",
        ),
        (
            b'{"signature_name": "pixels", "instances": ["red"]}',
            "float32 (6, 8, 3) for each image. Received: a string",
        ),
    ],
)
def test_a_request_that_is_wrong_is_refused_in_words(local, body, message):
    told = local.ask("POST", PREDICT, content=body)
    assert message in error_in(told, 400)


def test_too_many_images_are_refused(pets):
    with Local(pets, images=3) as local:
        file = b64(stand_in.png(RED))
        assert local.predict(instances=[file] * 3).status_code == 200
        message = error_in(local.predict(instances=[file] * 4), 413)
        assert "at most 3 images" in message


class Chunks:
    """A body that is sent piece by piece, and counts the pieces."""

    def __init__(self, count, size=2**16):
        self.left, self.size = count, size

    async def __aiter__(self):
        while self.left:
            self.left -= 1
            yield b" " * self.size


def test_a_body_above_the_limit_is_refused_without_being_read(pets):
    with Local(pets, body=2**18) as local:
        chunks = Chunks(1000)
        headers = {"content-length": str(1000 * 2**16)}
        told = local.ask("POST", PREDICT, content=chunks, headers=headers)
        message = error_in(told, 413)
        assert "at most 262144 bytes. Received: 65536000" in message
        told = local.ask("POST", PREDICT, content=b" " * 2**18)
        error_in(told, 400)


def test_a_body_of_unknown_length_is_refused_once_it_is_above_the_limit(pets):
    with Local(pets, body=2**18) as local:
        told = local.ask("POST", PREDICT, content=Chunks(1000))
        assert "at most 262144 bytes" in error_in(told, 413)


def test_bodies_are_refused_while_others_take_all_the_room(pets):
    body = json.dumps({"instances": [b64(stand_in.png(RED))]}).encode()
    with Local(pets, held=len(body) + 10) as local:

        async def scenario():
            async with local.client() as client:
                go_on = asyncio.Event()

                async def slow():
                    yield body[:-5]
                    await go_on.wait()
                    yield body[-5:]

                first = asyncio.ensure_future(client.post(PREDICT, content=slow()))
                while local.get_held() == 0:
                    await asyncio.sleep(0)
                refused = await client.post(PREDICT, content=body)
                go_on.set()
                return refused, await first, await client.post(PREDICT, content=body)

        local.get_held = lambda: local.api._bodies._held
        refused, first, again = asyncio.run(scenario())
        assert "of all requests together" in error_in(refused, 503)
        assert refused.headers["retry-after"] == "1"
        assert (first.status_code, again.status_code) == (200, 200)


class Held:
    """A version that answers once it is let."""

    def __init__(self, servable, batch_size=64):
        self.version, self.batch_size = servable.version, batch_size
        self.max_pixels = servable.max_pixels
        self.signatures, self.definitions = servable.signatures, servable.definitions
        self.running, self.let = threading.Event(), threading.Event()
        self._run = servable.run

    def run(self, signature, inputs):
        self.running.set()
        assert self.let.wait(30)
        return self._run(signature, inputs)


@pytest.fixture
def held(local):
    made = Held(local.versions.current)
    yield made
    made.let.set()


def test_others_are_answered_while_the_model_runs(pets, held):
    with Local(pets, held) as local:

        async def scenario():
            async with local.client() as client:
                request = {"instances": [b64(stand_in.png(RED))]}
                first = asyncio.ensure_future(client.post(PREDICT, json=request))
                assert await asyncio.to_thread(held.running.wait, 30)
                health = await client.get("/healthz")
                wrong = await client.post(PREDICT, json={})
                assert not first.done()
                held.let.set()
                return health, wrong, await first

        health, wrong, first = asyncio.run(scenario())
        assert health.json() == {"status": "ok", "model": "pets", "version": "1"}
        error_in(wrong, 400)
        check(first.json()["predictions"][0], RED)


def test_requests_that_wait_for_the_model_are_answered_by_one_batch(pets, held):
    with Local(pets, held) as local:
        colours = [(n, 2 * n, 255 - n) for n in range(64)]

        async def scenario():
            async with local.client() as client:

                def ask(colour):
                    request = {"instances": [b64(stand_in.png(colour))]}
                    return asyncio.ensure_future(client.post(PREDICT, json=request))

                first = ask(RED)
                assert await asyncio.to_thread(held.running.wait, 30)
                others = [ask(colour) for colour in colours]
                while local.batcher.waiting < 64:
                    await asyncio.sleep(0)
                held.let.set()
                await first
                return await asyncio.gather(*others)

        for told, colour in zip(asyncio.run(scenario()), colours, strict=True):
            check(told.json()["predictions"][0], colour)
        name = 'keras_vit_batch_images_{}{{signature="serving_default"}}'
        assert local.counted(name.format("count")) == 2
        assert local.counted(name.format("sum")) == 65


def test_a_full_queue_is_told_with_when_to_ask_again(pets, held):
    with Local(pets, held, waiting=2) as local:

        async def scenario():
            async with local.client() as client:
                request = {"instances": [b64(stand_in.png(RED))]}
                first = asyncio.ensure_future(client.post(PREDICT, json=request))
                assert await asyncio.to_thread(held.running.wait, 30)
                others = [
                    asyncio.ensure_future(client.post(PREDICT, json=request))
                    for _ in range(5)
                ]
                while sum(one.done() for one in others) < 3:
                    await asyncio.sleep(0)
                held.let.set()
                return await asyncio.gather(first, *others)

        answers = asyncio.run(scenario())
        refused = [one for one in answers if one.status_code != 200]
        assert len(refused) == 3
        for one in refused:
            assert "wait already" in error_in(one, 503)
            assert one.headers["retry-after"] == "1"


def test_an_answer_that_takes_too_long_is_given_up(pets, held):
    with Local(pets, held, seconds=0.2) as local:
        told = local.predict(instances=[b64(stand_in.png(RED))])
        assert "within 0.2 seconds" in error_in(told, 504)
        held.let.set()


def test_a_request_is_answered_by_the_version_that_it_began_with(own_pets, second):
    with Local(own_pets) as local:
        held = local.versions.current = Held(local.versions.current)

        async def scenario():
            async with local.client() as client:
                request = {"instances": [b64(stand_in.png(RED))]}
                first = asyncio.ensure_future(client.post(PREDICT, json=request))
                assert await asyncio.to_thread(held.running.wait, 30)
                shutil.copytree(second, own_pets / "2")
                local.versions.poll()
                local.versions.poll()
                held.let.set()
                later = await client.post(PREDICT, json=request)
                gone = await client.post(MODEL + "/versions/1:predict", json=request)
                return await first, later, gone

        first, later, gone = asyncio.run(scenario())
        check(first.json()["predictions"][0], RED)
        newer = stand_in.logits_of(RED, bias=7.0)
        told = later.json()["predictions"][0]["logits"]
        np.testing.assert_allclose(told, newer, rtol=1e-4, atol=1e-4)
        assert "version 2 of pets" in error_in(gone, 404)
        assert local.get(MODEL).json()["model_version_status"] == [
            {
                "version": n,
                "state": s,
                "status": {"error_code": "OK", "error_message": ""},
            }
            for n, s in (("2", "AVAILABLE"), ("1", "END"))
        ]
        assert local.counted("keras_vit_model_version") == 2


def test_the_counters_are_prometheus_text(pets):
    from prometheus_client.parser import text_string_to_metric_families

    with Local(pets) as local:
        local.predict(instances=[b64(stand_in.png(RED)), b64(b"")])
        local.predict(instances=[])
        local.get("/nowhere")
        answer = local.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=")
    samples = {
        (one.name, *sorted(one.labels.values())): one.value
        for family in text_string_to_metric_families(answer.text)
        for one in family.samples
    }
    assert samples["keras_vit_requests_total", "200", "predict"] == 1
    assert samples["keras_vit_requests_total", "400", "predict"] == 1
    assert samples["keras_vit_requests_total", "404", "other"] == 1
    assert samples["keras_vit_predict_seconds_count",] == 2
    assert samples["keras_vit_batch_images_sum", "serving_default"] == 2
    assert samples["keras_vit_unreadable_images_total",] == 1
    assert samples["keras_vit_model_version",] == 1
    assert samples["keras_vit_model_load_failures_total",] == 0
    assert samples["keras_vit_waiting_images",] == 0
    assert samples["process_resident_memory_bytes",] > 10**7


def test_an_error_of_the_servers_own_is_json_and_tells_no_secrets(pets, monkeypatch):
    with Local(pets) as local:

        def fail():
            raise KeyError("/a/secret/path")

        monkeypatch.setattr(local.api, "health", fail)
        message = error_in(local.get("/healthz"), 500)
        assert message == "The server failed: KeyError"
