#!/usr/bin/env bash
# With gradient_accumulation_steps=k, a Keras optimizer updates once in k batches and its
# `iterations` count updates, yet a learning-rate schedule is asked for the number of batches:
# warm-up and decay are over after a k-th of the updates they were written for. The average
# of use_ema is taken after every batch too, so that a momentum m acts as m ** k. One would
# guess that both go by updates, as the optimizer's `iterations` does, and that k small batches
# train as one large batch.
# Seen with Keras 3.15.1.
set -euo pipefail
room=$(mktemp -d)
trap 'rm -rf "$room"' EXIT
python3 -m venv "$room/venv"
"$room/venv/bin/pip" install -q --disable-pip-version-check \
  keras==3.15.1 jax==0.10.2 jaxlib==0.10.2 numpy==2.4.6
KERAS_BACKEND=jax "$room/venv/bin/python" -W ignore - <<'PY'
import keras
import numpy as np

UPDATES = 8


def trained(parts, rate, **options):
    """A weight after 8 updates of gradient 1, each of so many parts, and its optimizer."""
    weight = keras.Variable(np.zeros(1, "float32"))
    optimizer = keras.optimizers.SGD(rate, gradient_accumulation_steps=parts, **options)
    optimizer.build([weight])
    for _ in range(UPDATES * (parts or 1)):
        optimizer.apply([keras.ops.ones(1)], [weight])
    assert int(optimizer.iterations) == UPDATES
    return float(weight.numpy()[0]), optimizer


# Rate 1 for four updates, then 0.
rate = keras.optimizers.schedules.PiecewiseConstantDecay([3.5], [1.0, 0.0])
moved = {parts: -trained(parts, rate)[0] for parts in (None, 2, 4)}
print(f"updates at rate 1 of the 4 scheduled, by parts: {moved}")
assert moved == {None: 4, 2: 2, 4: 1}

averages = {}
for parts in (None, 4):
    weight, optimizer = trained(parts, 1.0, use_ema=True, ema_momentum=0.9)
    assert weight == -UPDATES
    optimizer.finalize_variable_values(kept := optimizer._trainable_variables)
    averages[parts] = float(kept[0].numpy()[0])
print(f"average of weights that went 0 to -8, by parts: {averages}")
assert averages[4] < averages[None] - 1.5
PY
