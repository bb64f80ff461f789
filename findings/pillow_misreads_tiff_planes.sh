#!/usr/bin/env bash
# TIFF may store colours as planes instead of pixel by pixel, as scanners and multispectral
# cameras do (planar configuration 2). Pillow opens an uncompressed 16-bit RGB file of planes
# as "RGB" and returns other pixels, bytes of one sample taken for two, and a compressed file
# of five bands as "L", its first band alone, both without an error. One would guess that
# what cannot be decoded is refused; 8-bit planes are right.
# Seen with Pillow 13.0.0, files by tifffile 2026.3.3.
set -euo pipefail
room=$(mktemp -d)
trap 'rm -rf "$room"' EXIT
python3 -m venv "$room/venv"
"$room/venv/bin/pip" install -q --disable-pip-version-check \
  pillow==13.0.0 tifffile==2026.3.3 numpy==2.4.6
"$room/venv/bin/python" - <<'PY'
import io

import numpy as np
import tifffile
from PIL import Image


def opened(planes, **how):
    file = io.BytesIO()
    tifffile.imwrite(file, planes, planarconfig="separate", **how)
    image = Image.open(file)
    return image.mode, np.asarray(image)


planes = np.random.default_rng(0).integers(0, 65536, (3, 24, 40), dtype="uint16")
high = (planes >> 8).astype("uint8")
mode, pixels = opened(high, photometric="rgb")
print(f"RGB planes of 8 bits: {mode}, equal: {np.array_equal(pixels, np.moveaxis(high, 0, -1))}")
assert mode == "RGB" and np.array_equal(pixels, np.moveaxis(high, 0, -1))

mode, pixels = opened(planes, photometric="rgb")
apart = np.abs(pixels.astype(int) - np.moveaxis(high, 0, -1)).mean()
print(f"RGB planes of 16 bits: {mode}, {apart:.0f} levels of 255 from the high bytes on average")
assert mode == "RGB" and apart > 20

bands = np.random.default_rng(0).integers(0, 256, (5, 24, 40), dtype="uint8")
mode, pixels = opened(bands, photometric="minisblack", compression="zlib")
print(f"five compressed bands: {mode}, the first band: {np.array_equal(pixels, bands[0])}")
assert mode == "L" and np.array_equal(pixels, bands[0])
PY
