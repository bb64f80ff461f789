"""Reads Google's flat checkpoints into a model, for the fixtures alone."""

import re

import numpy as np

NAMES = [  # ours, theirs
    (r"patch_encoder/projection/(\w+)", r"embedding/\1"),
    (r"patch_encoder/class_token", r"cls"),
    (
        r"patch_encoder/position_embedding",
        r"Transformer/posembed_input/pos_embedding",
    ),
    (r"norm/(\w+)", r"Transformer/encoder_norm/\1"),
    (r"(pre_logits|head)/(\w+)", r"\1/\2"),
    (r"block_(\d+)/norm1/(\w+)", r"Transformer/encoderblock_\1/LayerNorm_0/\2"),
    (r"block_(\d+)/norm2/(\w+)", r"Transformer/encoderblock_\1/LayerNorm_2/\2"),
    (
        r"block_(\d+)/attention/(\w+)/(\w+)",
        r"Transformer/encoderblock_\1/MultiHeadDotProductAttention_1/\2/\3",
    ),
    (
        r"block_(\d+)/mlp/fc1/(\w+)",
        r"Transformer/encoderblock_\1/MlpBlock_3/Dense_0/\2",
    ),
    (
        r"block_(\d+)/mlp/fc2/(\w+)",
        r"Transformer/encoderblock_\1/MlpBlock_3/Dense_1/\2",
    ),
]


def theirs(path):
    for ours, name in NAMES:
        match = re.fullmatch(ours, path)
        if match:
            name = re.sub(r"encoderblock_0+(?=\d)", "encoderblock_", match.expand(name))
            return name.replace("gamma", "scale").replace("beta", "bias")
    raise KeyError(path)


def load(model, path):
    """Assigns every array of the file, or fails."""
    with np.load(path, allow_pickle=False) as file:
        arrays = dict(file)
    for weight in model.weights:
        weight.assign(arrays.pop(theirs(weight.path)).reshape(weight.shape))
    assert not arrays, sorted(arrays)
