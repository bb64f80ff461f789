"""What a file of weights says of its model: the arguments of `ViT`."""

import re
from collections.abc import Mapping
from typing import Any

from keras_vit.layers import BlockConfig, PoolingConfig
from keras_vit.weights.files import WeightsFileError
from keras_vit.weights.sources.source import Arrays, Config, Source

HUGGINGFACE_EPSILON = 1e-12  # of a config.json without one


def arguments_of(source: Source, stored: Arrays, config: Config) -> dict[str, Any]:
    """Return the arguments of `ViT` that arrays and settings determine.

    Args:
        source: whose file it is.
        stored: its arrays, by canonical names.
        config: as `opening.open_weights` returns it.

    Returns:
        Among others activation and epsilon, and `num_classes` if there is a head.

    Raises:
        ValueError: for what this package's models do not have.
    """
    found = combined(
        {
            "activation": source.activation,
            "layer_norm_epsilon": source.layer_norm_epsilon or HUGGINGFACE_EPSILON,
        },
        source.arguments(stored),
        source.settings(config),
    )
    if not source.says_heads(stored, config):
        found.pop("num_heads", None)
    return found


def combined(*infos: Mapping[str, Any]) -> dict[str, Any]:
    """Return arguments of which later ones hold; `block`, `pooling` field by field.

    Example:

    >>> combined({"block": {"norm": "rms"}}, {"block": {"mlp": "gated"}})
    {'block': {'norm': 'rms', 'mlp': 'gated'}}
    """
    result: dict[str, Any] = {}
    for info in infos:
        before = {name: result.get(name) for name in ("block", "pooling")}
        result |= info
        for name, value in before.items():
            if value is not None and info.get(name) is not None:
                result[name] = _both(value, info[name])
    return result


def _both(before, after):
    """The fields of both, each one for all or a list of one for each."""
    if isinstance(after, str):
        after = {"kind": after}
    if isinstance(before, str):
        before = {"kind": before}
    if "kind" in before and before["kind"] != after.get("kind", before["kind"]):
        return after  # another pooling
    if isinstance(before, list):
        rest = after if isinstance(after, list) else [after] * len(before)
        return [one | other for one, other in zip(before, rest, strict=True)]
    if isinstance(after, list):
        return [before | one for one in after]
    return before | after


def sizes_of(source: Source, stored: Arrays) -> dict[str, Any]:
    """Return the sizes of a file's model, as arguments of `ViT`.

    Args:
        source: whose file it is.
        stored: its arrays, by canonical names.

    Returns:
        `patch_size`, `hidden_dim`, `num_layers` and `mlp_dim`, as far as arrays
        show them; and `stem`, of a hybrid: a layer that nothing has built yet.

    Raises:
        WeightsFileError: if the kernel of patches has neither two axes nor four.
    """
    sizes: dict[str, Any] = {}
    kernel = stored.get(source.patches)
    if kernel is not None and len(kernel.shape) not in (2, 4):
        raise WeightsFileError(
            f"{source.patches} is misshapen: expected a kernel of two or four axes. "
            f"Received: {tuple(kernel.shape)}"
        )
    if kernel is not None and len(kernel.shape) == 4:
        in_front = source.patches.endswith("kernel")  # height, width, inputs, outputs
        shape = kernel.shape
        sizes["hidden_dim"] = shape[3] if in_front else shape[0]
        sizes["patch_size"] = shape[:2] if in_front else shape[2:]
    last = (source.mlp,) if isinstance(source.mlp, str) else source.mlp
    for stem in source.stems:
        if stem.is_in(stored):
            sizes["stem"] = stem.layer(**stem.arguments(stored), name="stem")
    found = [
        (int(match[1]), array.shape)
        for one in last
        for name, array in stored.items()
        if (match := re.fullmatch(re.escape(one).replace(r"\*", r"(\d+)"), name))
    ]
    if found:
        sizes["num_layers"] = 1 + max(number for number, _ in found)
        is_torch = last[0].endswith("weight")  # outputs, inputs
        sizes["mlp_dim"] = found[0][1][1 if is_torch else 0]
    return sizes


COMPARED = ("activation", "layer_norm_epsilon", "num_heads", "pooling", "block")


def plain(argument: str, value: Any) -> Any:
    """Return an argument as JSON has it, one way for equal values."""
    if argument == "pooling" and value is not None:
        return PoolingConfig.of(value).plain
    if argument == "block":
        blocks = value if isinstance(value, list | tuple) else [value]
        dicts = [BlockConfig.of(one).as_dict() for one in blocks]
        return dicts[0] if all(one == dicts[0] for one in dicts) else dicts
    return value
