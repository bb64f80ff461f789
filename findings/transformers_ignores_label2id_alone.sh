#!/usr/bin/env bash
# A configuration of transformers that is given the names of classes as label2id alone drops
# them: three names become LABEL_0 and LABEL_1, and the model gets a head of two classes.
# Names that come as id2label, of which one is the same for two classes, as crane is twice
# among ImageNet's, stay three, but label2id is not made of them and is not saved. Where
# num_labels is stated too and differs, the number counts and every name is lost. One would
# guess that either map alone is enough, since each is the other turned around.
# Seen with transformers 5.24.0.
set -euo pipefail
room=$(mktemp -d)
trap 'rm -rf "$room"' EXIT
python3 -m venv "$room/venv"
"$room/venv/bin/pip" install -q --disable-pip-version-check transformers==5.24.0 numpy==2.4.6
"$room/venv/bin/python" -W ignore - <<'PY'
from transformers import ViTConfig

alone = ViTConfig(label2id={"crane": 0, "cat": 1, "dog": 2})
print("label2id alone:", alone.num_labels, "classes,", alone.id2label)
assert alone.num_labels == 2
assert alone.id2label == {0: "LABEL_0", 1: "LABEL_1"}

other = ViTConfig(id2label={0: "crane", 1: "crane", 2: "cat"})
print("id2label alone:", other.num_labels, "classes, label2id", other.label2id)
assert other.num_labels == 3 and other.label2id is None

both = ViTConfig(num_labels=3, id2label={0: "cat", 1: "dog"})
print("num_labels=3 beside two names:", both.id2label)
assert both.id2label == {0: "LABEL_0", 1: "LABEL_1", 2: "LABEL_2"}
PY
