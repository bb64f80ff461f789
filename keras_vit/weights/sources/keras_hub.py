"""KerasHub: backbones and classifiers of ViT, DeiT and DINOv2, by `save_to_preset`.

Canonical are our own names, of the numbers of blocks without zeros before them.
DeiT's distillation token is read by no head of KerasHub's: it is a register whose
position is added to it.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from keras_vit.preprocessing import PRESETS, Preprocessing
from keras_vit.weights.files import Stored, WeightsFileError
from keras_vit.weights.sources.source import HALF, IMAGENET, Arrays, Config, Source
from keras_vit.weights.translate import AS_IS, PATCHES, Rules

CLASSES = {  # of KerasHub's configs: their pixels where nothing says
    "ViTBackbone": HALF,
    "DeiTBackbone": IMAGENET,
    "DINOV2Backbone": IMAGENET,
}
BLOCK = re.compile(
    r"layers/\w+_encoder/(?:encoder_)?layers/(?:vi_t_encoder_block|dei_t_encoder_block"
    r"|dinov2_layer)(?:_(\d+))?/(.+)/vars/([01])"
)
PARTS = {  # inside a block: theirs, ours
    "layer_norm_1": "norm1",
    "layer_norm_2": "norm2",
    "norm1": "norm1",
    "norm2": "norm2",
    "layer_scale1": "scale1",
    "layer_scale2": "scale2",
    **{
        f"{theirs}/{name}_dense": f"attention/{'out' if name == 'output' else name}"
        for theirs in ("mha", "attention/attention")
        for name in ("query", "key", "value", "output")
    },
    "mlp/dense_1": "mlp/fc1",
    "mlp/dense_2": "mlp/fc2",
    "mlp/dense": "mlp/fc1",
    "output_layer/dense": "mlp/fc2",
    "mlp/fc1": "mlp/fc1",
    "mlp/fc2": "mlp/fc2",
    "mlp/weights_out": "mlp/fc2",
}
EMBEDDINGS = re.compile(
    r"layers/(vi_t_patching_and_embedding|dei_t_embeddings|dinov2_embedding)/(.+)"
)
NORM = re.compile(r"layers/(?:\w+_encoder/layer_norm|layer_normalization)/vars/[01]")
TABLE, REGISTERS = "patch_encoder/position_embedding", "patch_encoder/registers"
PAIRS = {  # of a layer: the names of its two weights
    "norm": ("gamma", "beta"),
    "scale": ("gamma",),
    "dense": ("kernel", "bias"),
}


def normalise(stored: Arrays) -> dict[str, Stored]:
    """Return arrays by our names, in our shapes, but for those of patches."""
    named: dict[str, Stored] = {}
    tokens: list[Stored] = []
    for name, array in stored.items():
        block, embedding = BLOCK.fullmatch(name), EMBEDDINGS.fullmatch(name)
        if block:
            number, part, place = int(block[1] or 0), block[2], int(block[3])
            named |= _of_block(f"block_{number}", part, place, array)
        elif embedding and embedding[2].startswith("vars/"):
            tokens.append(array)  # in order: KerasHub numbers them below 10
        elif embedding and embedding[2] == "position_embedding/vars/0":
            named[TABLE] = array.changed(lambda a: a[np.newaxis])
        elif embedding:  # its convolution
            place = ("kernel", "bias")[int(embedding[2][-1])]
            named[f"patch_encoder/projection/{place}"] = array
        elif NORM.fullmatch(name):
            named[f"norm/{PAIRS['norm'][int(name[-1])]}"] = array
        elif not name.startswith("task/"):
            named[name] = array
    layer = next((name for name in stored if EMBEDDINGS.fullmatch(name)), "")
    named |= _of_tokens(tokens, layer)
    return named | _heads(stored) | _missing_biases(named)


def _of_block(block: str, part: str, place: int, array: Stored) -> dict[str, Stored]:
    if part == "mlp/weights_in":  # both halves of a gated MLP in one
        name = ("kernel", "bias")[place]
        return {
            f"{block}/mlp/{half}/{name}": array.changed(
                lambda a, n=number: np.split(a, 2, axis=-1)[n]
            )
            for number, half in enumerate(("gate", "fc1"))
        }
    ours = PARTS.get(part)
    if ours is None:
        return {f"{block}/{part}/{place}": array}
    kind = re.sub(r"\d", "", ours) if ours[:4] in ("norm", "scal") else "dense"
    name = PAIRS[kind][place]
    if ours.startswith("attention/"):
        array = array.changed(_joined(ours.endswith("out"), name))
    return {f"{block}/{ours}/{name}": array}


def _joined(is_out: bool, name: str) -> Any:
    """Heads and the features of one, as one axis."""
    if name == "bias" or is_out:
        return lambda a: a.reshape(-1, a.shape[-1]) if a.ndim == 3 else a.reshape(-1)
    return lambda a: a.reshape(len(a), -1)


def _of_tokens(arrays: list[Stored], layer: str) -> dict[str, Stored]:
    """What a layer of embeddings holds itself, without the token of a mask."""
    arrays = [one for one in arrays if len(one.shape) == 3]
    if not arrays:
        return {}
    found = {"patch_encoder/class_token": arrays[0]}
    if "dei_t_embeddings" in layer:
        _, token, positions = _expected(arrays, 3, layer)
        register = replace(token, read=lambda: token.read() + positions.read()[:, 1:2])
        found[REGISTERS] = register
        found[TABLE] = positions.changed(lambda a: np.delete(a, 1, axis=1))
    elif "dinov2_embedding" in layer:
        # Positions for its images, and for the preset's.
        *registers, positions, _ = _expected(
            arrays, min(max(len(arrays), 3), 4), layer
        )[1:]
        found[TABLE] = positions
        if registers:
            (found[REGISTERS],) = registers
    return found


def _expected(arrays, count, layer):
    if len(arrays) != count:
        raise WeightsFileError(
            f"{layer}: expected {count} arrays of three axes. Received: {len(arrays)}"
        )
    return arrays


def _heads(stored: Arrays) -> dict[str, Stored]:
    """A classifier, and the layer before it where there are two."""
    layers: dict[str, dict[str, Stored]] = {}
    for name, array in stored.items():
        found = re.fullmatch(r"task/layers/(dense(?:_\d+)?)/vars/([01])", name)
        if found:
            part = ("kernel", "bias")[int(found[2])]
            layers.setdefault(found[1], {})[part] = array
    names = ("head",) if len(layers) == 1 else ("pre_logits", "head")
    return {
        f"{ours}/{part}": array
        for ours, theirs in zip(names, sorted(layers), strict=False)
        for part, array in layers[theirs].items()
    }


def _missing_biases(named: Mapping[str, Stored]) -> dict[str, Stored]:
    """Zeros, where attention's output has no bias and MLPs have, or the reverse."""
    ends = ("attention/out", "mlp/fc1", "mlp/fc2", "mlp/gate")
    kernels = [name for name in named if name.removesuffix("/kernel").endswith(ends)]
    biases = {name: f"{name.removesuffix('kernel')}bias" for name in kernels}
    if not any(bias in named for bias in biases.values()):
        return {}
    return {
        bias: _zeros(named[name]) for name, bias in biases.items() if bias not in named
    }


