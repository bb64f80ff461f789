#!/usr/bin/env bash
# keras.optimizers.LossScaleOptimizer, which compile() adds under mixed_float16, skips a step
# whose scaled gradient overflows: that is how it finds its scale. Under MirroredStrategy it
# decides before the gradients are summed, by the first replica's alone. An overflow on that one
# skips the step; the same image on the other replica makes every weight infinite at once, and
# the scale stays as it was. A comment in its source says that all replicas see the sum there.
# Seen with Keras 3.15.1 and TensorFlow 2.21.0.
set -euo pipefail
room=$(mktemp -d)
trap 'rm -rf "$room"' EXIT
python3 -m venv "$room/venv"
"$room/venv/bin/pip" install -q --disable-pip-version-check \
  keras==3.15.1 tensorflow==2.21.0
TF_CPP_MIN_LOG_LEVEL=3 "$room/venv/bin/python" - 2>"$room/log" <<'PY' || { cat "$room/log"; exit 1; }
import keras
import numpy as np
import tensorflow as tf

[cpu] = tf.config.list_physical_devices("CPU")
two = [tf.config.LogicalDeviceConfiguration()] * 2
tf.config.set_logical_device_configuration(cpu, two)
keras.config.set_dtype_policy("mixed_float16")


def one_step(strategy, place):
    """Fit four rows at once, of which the one at a place is thirty times as large."""
    with strategy.scope():
        inputs = keras.Input((4,))
        model = keras.Sequential([inputs, keras.layers.Dense(1, kernel_initializer="ones")])
        model.compile(keras.optimizers.SGD(1e-3), "mse", jit_compile=False)
    rows, targets = np.ones((4, 4), np.float32), np.full((4, 1), 3.9, np.float32)
    rows[place], targets[place] = 30, 0
    model.fit(rows, targets, batch_size=4, shuffle=False, verbose=0)
    weights = model.get_weights()[0].ravel()
    return weights, float(model.optimizer.dynamic_scale.numpy())


alone = tf.distribute.get_strategy()
mirrored = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
for name, strategy in (("one device", alone), ("two replicas", mirrored)):
    for place in (0, 3):
        weights, scale = one_step(strategy, place)
        print(f"{name}, the large row at {place}: weights {weights}, scale {scale:,.0f}")
        if (name, place) == ("two replicas", 3):
            assert not np.isfinite(weights).any() and scale == 2**15
        else:
            assert (weights == 1).all() and scale == 2**14
PY
