#!/usr/bin/env bash
# keras.layers.AugMix chooses the operations of its chains by Python's `random`. In a graph,
# as in Dataset.map and model.fit, that happens once, when the graph is made: every image of
# the run goes through the same operations, and another graph has others, whatever the
# layer's `seed` is. One would guess that a layer with a `seed` draws by it.
# Seen with Keras 3.15.1 on TensorFlow 2.21: two graphs of one layer with one seed differ.
set -euo pipefail
room=$(mktemp -d)
trap 'rm -rf "$room"' EXIT
python3 -m venv "$room/venv"
"$room/venv/bin/pip" install -q --disable-pip-version-check \
  keras==3.15.1 tensorflow-cpu==2.21.0 numpy==2.4.6
TF_CPP_MIN_LOG_LEVEL=3 "$room/venv/bin/python" - <<'PY'
import keras
import numpy as np
import tensorflow as tf

image = np.linspace(0, 255, 16 * 16 * 3, dtype="float32").reshape(1, 16, 16, 3)


def first(layer):
    """The first image that a new stream with this seed gives."""
    stream = tf.data.Dataset.from_tensors(image).repeat(3)
    return next(iter(stream.map(lambda x: layer(x, training=True)))).numpy()


def kinds(name, **options):
    layers = [getattr(keras.layers, name)(seed=1, **options) for _ in range(8)]
    return len({first(layer).tobytes() for layer in layers})


for name, options, expected in (
    ("RandomContrast", {"factor": 0.5}, lambda n: n == 1),
    ("AugMix", {}, lambda n: n > 1),
):
    found = kinds(name, **options)
    print(f"{name}(seed=1), 8 graphs: {found} different first images")
    assert expected(found), name
PY
