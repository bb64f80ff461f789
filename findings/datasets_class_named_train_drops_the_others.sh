#!/usr/bin/env bash
# load_dataset("imagefolder") looks for the words train, test, eval, validation and the like
# in the paths before it looks for classes. One class folder called so ("train" of COCO and
# CIFAR-100, or "test_tube", "high_speed_train", since parts of a name count) becomes the
# whole data set: the images of every other class are left out, the labels too, and nothing
# is said. "trains" does no harm. One would guess a label for each folder, or an
# error.
# Seen with datasets 5.2.0.
set -euo pipefail
room=$(mktemp -d)
trap 'rm -rf "$room"' EXIT
python3 -m venv "$room/venv"
"$room/venv/bin/pip" install -q --disable-pip-version-check \
  datasets==5.2.0 pillow==13.0.0 numpy==2.4.6
cd "$room"
HF_HOME="$room/hf" HF_HUB_OFFLINE=1 "$room/venv/bin/python" -W ignore - <<'PY'
from pathlib import Path

import datasets
from PIL import Image

datasets.disable_progress_bars()
for third, split in (
    ("van", None),
    ("trains", None),
    ("train", "train"),
    ("high_speed_train", "train"),
    ("test_tube", "test"),
    ("validation", "validation"),
):
    root = Path(f"with_{third}")
    for name in ("bus", "car", third):
        (root / name).mkdir(parents=True)
        for number in range(4):
            Image.new("RGB", (8, 8)).save(root / name / f"{number}.png")
    found = datasets.load_dataset("imagefolder", data_dir=str(root))
    seen = {one: (len(rows), "label" in rows.features) for one, rows in found.items()}
    print(f"bus, car, {third}: images and labels {seen}")
    assert seen == ({"train": (12, True)} if split is None else {split: (4, False)})
PY
