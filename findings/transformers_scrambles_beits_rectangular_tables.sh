#!/usr/bin/env bash
# BEiT's table of relative positions in transformers goes through an interpolation in every
# forward pass, for the model's own grid too. Before it the table is viewed as (columns, rows)
# and then resized to (rows, columns): for a square that changes nothing, but a model that was
# configured for a rectangle never uses the biases of its table, but mixtures of those of
# other offsets. One would guess that a table for the grid at hand is used as it is.
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
from transformers import BeitConfig, BeitModel

SIZES = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1}
SIZES |= {"intermediate_size": 8, "patch_size": 8, "use_relative_position_bias": True}


def apart(height, width):
    """How far biases are from those of the table's own entries, which are their places."""
    config = BeitConfig(image_size=(height, width), **SIZES)
    bias = BeitModel(config).layers[0].relative_position_bias
    grid = height // 8, width // 8
    with torch.no_grad():
        places = torch.arange(bias.num_relative_distance).float()
        bias.relative_position_bias_table.copy_(places[:, None])
        index = bias.generate_relative_position_index(grid)
        return (bias(grid)[0, 0] - index).abs().max().item()


square, rectangle = apart(24, 24), apart(16, 24)
print(f"biases of other places than the table's: 3 x 3 {square}, 2 x 3 {rectangle}")
assert square == 0 and rectangle == 1
PY
