"""One of transformers' classes, there and back: what `coverage.py` tries.

The cases are those of `tests/support/huggingface_peers.py`: small models, random
weights, two blocks.
"""

import json
import pathlib
import sys
import tempfile
import warnings

import numpy as np
import transformers
from coverage_timm import difference

import keras_vit
from keras_vit.weights import save_weights

sys.path.append(str(pathlib.Path(__file__).parents[1] / "tests"))
from support.huggingface_peers import CASES, network_of, outputs_of  # noqa: E402


def tried(case):
    """The row of a case: differences there and back, or why it is refused."""
    network = network_of(transformers, case)
    images = np.random.default_rng(1).normal(size=(2, 24, 24, 3)).astype("float32")
    outputs = outputs_of(network, images)
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        folder = pathlib.Path(folder)
        network.save_pretrained(folder / "there")
        try:
            model = keras_vit.ViT(weights=folder / "there", include_preprocessing=False)
        except (ValueError, TypeError) as error:
            return {"refused": " ".join(str(error).split())[:300]}
        ours = np.asarray(model(images))
        result = {"loaded": difference(ours, expected(outputs, model))}
        try:
            save_weights(model, folder / "back", "huggingface")
        except ValueError as error:
            return result | {"not_back": " ".join(str(error).split())[:300]}
        config = json.loads((folder / "back/config.json").read_text())
        again, info = getattr(transformers, config["architectures"][0]).from_pretrained(
            folder / "back", output_loading_info=True
        )
        if any(info.values()):
            return result | {"not_back": str(info)[:300]}
        outputs = outputs_of(again.eval(), images)
        return result | {"back": difference(ours, expected(outputs, model))}


def expected(outputs, model):
    """Of what a class returns, that which a model of the same file returns."""
    for name in ("logits", "image_embeds", "pooler_output"):
        if name in outputs and outputs[name].shape[-1] == model.output_shape[-1]:
            return outputs[name]
    tokens = outputs["last_hidden_state"]
    return tokens if len(model.output_shape) == 3 else tokens[:, 0]


def class_of(case):
    """transformers' class of a case."""
    return CASES[case][0]
