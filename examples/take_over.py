"""Convert a model of vit-keras or of KerasHub, with its weights.

    python examples/take_over.py THEIRS.keras MINE.keras

Loading their model needs their package; the written model does not need it, and takes
pixels in [0, 255], where theirs takes -1 to 1.
"""

import re
import sys
from collections.abc import Callable, Mapping
from typing import Any

import keras

import keras_vit

EPSILON = 1e-6  # of both packages, where a model does not say

# What their names become, one after the other. Each package has some of these.
RULES: dict[str, str | Callable[[re.Match[str]], str]] = {
    # vit-keras 0.2
    r"^embedding/": "patch_encoder/projection/",
    r"^class_token/cls$": "patch_encoder/class_token",
    r"^Transformer_posembed_input/pos_embedding$": "patch_encoder/position_embedding",
    r"^Transformer_encoderblock_(\d+)/": lambda found: f"block_{int(found[1]):02d}/",
    r"/MultiHeadDotProductAttention_1/": "/attention/",
    r"/MlpBlock_3/.*_Dense_0/": "/mlp/fc1/",
    r"/MlpBlock_3/.*_Dense_1/": "/mlp/fc2/",
    r"/LayerNorm_0/": "/norm1/",
    r"/LayerNorm_2/": "/norm2/",
    r"^Transformer_encoder_norm/": "norm/",
    # KerasHub 0.32, whose blocks are counted from 1
    r"^vit_patching_and_embedding/patch_embedding/": "patch_encoder/projection/",
    r"^vit_patching_and_embedding/class_token$": "patch_encoder/class_token",
    r"^vit_patching_and_embedding/position_.*": "patch_encoder/position_embedding",
    r"^vit_encoder/transformer_block_(\d+)/": (
        lambda found: f"block_{int(found[1]) - 1:02d}/"
    ),
    r"/mha/attention_output/": "/attention/out/",
    r"/mha/": "/attention/",
    r"/mlp/dense_1/": "/mlp/fc1/",
    r"/mlp/dense_2/": "/mlp/fc2/",
    r"/ln_(\d)/": r"/norm\1/",
    r"^vit_encoder/ln/": "norm/",
    r"^predictions/": "head/",
}


def main(theirs: str, ours: str) -> None:
    """Read one file and write the other."""
    loaded: Any = keras.models.load_model(theirs)
    arrays = {weight.path: weight.numpy() for weight in loaded.weights}
    taken_over(arrays, loaded.input_shape[1:3], **settings_of(loaded)).save(ours)


def settings_of(loaded: Any) -> dict[str, Any]:
    """What their model says of itself beside its weights, for `taken_over`."""
    backbone = getattr(loaded, "backbone", loaded)  # of a task of KerasHub's
    norms = [
        layer.epsilon
        for layer in getattr(loaded, "layers", ())
        if isinstance(layer, keras.layers.LayerNormalization)
    ]
    epsilon = getattr(backbone, "layer_norm_epsilon", norms[0] if norms else EPSILON)
    return {
        "num_heads": getattr(backbone, "num_heads", None),
        "layer_norm_epsilon": epsilon,
        "pooling": getattr(loaded, "pooling", "token"),
    }


def taken_over(
    arrays: Mapping[str, Any],
    image_size: tuple[int, int],
    num_heads: int | None = None,
    *,
    layer_norm_epsilon: float = EPSILON,
    pooling: str = "token",
) -> keras.Model:
    """Return our model with their weights.

    Args:
        arrays: theirs, by path.
        image_size: (height, width) of their input, in pixels.
        num_heads: where their weights do not tell; by default a head has 64
            features, as in every published size up to L.
        layer_norm_epsilon: that of their layer normalisations.
        pooling: theirs. KerasHub's "gap" averages the class token in, which no
            pooling here does.
    """
    if pooling != "token":
        raise ValueError(
            "Their model must read the class token: keras_vit averages the patches "
            f"alone, KerasHub the class token too. Received: pooling={pooling!r}"
        )
    named = {our_name(path): array for path, array in arrays.items()}
    kernel = told(named, "patch_encoder/projection/kernel")  # rows, columns, 3, D
    query = told(named, "block_00/attention/query/kernel")  # D, D or D, heads, d
    widths = {name: len(array) for name, array in named.items() if array.ndim == 1}
    model = keras_vit.ViT(
        image_size=image_size,
        patch_size=kernel.shape[:2],
        num_layers=sum(name.endswith("/attention/query/bias") for name in named),
        num_heads=query.shape[1] if query.ndim == 3 else num_heads or len(query) // 64,
        hidden_dim=kernel.shape[-1],
        mlp_dim=told(widths, "block_00/mlp/fc1/bias"),
        num_classes=widths.get("head/bias"),
        representation_size=widths.get("pre_logits/bias"),
        activation="gelu_erf",  # Keras's own, which both of them take
        layer_norm_epsilon=layer_norm_epsilon,
    )
    for weight in model.weights:
        weight.assign(told(named, weight.path).reshape(weight.shape))
        del named[weight.path]
    if named:
        raise ValueError(f"No place for {', '.join(named)}: is it a ViT of theirs?")
    return model


def told(known: Mapping[str, Any], name: str) -> Any:
    """What is known by one of our names."""
    if name not in known:
        raise ValueError(f"Nothing stands for {name}: is it a ViT of theirs?")
    return known[name]


def our_name(path: str) -> str:
    """Our name of one of their weights."""
    for pattern, name in RULES.items():
        path = re.sub(pattern, name, path)
    return path


if __name__ == "__main__":
    main(*sys.argv[1:])
