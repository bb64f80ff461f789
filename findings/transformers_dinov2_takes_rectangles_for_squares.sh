#!/usr/bin/env bash
# DINOv2 in transformers accepts image_size=(height, width) and makes a table of positions for
# that grid, but its forward pass resizes every table whose image is not square as if it were
# one of a square: 2 x 3 patches fail, and 1 x 4, a square number, are silently taken for
# 2 x 2 and resized to 1 x 4. ViT of the same configuration uses its table. DINOv2 with
# registers, TIPSv2 and Pixio have the same code. One would guess that a table for the grid
# at hand is used as it is.
# Seen with transformers 5.24.0 and torch 2.14.1.
set -euo pipefail
room=$(mktemp -d)
trap 'rm -rf "$room"' EXIT
python3 -m venv "$room/venv"
"$room/venv/bin/pip" install -q --disable-pip-version-check \
  torch==2.14.1 transformers==5.24.0 numpy==2.4.6
cd "$room"
"$room/venv/bin/python" -W ignore - <<'PY'
import torch
from transformers import Dinov2Config, Dinov2Model

SIZES = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1}
SIZES |= {"patch_size": 8, "mlp_ratio": 1}

model = Dinov2Model(Dinov2Config(image_size=(16, 24), **SIZES))
try:
    model(torch.zeros(1, 3, 16, 24))
    failed = False
except RuntimeError as error:
    failed = True
    print("2 x 3:", error)

embeddings = Dinov2Model(Dinov2Config(image_size=(8, 32), **SIZES)).embeddings
used = embeddings.interpolate_pos_encoding(torch.zeros(1, 5, 8), 8, 32)
apart = (used - embeddings.position_embeddings).abs().max().item()
print(f"1 x 4: positions {apart:.3f} from those of the table")
assert failed and apart > 0.01
PY
