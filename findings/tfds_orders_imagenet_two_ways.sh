#!/usr/bin/env bash
# TensorFlow Datasets has the same 1,000 classes of ImageNet in two orders: imagenet2012 sorts
# them by WordNet id, as every published head does, imagenet_resized (32 x 32 and 64 x 64) has
# the order of the downsampled release's own list, and no class has the same number in both.
# A model of ImageNet that is evaluated on imagenet_resized by the integers of its labels is
# at chance. One would guess that one library numbers one set of classes once; the names of
# the labels, which are WordNet ids in both, tell them apart.
# Seen with tensorflow-datasets 4.9.10.
set -euo pipefail
room=$(mktemp -d)
trap 'rm -rf "$room"' EXIT
python3 -m venv "$room/venv"
"$room/venv/bin/pip" install -q --disable-pip-version-check --no-deps \
  tensorflow-datasets==4.9.10
"$room/venv/bin/python" -W ignore - <<'PY'
import importlib.util
import pathlib

# The lists are read as files, since to build either takes the images.
(place,) = importlib.util.find_spec("tensorflow_datasets").submodule_search_locations
resized, full = (
    (pathlib.Path(place) / name).read_text().split()
    for name in (
        "image_classification/imagenet_resized_labels.txt",
        "datasets/imagenet2012/labels.txt",
    )
)
alike = sum(a == b for a, b in zip(full, resized, strict=True))
print("class 0:", full[0], "in imagenet2012,", resized[0], "in imagenet_resized")
print(f"{len({*full} & {*resized})} classes in both, {alike} of them by the same number")
assert full == sorted(full) and {*full} == {*resized} and alike == 0
PY
