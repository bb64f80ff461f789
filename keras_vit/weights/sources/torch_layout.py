"""How PyTorch names the two arrays of a layer."""

from keras_vit.weights.translate import (
    AS_IS,
    GATE_FIRST,
    HALVES,
    THIRDS,
    TRANSPOSED,
    Rules,
)


def dense(ours: str, theirs: str) -> Rules:
    """Return the rules of a dense layer."""
    return {
        f"{ours}/kernel": (f"{theirs}.weight", TRANSPOSED),
        f"{ours}/bias": (f"{theirs}.bias", AS_IS),
    }


def norm(ours: str, theirs: str) -> Rules:
    """Return the rules of a normalisation, with or without mean and bias."""
    return {
        f"{ours}/gamma": (f"{theirs}.weight", AS_IS),
        f"{ours}/scale": (f"{theirs}.weight", AS_IS),
        f"{ours}/beta": (f"{theirs}.bias", AS_IS),
    }


def running_norm(ours: str, theirs: str) -> Rules:
    """Return the rules of a batch normalisation, with its running statistics."""
    return norm(ours, theirs) | {
        f"{ours}/moving_mean": (f"{theirs}.running_mean", AS_IS),
        f"{ours}/moving_variance": (f"{theirs}.running_var", AS_IS),
    }


def fused(ours: str, weight: str, bias: str) -> Rules:
    """Return the rules of query, key and value that lie in one array."""
    return {
        f"{ours}/{name}/{part}": (theirs, third)
        for name, third in THIRDS.items()
        for part, theirs in (("kernel", weight), ("bias", bias))
    }


def key_and_value(ours: str, weight: str, bias: str) -> Rules:
    """Return the rules of key and value that lie in one array."""
    return {
        f"{ours}/{name}/{part}": (theirs, half)
        for name, half in HALVES.items()
        for part, theirs in (("kernel", weight), ("bias", bias))
    }


def gated(ours: str, weight: str, bias: str) -> Rules:
    """Return the rules of an MLP's gate and first layer that lie in one array."""
    return {
        f"{ours}/{name}/{part}": (theirs, half)
        for name, half in GATE_FIRST.items()
        for part, theirs in (("kernel", weight), ("bias", bias))
    }
