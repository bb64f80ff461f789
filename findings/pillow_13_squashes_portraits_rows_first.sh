#!/usr/bin/env bash
# Pillow 13 resizes rows before columns where the height shrinks by more than twice as many
# pixels as the width; Pillow 12 always resized columns first. Pixels are rounded and clipped
# between the two passes, so that a squashed 2:3 portrait gets other pixels than before, while
# a 3:4 portrait, squares and landscapes keep theirs to the bit. One would guess that a
# filter gives the same pixels in both versions, or others for every image.
# Seen with Pillow 12.0.0 and 13.0.0, bicubic to 224 x 224.
set -euo pipefail
room=$(mktemp -d)
trap 'rm -rf "$room"' EXIT

cat > "$room/resize.py" <<'PY'
import sys

import numpy as np
from PIL import Image

rng = np.random.default_rng(0)
for width, height in ((300, 450), (300, 1000), (375, 500), (450, 300), (400, 400)):
    steps = rng.integers(0, 2, (height // 5, width // 5, 3), dtype="uint8") * 255
    pixels = steps.repeat(5, 0).repeat(5, 1)  # sharp edges, where cubics overshoot
    resized = Image.fromarray(pixels).resize((224, 224), Image.Resampling.BICUBIC)
    np.save(f"{sys.argv[1]}_{width}x{height}.npy", np.asarray(resized))
PY
for version in 12.0.0 13.0.0; do
  python3 -m venv "$room/$version"
  "$room/$version/bin/pip" install -q --disable-pip-version-check "pillow==$version" numpy
  "$room/$version/bin/python" "$room/resize.py" "$room/$version"
done
"$room/13.0.0/bin/python" - "$room" <<'PY'
import sys

import numpy as np

differences = {}
for size in ("300x450", "300x1000", "375x500", "450x300", "400x400"):
    old, new = (
        np.load(f"{sys.argv[1]}/{version}_{size}.npy").astype(int)
        for version in ("12.0.0", "13.0.0")
    )
    differences[size] = int(np.abs(new - old).max())
    print(f"{size} to 224x224: Pillow 13.0.0 and 12.0.0 differ by {differences[size]}")
for size, difference in differences.items():
    width, height = map(int, size.split("x"))
    rows_first = height - 224 > max(0, 2 * (width - 224))
    assert (difference >= 5) == rows_first and (difference == 0) != rows_first, size
PY
