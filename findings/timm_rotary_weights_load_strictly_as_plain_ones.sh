#!/usr/bin/env bash
# The weights of timm's Perception Encoders (vit_pe_core_*) load with strict=True into its
# plain VisionTransformer with a norm before the blocks and pooling by attention: every name
# and every shape is the same, and the outputs are others, since rotary positions leave no
# array. So do those of vit_base_patch16_rpn_224, whose norms end the branches, into a plain
# model whose norms begin them. One would guess that strict loading proves the architecture.
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
from timm.models.vision_transformer import VisionTransformer

torch.manual_seed(0)
sizes = {"img_size": 32, "patch_size": 8, "embed_dim": 32, "depth": 2, "num_heads": 4}
sizes["num_classes"] = 5
image = torch.randn(1, 3, 32, 32)


def compared(name, more, **plain):
    network = timm.create_model(name, **sizes, **more)
    with torch.no_grad():
        for weight in network.parameters():
            weight.add_(torch.randn(weight.shape) * 0.3)
    other = VisionTransformer(**sizes, **plain)
    other.load_state_dict(network.state_dict(), strict=True)
    with torch.no_grad():
        a, b = network.eval()(image), other.eval()(image)
    off = ((a - b).abs().max() / a.abs().max()).item()
    print(f"{name}: loads strictly into a plain ViT, outputs differ by {off:.2f}")
    return off


norm = lambda width, **kwargs: torch.nn.LayerNorm(width, eps=1e-5, **kwargs)
assert compared(
    "vit_pe_core_base_patch16_224",
    {"attn_pool_num_heads": 4},
    global_pool="map",
    pre_norm=True,
    pool_include_prefix=True,
    norm_layer=norm,
) > 0.05
assert compared(
    "vit_base_patch16_rpn_224",
    {},
    global_pool="avg",
    class_token=False,
    qkv_bias=False,
) > 0.05
PY
