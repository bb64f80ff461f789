#!/usr/bin/env bash
# keras.ops.gelu is the tanh form by default (approximate=True), keras.activations.gelu and
# activation="gelu" the erf form (approximate=False). One would guess that the activation is
# the operation of the same name. A Vision Transformer whose MLP calls one where its weights
# were trained with the other is off by 1e-4 to 1e-3 in its logits, which no shape shows.
# Seen with Keras 3.15.1.
set -euo pipefail
room=$(mktemp -d)
trap 'rm -rf "$room"' EXIT
python3 -m venv "$room/venv"
"$room/venv/bin/pip" install -q --disable-pip-version-check \
  keras==3.15.1 jax==0.10.2 jaxlib==0.10.2 numpy==2.4.6
KERAS_BACKEND=jax "$room/venv/bin/python" - <<'PY'
import math

import keras
import numpy as np

x = np.linspace(-4, 4, 81).astype("float32")
erf = np.array([0.5 * v * (1 + math.erf(v / math.sqrt(2))) for v in x])
tanh = 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))
for name, function in (
    ("keras.ops.gelu", keras.ops.gelu),
    ("keras.activations.gelu", keras.activations.gelu),
    ('Activation("gelu")', keras.layers.Activation("gelu")),
):
    value = keras.ops.convert_to_numpy(function(x))
    apart = {"erf": np.abs(value - erf).max(), "tanh": np.abs(value - tanh).max()}
    form = min(apart, key=apart.get)
    print(f"{name}: the {form} form ({apart[form]:.1e}; the other is {max(apart.values()):.1e} off)")
    assert form == ("tanh" if "ops" in name else "erf") and apart[form] < 1e-6
PY
