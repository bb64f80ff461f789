"""What arrays that do not fit a model show of the network that they are of."""

import re
from collections.abc import Collection

from keras_vit.weights.sources.source import Arrays

GATED = "gated MLPs (mlp='gated' of a block)"
NAMES = {  # in names: what they belong to, and how a model gets it
    r"\bmlp\.(fc1_g|fc1_x|w12|w1|w3|gate)\b": GATED,
    r"\bnorm_pre\.": "a norm before the first block (pre_norm=True)",
    r"\brel_pos|relative_position": "relative positions (relative_bias of a block)",
    r"\b(rope|freqs|periods)\b": "learned rotary positions (rotary of a block)",
    r"\b(decoder|decoder_embed)\b": "a decoder, of masked pre-training",
    r"\battn\.norm\.": "a norm inside attention (attention_norm of a block)",
    r"\bmlp\.norm\.": "a norm inside the MLP (mlp_norm of a block)",
    r"\battns\.": "several attentions in a block (num_branches of a block)",
    r"\blambda_(q1|a)$": "attention='differential' of a block",
    r"running_mean$": "batch normalisation",
}
FIRST, SECOND = re.compile(r"(.*)\bfc1\.weight$"), "fc2.weight"
# What has a bias here, where there is a weight.
BIASED = re.compile(
    r"(blocks|encoder\.layer|encoder\.layers)\..*(qkv|query|key|value|in_proj|proj|fc\d"
    r"|dense|norm\d?|ln_\d|layernorm_\w+)[._]weight$"
)


def causes(stored: Arrays, unfit: Collection[str]) -> list[str]:
    """Return, in words, what the arrays that do not fit are known to be of.

    Args:
        stored: `Stored` arrays by the source's canonical names.
        unfit: names that are missing, left over or misshapen for a model.
    """
    found = [
        words
        for pattern, words in NAMES.items()
        if any(re.search(pattern, name) for name in unfit)
    ]
    if GATED not in found and any(_is_gated(name, stored) for name in unfit):
        found.insert(0, GATED)
    biases = {f"{name.removesuffix('weight')}bias": name for name in stored}
    bare = [
        biases[bias]
        for bias in sorted(biases.keys() & {*unfit} - stored.keys())
        if BIASED.search(biases[bias])
    ]
    if bare:
        found.append(f"layers without biases (qkv_bias of a block), such as {bare[0]}")
    return found


def _is_gated(name, stored):
    """Return whether a first layer has twice the outputs that the second one takes."""
    match = FIRST.fullmatch(name)
    second = stored.get(f"{match[1]}{SECOND}") if match and name in stored else None
    return second is not None and stored[name].shape[0] == 2 * second.shape[1]
