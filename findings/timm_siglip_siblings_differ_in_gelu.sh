#!/usr/bin/env bash
# Of timm's SigLIP image encoders with average pooling, vit_large_patch16_siglip_gap_384 and
# vit_base_patch16_siglip_gap_256 compute GELU by erf, vit_large_patch16_siglip_gap_512 and
# vit_base_patch32_siglip_gap_256 by tanh, eleven names in one form and seven in the other.
# No array tells them apart, nor does the family or the size: the whole name alone does. One
# would guess one form for a family that its publisher trained in one way.
# Seen with timm 1.0.31.
set -euo pipefail
room=$(mktemp -d)
trap 'rm -rf "$room"' EXIT
python3 -m venv "$room/venv"
"$room/venv/bin/pip" install -q --disable-pip-version-check \
  torch==2.14.1 torchvision==0.29.1 timm==1.0.31 numpy==2.4.6
"$room/venv/bin/python" -W ignore - <<'PY'
import timm
import torch

forms, arrays = {}, {}
for name in timm.list_models("vit_*_siglip_gap_*"):
    with torch.device("meta"):
        model = timm.create_model(name, depth=1, embed_dim=48, num_heads=4)
    forms[name] = type(model.blocks[0].mlp.act).__name__
    arrays[name] = {key.split(".")[-1] for key in model.state_dict()}
    print(f"{name}: {forms[name]}")
assert forms["vit_base_patch16_siglip_gap_256"] == "GELU"
assert forms["vit_base_patch32_siglip_gap_256"] == "GELUTanh"
assert len(set(forms.values())) == 2 and len({*map(frozenset, arrays.values())}) == 1
PY
