#!/usr/bin/env bash
# keras.metrics.AUC counts at 200 thresholds that are evenly spread over [0, 1]. For a rare
# label, whose probabilities all lie below a few hundredths as in multi-label chest X-rays,
# most images fall between two of them: the metric says 0.71 where the area is 0.946, and 0.40
# where average precision is 0.57. One would guess an error in the third digit.
# multi_label=True counts a label that no image has as an area of 0, and takes the mean over it.
# Seen with Keras 3.15.1 beside scikit-learn 1.9.0.
set -euo pipefail
room=$(mktemp -d)
trap 'rm -rf "$room"' EXIT
python3 -m venv "$room/venv"
"$room/venv/bin/pip" install -q --disable-pip-version-check \
  keras==3.15.1 jax==0.10.2 jaxlib==0.10.2 scikit-learn==1.9.0 numpy==2.4.6
KERAS_BACKEND=jax "$room/venv/bin/python" - <<'PY'
import keras
import numpy as np
from sklearn.metrics import average_precision_score, roc_auc_score

rng = np.random.default_rng(0)
truth = (rng.random(4000) < 0.02).astype("float32")
logits = rng.normal(size=4000) + 2.5 * truth - 8
probabilities = (1 / (1 + np.exp(-logits))).astype("float32")


def keras_area(truth, probabilities, **options):
    metric = keras.metrics.AUC(**options)
    metric.update_state(truth, probabilities)
    return float(metric.result())


roc, exact_roc = keras_area(truth, probabilities), roc_auc_score(truth, probabilities)
pr = keras_area(truth, probabilities, curve="PR")
exact_pr = average_precision_score(truth, probabilities)
print(f"largest probability {probabilities.max():.3f}")
print(f"area under ROC {roc:.3f}, exactly {exact_roc:.3f}")
print(f"area under precision and recall {pr:.3f}, exactly {exact_pr:.3f}")
assert exact_roc - roc > 0.2 and exact_pr - pr > 0.1

of_two = np.stack([truth, np.zeros_like(truth)], 1)
both = keras_area(
    of_two, np.stack([probabilities] * 2, 1), multi_label=True, num_labels=2
)
print(f"with a second label that no image has: {both:.3f}")
assert abs(both - roc / 2) < 1e-6
PY
