#!/usr/bin/env bash
# timm's create_dataset reads a folder of classes by split. Where the folder has train/ and
# val/ but no test/, split="test" gives neither an error nor an empty set: it gives all
# images of train/ and val/ together, under the folders' classes, so that an evaluation
# "on the test split" is one on the images of training. So does any other word. One would
# guess an error, since split="validation" knows to look for val/.
# Seen with timm 1.0.31.
set -euo pipefail
room=$(mktemp -d)
trap 'rm -rf "$room"' EXIT
python3 -m venv "$room/venv"
"$room/venv/bin/pip" install -q --disable-pip-version-check \
  torch==2.14.1 torchvision==0.29.1 timm==1.0.31 numpy==2.4.6
"$room/venv/bin/python" -W ignore - "$room/pets" <<'PY'
import pathlib
import sys

import numpy as np
from PIL import Image
from timm.data import create_dataset

root = pathlib.Path(sys.argv[1])
rng = np.random.default_rng(0)
for split, count in (("train", 5), ("val", 2)):
    for name in ("cat", "dog"):
        folder = root / split / name
        folder.mkdir(parents=True)
        for number in range(count):
            pixels = rng.integers(0, 255, (8, 8, 3), dtype="uint8")
            Image.fromarray(pixels).save(folder / f"{number}.png")

found = {}
for split in ("train", "validation", "test", "holdout"):
    data = create_dataset("", str(root), split=split)
    found[split] = len(data), sorted(data.reader.class_to_idx)
    print(split, *found[split])
assert found["train"] == (10, ["cat", "dog"])
assert found["validation"] == (4, ["cat", "dog"])
assert found["test"] == found["holdout"] == (14, ["cat", "dog"])
PY