def _zeros(kernel: Stored) -> Stored:
    shape = kernel.shape[-1:]
    return Stored(shape, kernel.dtype, lambda: np.zeros(shape, kernel.dtype))


def arguments(stored: Arrays) -> dict[str, Any]:
    """Return the arguments of a model that the arrays determine."""
    has_token = "patch_encoder/class_token" in stored
    block: dict[str, Any] = {}
    if "block_0/attention/query/bias" not in stored:
        block["qkv_bias"] = "none"
    if "block_0/mlp/fc1/bias" not in stored:
        block["use_bias"] = False
    info: dict[str, Any] = {
        "class_token": has_token,
        "pooling": "token" if has_token else "gap",
        "patch_bias": "patch_encoder/projection/bias" in stored,
    }
    if "block_0/mlp/gate/kernel" in stored:
        block["mlp"], info["activation"] = "gated", "silu"
    if "block_0/scale1/gamma" in stored:
        info["layer_scale"] = 1.0
    if REGISTERS in stored:
        info["num_registers"] = stored[REGISTERS].shape[1]
    if "head/kernel" in stored:
        info["num_classes"] = stored["head/kernel"].shape[-1]
    if "pre_logits/kernel" in stored:
        info["representation_size"] = stored["pre_logits/kernel"].shape[-1]
    return info | ({"block": block} if block else {})


