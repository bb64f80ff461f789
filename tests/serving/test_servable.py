"""A version in memory: what it is run with, and what it says of itself."""

import json

import numpy as np
import pytest
import tensorflow as tf

from keras_vit.serving import warming
from keras_vit.serving.servable import Servable
from keras_vit.serving.warming import warm
from support.serving import stand_in

PICTURE = stand_in.png((200, 100, 50))


class Doubling(tf.Module):
    """Doubles what it is given, and is compiled for each size of a batch."""

    def __init__(self):
        super().__init__()
        self.factor = tf.Variable(2.0)

    @tf.function(input_signature=[tf.TensorSpec([None, 2], name="x")])
    def compiled(self, x):
        return {"y": self.inside(x)}

    @tf.function(jit_compile=True)
    def inside(self, x):
        return x * self.factor

    @tf.function(input_signature=[tf.TensorSpec([3], name="x")])
    def single(self, x):
        return {"y": x * self.factor}


def noted(servable, monkeypatch):
    """The signatures and sizes that the model's functions are called with."""
    seen = []
    for name, signature in servable.signatures.items():

        def call(name=name, before=signature.call, **tensors):
            seen.append((name, *(len(one) for one in tensors.values())))
            return before(**tensors)

        call.structured_outputs = signature.call.structured_outputs
        monkeypatch.setitem(vars(signature), "call", call)
    return seen


def test_what_is_compiled_is_run_in_few_sizes_all_of_them_warm(tmp_path, monkeypatch):
    model = Doubling()
    tf.saved_model.save(model, str(tmp_path / "1"), signatures=model.compiled)
    servable = Servable(tmp_path / "1", 1)
    assert servable.compiled
    seen = noted(servable, monkeypatch)
    warm(servable, batch_size=12)
    warmed = set(seen)
    assert warmed == {("serving_default", size) for size in (1, 2, 4, 8, 12)}
    for count in range(1, 13):
        values = np.arange(2 * count, dtype=np.float32).reshape(count, 2)
        told = servable.run("serving_default", {"x": values})
        np.testing.assert_array_equal(told["y"], 2 * values)
    assert set(seen) == warmed


def test_files_are_filled_up_like_numbers(pets, monkeypatch):
    servable = Servable(pets / "1", 1)
    assert not servable.compiled
    seen = noted(servable, monkeypatch)
    files = [PICTURE, b"no image", PICTURE]
    expected = servable.run("serving_default", {"image_bytes": files})
    servable.compiled, servable.batch_size = True, 4
    told = servable.run("serving_default", {"image_bytes": files})
    assert seen == [("serving_default", 3), ("serving_default", 4)]
    for name, value in expected.items():  # batches of 3 and of 4 may round otherwise
        if value.dtype.kind == "f":
            np.testing.assert_allclose(told[name], value, rtol=1e-6)
        else:
            np.testing.assert_array_equal(told[name], value)


@pytest.mark.parametrize(
    ("each", "size"), [(0.2, 1), (0.05, 2), (0.012, 8), (0.0001, 64)]
)
def test_a_batch_is_as_large_as_a_tenth_of_a_second_allows(
    pets, each, size, monkeypatch
):
    def seconds(servable, name, inputs):
        return each * len(inputs["image_bytes"])

    monkeypatch.setattr(warming, "_seconds", seconds)
    servable = Servable(pets / "1", 1)
    warm(servable)
    assert servable.batch_size == size


def recorded(path, requests):
    """Writes requests that a model is to be warmed with."""
    logs = pytest.importorskip("tensorflow_serving.apis.prediction_log_pb2")
    path.parent.mkdir()
    with tf.io.TFRecordWriter(str(path)) as writer:
        for signature, inputs in requests:
            log = logs.PredictionLog()
            request = log.predict_log.request
            request.model_spec.signature_name = signature
            for name, value in inputs.items():
                request.inputs[name].CopyFrom(tf.make_tensor_proto(value))
            writer.write(log.SerializeToString())


def test_the_models_own_requests_warm_it_up(own_pets, monkeypatch):
    images = np.ones((3, stand_in.HEIGHT, stand_in.WIDTH, 3), np.float32)
    requests = ("", {"image_bytes": [PICTURE] * 2}), ("pixels", {"images": images})
    recorded(own_pets / "1" / "assets.extra" / warming.RECORDED, requests)
    servable = Servable(own_pets / "1", 1)
    seen = noted(servable, monkeypatch)
    warm(servable, batch_size=5)
    assert seen[:2] == [("serving_default", 2), ("pixels", 3)]
    assert {(name, size) for name in servable.signatures for size in (1, 5)} <= set(
        seen
    )


def test_requests_that_are_cut_short_are_an_error(own_pets):
    file = own_pets / "1" / "assets.extra" / warming.RECORDED
    recorded(file, [("", {"image_bytes": [PICTURE]})])
    file.write_bytes(file.read_bytes()[:-5])
    with pytest.raises(tf.errors.DataLossError):
        warm(Servable(own_pets / "1", 1))


def test_a_model_without_batches_is_refused(tmp_path):
    model = Doubling()
    tf.saved_model.save(model, str(tmp_path / "1"), signatures=model.single)
    with pytest.raises(ValueError, match="no signature takes a batch of any size"):
        Servable(tmp_path / "1", 1)


def test_signatures_without_batches_are_left_out(tmp_path):
    model = Doubling()
    both = {"good": model.compiled, "single": model.single}
    tf.saved_model.save(model, str(tmp_path / "1"), signatures=both)
    assert list(Servable(tmp_path / "1", 1).signatures) == ["good"]


def test_what_the_models_file_says_of_its_signatures_is_kept(pets):
    servable = Servable(pets / "1", 1)
    assert json.dumps(servable.definitions)
    assert {*servable.signatures} < {*servable.definitions}
