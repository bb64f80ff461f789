#!/usr/bin/env bash
# torch's interpolate(mode="bicubic") takes another cubic (a = -0.5) with antialias=True than
# without it (a = -0.75), also where nothing shrinks and there is nothing to antialias. One
# would guess that antialias is without effect when enlarging, as it is for bilinear. So a
# position table that is enlarged by timm's rule (antialias) and by that of transformers'
# ViT and DINOv2 (none) differs, and Dinov2WithRegisters follows the first, Dinov2 the second.
# Seen with torch 2.13.0 and transformers 5.24.0.
set -euo pipefail
room=$(mktemp -d)
trap 'rm -rf "$room"' EXIT
python3 -m venv "$room/venv"
"$room/venv/bin/pip" install -q --disable-pip-version-check \
  torch==2.13.0 transformers==5.24.0 numpy==2.4.6
"$room/venv/bin/python" - <<'PY'
import torch
import transformers
from torch.nn.functional import interpolate

table = torch.randn(1, 8, 14, 14, generator=torch.Generator().manual_seed(0))


def by_hand(mode, antialias, size):
    return interpolate(table, size, mode=mode, antialias=antialias)


for mode in ("bilinear", "bicubic"):
    for size in ((24, 24), (14, 30)):
        apart = (by_hand(mode, True, size) - by_hand(mode, False, size)).abs().max()
        print(f"14x14 to {size}, {mode}: antialias changes values by {apart:.3f}")
        assert (apart > 0.1) == (mode == "bicubic")


def by_model(model, config):
    width = 8
    model = model(
        config(
            hidden_size=width,
            num_hidden_layers=1,
            num_attention_heads=2,
            image_size=14 * 14,
            patch_size=14,
        )
    )
    embeddings = model.embeddings
    cells = table.permute(0, 2, 3, 1).reshape(1, 14 * 14, width)
    with torch.no_grad():
        embeddings.position_embeddings[:, 1:] = cells
        tokens = torch.zeros(1, 1 + 24 * 30, width)
        new = embeddings.interpolate_pos_encoding(tokens, 24 * 14, 30 * 14)
    return new[0, 1:].reshape(24, 30, width).permute(2, 0, 1)


for name, antialias in (("Dinov2", False), ("Dinov2WithRegisters", True)):
    model = getattr(transformers, f"{name}Model")
    config = getattr(transformers, f"{name}Config")
    with torch.no_grad():
        table_of_model = by_model(model, config)
    apart = [
        (table_of_model - by_hand("bicubic", one, (24, 30))[0]).abs().max().item()
        for one in (False, True)
    ]
    print(f"{name}: {apart[0]:.3f} from plain, {apart[1]:.3f} from antialiased bicubic")
    assert apart[antialias] < 1e-5 < 0.1 < apart[not antialias]
PY