def settings(config: Config) -> dict[str, Any]:
    """Return the arguments of a model that a preset's files hold.

    Raises:
        ValueError: for a model of another kind, or a classifier that ends in an
            activation.
    """
    if "config" not in config:  # arrays alone
        return {}
    if config.get("class_name") not in CLASSES:
        raise ValueError(
            f"Expected a preset of KerasHub's {', '.join(CLASSES)}. "
            f"Received: {config.get('class_name')!r}"
        )
    backbone = config["config"]
    info: dict[str, Any] = {"num_heads": backbone["num_heads"]}
    if config["class_name"] == "DINOV2Backbone":  # whose epsilon is fixed
        info["layer_scale"] = backbone["layer_scale_init_value"]
    else:
        info["layer_norm_epsilon"] = backbone["layer_norm_epsilon"]
    task = config.get("task", {}).get("config")
    if task is not None:
        if task.get("activation") not in (None, "linear"):
            raise ValueError(
                "Expected a classifier of logits. Received: KerasHub's with "
                f"activation={task['activation']!r}; build it with activation=None"
            )
        if task.get("pooling") == "gap":  # the class token too
            info["pooling"] = {"kind": "gap", "prefix_tokens": True}
        elif task.get("pooling") == "token":
            info["pooling"] = "token"
        else:
            raise ValueError(
                f"Expected pooling 'token' or 'gap'. Received: {task.get('pooling')!r}"
            )
    return info


def pixels(config: Config) -> Any:
    """Return the mean and deviation of pixels, as an image converter has them."""
    converter = config.get("image_converter", {}).get("config", {})
    scale, offset = converter.get("scale"), converter.get("offset")
    if scale is None and offset is None:
        return CLASSES.get(config.get("class_name", ""), HALF)
    scale = np.broadcast_to(1.0 if scale is None else scale, 3).astype(float)
    offset = np.broadcast_to(0.0 if offset is None else offset, 3).astype(float)
    return tuple((-offset / scale).tolist()), tuple((1 / scale).tolist())


def assumed(config: Config) -> str | None:
    """Return which pixels are taken for granted, where no converter is written."""
    if "image_converter" in config:
        return None
    kind = config.get("class_name", "ViTBackbone")
    return f"the pixels of KerasHub's presets of {kind}"


def preprocessing(
    names: Iterable[str], config: Config, image_size: int | None
) -> Preprocessing:
    """Return the resizing of KerasHub's image converter: squashed, bilinear."""
    return PRESETS["vit_jax"]


def image_size(config: Config) -> tuple[int, int] | None:
    """Return (height, width) of the images that a backbone takes."""
    shape = config.get("config", {}).get("image_shape")
    return None if shape is None else (shape[0], shape[1])


DENSE = (
    *(f"block_*/attention/{one}" for one in ("query", "key", "value", "out")),
    *(f"block_*/mlp/{one}" for one in ("fc1", "fc2", "gate")),
    *("pre_logits", "head"),
)
OWN = (  # names that are ours already
    *("patch_encoder/projection/bias", "patch_encoder/class_token", REGISTERS, TABLE),
    *(f"{norm}/gamma" for norm in ("block_*/norm1", "block_*/norm2", "norm")),
    *(f"{norm}/beta" for norm in ("block_*/norm1", "block_*/norm2", "norm")),
    *("block_*/scale1/gamma", "block_*/scale2/gamma"),
    *(f"{layer}/{part}" for layer in DENSE for part in ("kernel", "bias")),
)
PATCH_KERNEL = "patch_encoder/projection/kernel"
RULES: Rules = {name: (name, AS_IS) for name in OWN}
RULES[PATCH_KERNEL] = (PATCH_KERNEL, PATCHES)

KERAS_HUB = Source(
    name="keras_hub",
    recognises=lambda names: any(BLOCK.fullmatch(name) for name in names),
    normalise=normalise,
    rules=lambda architecture, spelling: RULES,
    activation="gelu_erf",
    layer_norm_epsilon=1e-6,
    position_method=lambda stored, config: (
        "bicubic_antialias"
        if config.get("config", {}).get("antialias_in_interpolation")
        else "bicubic"
    ),
    patches=PATCH_KERNEL,
    positions=TABLE,
    mlp="block_*/mlp/fc2/kernel",
    arguments=arguments,
    settings=settings,
    pixels=pixels,
    preprocessing=preprocessing,
    dropped_with_head=("head/", "pre_logits/"),
    image_size=image_size,
    assumed=assumed,
)
