#!/usr/bin/env bash
# keras.layers.BatchNormalization(synchronized=True) takes the variance as the mean square less
# the square of the mean, in float32, and does so on one device too, where nothing is
# synchronized. Of features whose mean is large beside their deviation it loses the variance:
# with mean 3,000 and deviation 0.1 the outputs are off by a factor, or not normalised at all.
# Without the argument the same layer subtracts the mean first and is right. One would guess
# that on one device the argument changes nothing.
# Seen with Keras 3.15.1 on TensorFlow 2.21.0.
set -euo pipefail
room=$(mktemp -d)
trap 'rm -rf "$room"' EXIT
python3 -m venv "$room/venv"
"$room/venv/bin/pip" install -q --disable-pip-version-check \
  keras==3.15.1 tensorflow==2.21.0 numpy==2.4.6
KERAS_BACKEND=tensorflow TF_CPP_MIN_LOG_LEVEL=3 "$room/venv/bin/python" -W ignore - <<'PY'
import keras
import numpy as np

rng = np.random.default_rng(0)
deviations = {}
for mean in (0, 30, 3000):
    x = rng.normal(mean, 0.1, (4096, 4)).astype("float32")
    for synchronized in (False, True):
        layer = keras.layers.BatchNormalization(
            epsilon=1e-5, synchronized=synchronized
        )
        y = np.asarray(layer(x, training=True))
        deviations[mean, synchronized] = y.std(0)
        print(f"mean {mean}, synchronized={synchronized}: deviation", y.std(0).round(3))
for mean in (0, 30, 3000):
    assert np.allclose(deviations[mean, False], 1, atol=0.01)
assert np.allclose(deviations[0, True], 1, atol=0.01)
assert not np.allclose(deviations[3000, True], 1, atol=0.2)
PY
