#!/usr/bin/env bash
# Pillow opens 16-bit RGB files as 8-bit "RGB" and keeps the high byte of each sample. A
# camera's or microscope's 12-bit colour in 16-bit samples (0..4095) becomes 0..15, nearly
# black, and neither mode nor info says that something was lost. Grey 16-bit files keep all
# 16 bits ("I;16"), so that the same pipeline is right for grey and wrong for colour.
# 8-bit signed TIFF is read as unsigned and 32-bit unsigned as signed, each by its bits, so
# that the order of values turns over; half and double precision are not identified.
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
from PIL import Image, UnidentifiedImageError

rng = np.random.default_rng(0)


def opened(samples, **how):
    file = io.BytesIO()
    tifffile.imwrite(file, samples, **how)
    image = Image.open(file)
    return image.mode, np.asarray(image)


colour = rng.integers(0, 4096, (24, 40, 3), dtype="uint16")
mode, pixels = opened(colour, photometric="rgb")
print(f"RGB, 16 bits, 0..{colour.max()}: {mode} {pixels.dtype}, 0..{pixels.max()}")
assert mode == "RGB" and np.array_equal(pixels, colour >> 8) and pixels.max() == 15

grey = colour[..., 0]
mode, pixels = opened(grey)
print(f"grey, 16 bits, 0..{grey.max()}: {mode}, equal: {np.array_equal(pixels, grey)}")
assert mode == "I;16" and np.array_equal(pixels, grey)

signed = rng.integers(-128, 128, (24, 40), dtype="int8")
mode, pixels = opened(signed)
print(f"grey, int8, {signed.min()}..{signed.max()}: {mode}, {pixels.min()}..{pixels.max()}")
assert mode == "L" and np.array_equal(pixels, signed.view("uint8"))

large = np.full((24, 40), 4_000_000_000, "uint32")
mode, pixels = opened(large)
print(f"grey, uint32, {large.max()}: {mode}, {pixels.max()}")
assert mode == "I" and pixels.max() < 0

for dtype in ("float16", "float64"):
    try:
        print(dtype, opened(np.zeros((24, 40), dtype))[0])
    except UnidentifiedImageError:
        print(f"grey, {dtype}: not identified")
    else:
        raise AssertionError(f"{dtype} is opened now")
PY
