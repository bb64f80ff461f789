#!/usr/bin/env bash
# timm's create_model drops keyword arguments that are None before it builds a model, so that
# None cannot switch off what an architecture switches on: deit3_small_patch16_224 with
# init_values=None still has LayerScale. 0.0 does switch it off, since the value is asked for
# its truth. One would guess that an argument that is passed is used. A config.json whose
# model_args say null builds another model than the one that was saved.
# Seen with timm 1.0.31.
set -euo pipefail
room=$(mktemp -d)
trap 'rm -rf "$room"' EXIT
python3 -m venv "$room/venv"
"$room/venv/bin/pip" install -q --disable-pip-version-check \
  torch==2.14.1 torchvision==0.29.1 timm==1.0.31 numpy==2.4.6
"$room/venv/bin/python" -W ignore - <<'PY'
import timm

for value in ({}, {"init_values": None}, {"init_values": 0.0}):
    model = timm.create_model("deit3_small_patch16_224", depth=1, embed_dim=24, num_heads=2, **value)
    scaled = any(".ls1." in name for name in model.state_dict())
    print(f"{value or 'as it is'}: {'with' if scaled else 'without'} LayerScale")
    assert scaled == (value.get("init_values") is None)
PY
