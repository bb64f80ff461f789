#!/usr/bin/env bash
# datumaro's "imagenet" export, a folder for each class, writes the images of train, val and
# test into the same folders, and an image of two classes into both. Who trains on the result
# tests on training images and learns contradictory labels, without a word. One would guess a
# refusal, or folders of splits, for which the exporter has another name
# ("imagenet_with_subset_dirs").
# Seen with datumaro 1.13.12.
set -euo pipefail
room=$(mktemp -d)
trap 'rm -rf "$room"' EXIT
python3 -m venv "$room/venv"
"$room/venv/bin/pip" install -q --disable-pip-version-check datumaro==1.13.12
cd "$room"
"$room/venv/bin/python" -W ignore - <<'PY'
import pathlib

import datumaro
import numpy as np
from datumaro.components.media import Image

pixels = np.zeros((8, 8, 3), "uint8")
items = [
    datumaro.DatasetItem(
        id=f"{subset}_{number}",
        subset=subset,
        media=Image.from_numpy(data=pixels),
        annotations=[datumaro.Label(label) for label in labels],
    )
    for subset in ("train", "test")
    for number, labels in enumerate(([0], [1], [0, 1]))
]
dataset = datumaro.Dataset.from_iterable(items, categories=["cat", "dog"])
dataset.export("out", "imagenet", save_media=True)
files = sorted(str(path.relative_to("out")) for path in pathlib.Path("out").rglob("*.*"))
print(*files, sep="\n")
names = {path.rpartition("/")[2].split(".")[0] for path in files}
assert len(names) == 6, "all images of both splits"
assert {path.split("/")[0] for path in files} == {"cat", "dog"}, "no folder of a split"
assert len(files) == 8, "the images of two classes are in both"
PY
