#!/usr/bin/env bash
# timm's create_model(checkpoint_path=) compares a position table with the new model's by its
# length alone. The table of 12 x 27 patches has as many rows as that of 18 x 18, so that it
# is taken unchanged, strictly, without a word: every patch but those of the first row gets
# the position of another place. (A table of another length is refused.) One would guess that
# a rectangle's table is resized, or refused.
# Seen with timm 1.0.31 and torch 2.14.1.
set -euo pipefail
room=$(mktemp -d)
trap 'rm -rf "$room"' EXIT
python3 -m venv "$room/venv"
"$room/venv/bin/pip" install -q --disable-pip-version-check \
  torch==2.14.1 torchvision==0.29.1 timm==1.0.31 numpy==2.4.6
cd "$room"
"$room/venv/bin/python" -W ignore - <<'PY'
import timm
import torch
from safetensors.torch import save_file
from timm.layers import resample_abs_pos_embed

sizes = {"embed_dim": 32, "depth": 1, "num_heads": 2, "num_classes": 3}
name = "vit_tiny_patch16_224"
wide = timm.create_model(name, img_size=(192, 432), **sizes)
save_file(wide.state_dict(), "wide.safetensors")
square = timm.create_model(name, img_size=288, checkpoint_path="wide.safetensors", **sizes)
resized = resample_abs_pos_embed(wide.pos_embed, [18, 18], old_size=[12, 27])
apart = (square.pos_embed - resized).abs().max().item()
print(f"12x27 into 18x18: unchanged: {torch.equal(square.pos_embed, wide.pos_embed)},")
print(f"{apart:.3f} from the resized table, whose deviation is {resized.std():.3f}")
assert torch.equal(square.pos_embed, wide.pos_embed) and apart > 0.05
PY
