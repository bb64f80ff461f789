#!/usr/bin/env bash
# A classifier of ViT-MSN that transformers saves has the names of its embeddings and last norm
# under "vit.", as its other classes have, and those of its layers without: encoder.layer.0
# beside vit.embeddings. The library reads both spellings back; a reader that takes one prefix
# off finds either no layers or no embeddings. One would guess one prefix for the backbone.
# Seen with transformers 5.24.0.
set -euo pipefail
room=$(mktemp -d)
trap 'rm -rf "$room"' EXIT
python3 -m venv "$room/venv"
"$room/venv/bin/pip" install -q --disable-pip-version-check \
  torch==2.14.1 transformers==5.24.0 numpy==2.4.6
cd "$room"
"$room/venv/bin/python" -W ignore - <<'PY'
from safetensors import safe_open
from transformers import ViTForImageClassification, ViTMSNForImageClassification

SIZES = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1}
SIZES |= {"intermediate_size": 8, "image_size": 16, "patch_size": 8}


def roots(kind):
    """The first parts of the names in what a class saves."""
    kind(kind.config_class(**SIZES)).save_pretrained("saved")
    with safe_open("saved/model.safetensors", "pt") as file:
        return sorted({name.split(".")[0] for name in file.keys()})


vit, msn = roots(ViTForImageClassification), roots(ViTMSNForImageClassification)
print("ViT:", vit, " MSN:", msn)
assert vit == ["classifier", "vit"]
assert msn == ["classifier", "encoder", "vit"]
PY
