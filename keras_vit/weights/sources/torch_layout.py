"""How PyTorch names the two arrays of a layer."""

from keras_vit.weights.translate import AS_IS, HALVES, THIRDS, TRANSPOSED, Rules


def dense(ours: str, theirs: str) -> Rules:
    """Return the rules of a dense layer."""
    return {
        f"{ours}/kernel": (f"{theirs}.weight", TRANSPOSED),
        f"{ours}/bias": (f"{theirs}.bias", AS_IS),
    }


def norm(ours: str, theirs: str) -> Rules:
    """Return the rules of a normalisation."""
    return {
        f"{ours}/gamma": (f"{theirs}.weight", AS_IS),
        f"{ours}/beta": (f"{theirs}.bias", AS_IS),
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
