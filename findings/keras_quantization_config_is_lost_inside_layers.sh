#!/usr/bin/env bash
# A layer of one's own that keeps the dtype policies of its parts in its config saves and
# loads a model that Keras has quantised without an error.
# How its parts quantise activations is not in a policy but in each part's own
# quantization_config, which no policy holds: a model quantised for weights alone
# (activation_quantizer=None) comes back quantising activations too, with other outputs.
# One would guess that the policy says all, as it does for the default.
# Seen with Keras 3.15.1.
set -euo pipefail
room=$(mktemp -d)
trap 'rm -rf "$room"' EXIT
python3 -m venv "$room/venv"
"$room/venv/bin/pip" install -q --disable-pip-version-check \
  keras==3.15.1 jax==0.10.2 jaxlib==0.10.2 numpy==2.4.6
cd "$room"
KERAS_BACKEND=jax "$room/venv/bin/python" -W ignore - <<'PY'
import keras
import numpy as np
from keras.quantizers import Int8QuantizationConfig


@keras.saving.register_keras_serializable()
class Block(keras.layers.Layer):
    def __init__(self, inner_dtype=None, **kwargs):
        super().__init__(**kwargs)
        self.inner = keras.layers.Dense(32, dtype=inner_dtype, name="inner")

    def build(self, shape):
        self.inner.build(shape)

    def call(self, x):
        return self.inner(x)

    def get_config(self):
        policy = keras.dtype_policies.serialize(self.inner.dtype_policy)
        return super().get_config() | {"inner_dtype": policy}


x = np.random.default_rng(0).normal(size=(8, 32)).astype("float32")
for weights_alone in (False, True):
    model = keras.Sequential([keras.Input((32,)), Block(name="block")])
    options = {"activation_quantizer": None} if weights_alone else {}
    model.quantize("int8", config=Int8QuantizationConfig(**options))
    expected = model.predict(x, verbose=0)
    model.save("model.keras")
    loaded = keras.models.load_model("model.keras").predict(x, verbose=0)
    apart = np.abs(loaded - expected).max()
    print(f"{'weights alone' if weights_alone else 'by default'}: {apart:.1e} apart")
    assert (apart > 1e-3) == weights_alone
PY
