"""What timm's names of Vision Transformers mean.

Pooling, the activation, epsilon, rotary positions and the heads of attention stand in
no array of a file, and mostly in no `config.json`: the architecture's name there says
them. `timm_architectures.json` is what timm's own builders say, as written by
`tests/fixtures/peers/make_timm_architectures.py`.
"""

import json
from importlib import resources
from typing import Any


def _read() -> dict[str, dict[str, Any]]:
    """Return `{name: the arguments of timm's class}`, the class among them."""
    file = resources.files("keras_vit.weights.sources").joinpath(
        "timm_architectures.json"
    )
    found = {}
    for row in json.loads(file.read_text(encoding="utf-8"))["architectures"]:
        for sizes, names in row["names"].items():
            heads, width = map(int, sizes.split("/"))
            arguments = row["arguments"] | {"num_heads": heads, "embed_dim": width}
            found |= dict.fromkeys(names, arguments)
    return found


ARCHITECTURES = _read()
