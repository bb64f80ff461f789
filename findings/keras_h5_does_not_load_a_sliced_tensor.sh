#!/usr/bin/env bash
# A functional model that takes the class token as `tokens[:, 0]` is saved as .h5 without an
# error, and that file cannot be loaded ("Unknown layer: 'GetItem'"): the legacy format knows
# layers, and slicing made an operation. The same model as .keras loads. One would guess that
# saving fails, or loading works.
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

inputs = keras.Input((17, 8))
model = keras.Model(inputs, keras.layers.Dense(3)(inputs[:, 0]))
tokens = np.random.default_rng(0).normal(size=(2, 17, 8)).astype("float32")
expected = model.predict(tokens, verbose=0)
for suffix in ("keras", "h5"):
    model.save(f"model.{suffix}")
    try:
        loaded = keras.models.load_model(f"model.{suffix}").predict(tokens, verbose=0)
    except ValueError as error:
        print(f".{suffix}: saved, not loaded: {str(error)[:40]}")
        assert suffix == "h5" and "GetItem" in str(error)
    else:
        print(f".{suffix}: loaded, {np.abs(loaded - expected).max():.1e} apart")
        assert suffix == "keras", "an .h5 with a sliced tensor loads now"
PY
