#!/usr/bin/env bash
# In timm `init_values=0.0` makes a usual block without LayerScale, and a block of
# ParallelScalingBlock with a LayerScale of 0: the first asks whether the value is true, the
# second whether it is None. A new model of the second kind passes its input through every
# block, and its weights have two arrays more. One would guess one meaning for one argument.
# Seen with timm 1.0.31.
set -euo pipefail
room=$(mktemp -d)
trap 'rm -rf "$room"' EXIT
python3 -m venv "$room/venv"
"$room/venv/bin/pip" install -q --disable-pip-version-check \
  torch==2.14.1 torchvision==0.29.1 timm==1.0.31 numpy==2.4.6
"$room/venv/bin/python" -W ignore - <<'PY'
import torch
from timm.models.vision_transformer import Block, ParallelScalingBlock

torch.manual_seed(0)
tokens = torch.randn(1, 5, 16)
found = {}
for kind in (Block, ParallelScalingBlock):
    block = kind(16, num_heads=2, init_values=0.0).eval()
    scales = [name for name in block.state_dict() if "gamma" in name]
    passes = torch.equal(block(tokens), tokens)
    found[kind.__name__] = (scales, passes)
    print(f"{kind.__name__}: {scales}, passes its input through: {passes}")
assert found == {"Block": ([], False), "ParallelScalingBlock": (["ls.gamma"], True)}
PY
