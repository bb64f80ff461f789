"""Requests run together, apart, in turn, and none waits for what will not come."""

import asyncio
import threading

import numpy as np
import pytest

from keras_vit.serving.batching import Batcher
from keras_vit.serving.limits import Limits, RefusedError
from keras_vit.serving.metrics import Metrics


class Recorder:
    """A model that notes its batches, and answers once it is let."""

    def __init__(self, batch_size=8):
        self.batch_size, self.batches = batch_size, []
        self.running, self.let = threading.Event(), threading.Event()
        self.let.set()

    def run(self, signature, inputs):
        (values,) = inputs.values()
        self.batches.append((signature, list(np.ravel(values))))
        self.running.set()
        assert self.let.wait(20)
        if b"poison" in self.batches[-1][1]:
            raise RuntimeError("cannot\nread this")
        doubled = np.array([one * 2 for one in values])
        return {"double": doubled}


@pytest.fixture
def batcher():
    made = Batcher(Limits(waiting=20, seconds=5), Metrics())
    yield made
    made.close()


async def busy(batcher, model):
    """A request that keeps the model until it is let."""
    model.let.clear()
    first = asyncio.ensure_future(batcher.answer(model, "s", {"x": [b"0"]}, 1))
    assert await asyncio.to_thread(model.running.wait, 20)
    return first


def ask(batcher, model, values, signature="s"):
    one = batcher.answer(model, signature, {"x": values}, len(values))
    return asyncio.ensure_future(one)


def test_what_gathers_while_the_model_runs_is_one_batch(batcher):
    async def scenario():
        model = Recorder()
        first = await busy(batcher, model)
        others = [ask(batcher, model, [b"%d" % n] * n) for n in (1, 2, 3)]
        await asyncio.sleep(0)
        assert batcher.waiting == 6
        model.let.set()
        told = await asyncio.gather(first, *others)
        assert [batch for _, batch in model.batches] == [
            [b"0"],
            [b"1", b"2", b"2", b"3", b"3", b"3"],
        ]
        assert [list(one["double"]) for one in told] == [
            [b"00"],
            [b"11"],
            [b"22"] * 2,
            [b"33"] * 3,
        ]
        assert batcher.waiting == 0

    asyncio.run(scenario())


def test_no_batch_is_larger_than_the_models_own(batcher):
    async def scenario():
        model = Recorder(batch_size=4)
        first = await busy(batcher, model)
        others = [ask(batcher, model, [b"a"] * n) for n in (3, 2, 2, 4, 1)]
        await asyncio.sleep(0)
        assert batcher.waiting == 12
        model.let.set()
        await asyncio.gather(first, *others)
        assert [len(batch) for _, batch in model.batches] == [1, 3, 4, 4, 1]

    asyncio.run(scenario())


def test_a_large_request_is_cut_and_put_together_again(batcher):
    async def scenario():
        model, values = Recorder(batch_size=4), np.arange(10, dtype=np.float32)
        told = await batcher.answer(model, "s", {"x": values}, 10)
        np.testing.assert_array_equal(told["double"], 2 * values)
        assert sorted(len(batch) for _, batch in model.batches) == [2, 4, 4]

    asyncio.run(scenario())


def test_signatures_and_versions_are_not_mixed_and_the_oldest_is_first(batcher):
    async def scenario():
        model, newer = Recorder(), Recorder()
        first = await busy(batcher, model)
        asked = [
            ask(batcher, model, [b"1"], "t"),
            ask(batcher, newer, [b"2"], "t"),
            ask(batcher, model, [b"3"]),
            ask(batcher, model, [b"4"], "t"),
        ]
        await asyncio.sleep(0)
        model.let.set()
        await asyncio.gather(first, *asked)
        assert model.batches == [("s", [b"0"]), ("t", [b"1", b"4"]), ("s", [b"3"])]
        assert newer.batches == [("t", [b"2"])]

    asyncio.run(scenario())


def test_numbers_are_batched_like_files(batcher):
    async def scenario():
        model = Recorder()
        first = await busy(batcher, model)
        images = [np.full((1, 2, 2), n, np.float32) for n in range(3)]
        asked = [ask(batcher, model, one, "pixels") for one in images]
        await asyncio.sleep(0)
        model.let.set()
        _, *told = await asyncio.gather(first, *asked)
        assert len(model.batches) == 2
        for image, one in zip(images, told, strict=True):
            np.testing.assert_array_equal(one["double"], 2 * image)

    asyncio.run(scenario())


def test_one_that_fails_takes_none_with_it(batcher, caplog):
    async def scenario():
        model = Recorder()
        first = await busy(batcher, model)
        asked = [ask(batcher, model, [one]) for one in (b"a", b"poison", b"b")]
        await asyncio.sleep(0)
        model.let.set()
        _, a, poison, b = await asyncio.gather(first, *asked, return_exceptions=True)
        assert (a["double"][0], b["double"][0]) == (b"aa", b"bb")
        assert isinstance(poison, RefusedError) and poison.status == 500
        assert poison.message == "The model failed: cannot read this"
        assert (await ask(batcher, model, [b"c"]))["double"][0] == b"cc"

    asyncio.run(scenario())
    assert "cannot read this" in caplog.text


def test_outputs_of_another_batch_are_an_error_not_an_answer(batcher):
    class Wrong(Recorder):
        def run(self, signature, inputs):
            return {"double": np.zeros(1)}

    async def scenario():
        with pytest.raises(RefusedError, match="Expected double of a batch of 2"):
            await batcher.answer(Wrong(), "s", {"x": [b"a", b"b"]}, 2)

    asyncio.run(scenario())


def test_a_full_queue_refuses_and_what_is_run_makes_room(batcher):
    async def scenario():
        model = Recorder()
        first = await busy(batcher, model)
        waiting = ask(batcher, model, [b"a"] * 20)
        await asyncio.sleep(0)
        with pytest.raises(RefusedError) as caught:
            await batcher.answer(model, "s", {"x": [b"b"]}, 1)
        assert caught.value.status == 503
        assert caught.value.headers == {"retry-after": "1"}
        model.let.set()
        await asyncio.gather(first, waiting)
        await batcher.answer(model, "s", {"x": [b"b"]}, 1)

    asyncio.run(scenario())


def test_what_nobody_waits_for_any_more_is_not_run(batcher):
    async def scenario():
        model = Recorder()
        first = await busy(batcher, model)
        gone, kept = ask(batcher, model, [b"gone"]), ask(batcher, model, [b"kept"])
        await asyncio.sleep(0)
        gone.cancel()
        await asyncio.sleep(0)
        model.let.set()
        await asyncio.gather(first, kept)
        assert model.batches[1:] == [("s", [b"kept"])]
        assert batcher.waiting == 0

    asyncio.run(scenario())


def test_closing_answers_what_waits():
    async def scenario():
        batcher, model = Batcher(Limits(), Metrics()), Recorder()
        first = await busy(batcher, model)
        waiting = ask(batcher, model, [b"a"])
        await asyncio.sleep(0)
        model.let.set()
        await asyncio.to_thread(batcher.close)
        assert (await waiting)["double"][0] == b"aa"
        await first
        with pytest.raises(RefusedError):
            await batcher.answer(model, "s", {"x": [b"b"]}, 1)

    asyncio.run(scenario())
