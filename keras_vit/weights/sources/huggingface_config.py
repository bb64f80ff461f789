"""What Hugging Face's `config.json` says of a model and of its classes."""

from typing import Any

from keras_vit.weights.sources.source import Config

EPSILONS = {  # a kind of model: its epsilon where the file does not say
    "vit": 1e-12,
    "deit": 1e-12,
    "vit_msn": 1e-6,
    "dinov2": 1e-6,
    "dinov2_with_registers": 1e-6,
}
ACTIVATIONS = {  # `hidden_act`; each of them is one of two functions
    "gelu": "gelu_erf",
    "gelu_python": "gelu_erf",
    "gelu_new": "gelu_tanh",
    "gelu_fast": "gelu_tanh",
    "gelu_accurate": "gelu_tanh",
    "gelu_pytorch_tanh": "gelu_tanh",
    "gelu_python_tanh": "gelu_tanh",
}
SUPPORTED = {  # what else the model has
    "model_type": tuple(EPSILONS),
    "hidden_act": tuple(ACTIVATIONS),
    "qkv_bias": (True,),
    "use_swiglu_ffn": (False,),
    "num_channels": (3,),
    "quantization_config": (None,),
}


def settings(config: Config) -> dict[str, Any]:
    """Return the arguments of `ViT` that `config.json` states.

    Raises:
        ValueError: naming what this package's models do not have.
    """
    for key, values in SUPPORTED.items():
        if key in config and config[key] not in values:
            raise ValueError(
                f"keras_vit's models do not support {key}={config[key]!r} of "
                "config.json. Expected "
                f"{' or '.join(map(repr, values))}."
            )
    found = {}
    if "hidden_act" in config:
        found["activation"] = ACTIVATIONS[config["hidden_act"]]
    epsilon = config.get("layer_norm_eps", EPSILONS.get(config.get("model_type", "")))
    if epsilon is not None:
        found["layer_norm_epsilon"] = epsilon
    if "num_attention_heads" in config:
        found["num_heads"] = config["num_attention_heads"]
    return found


def class_names(config: Config) -> tuple[str, ...] | None:
    """Return the names of the classes; `None` if there are none.

    By `id2label`, or by `label2id` alone, which the library itself ignores (5.24).
    `LABEL_0`, `LABEL_1` are what it makes up.
    """
    labels = config.get("id2label") or {
        number: name for name, number in (config.get("label2id") or {}).items()
    }
    labels = {int(number): name for number, name in labels.items()}
    if not labels or sorted(labels) != list(range(len(labels))):
        return None
    names = tuple(str(labels[number]) for number in range(len(labels)))
    made_up = tuple(f"LABEL_{number}" for number in range(len(labels)))
    return None if names == made_up else names


def check_pooler(config: Config) -> None:
    """Refuse a pooler whose activation is not that of a pre-logits layer.

    Raises:
        ValueError: naming it.
    """
    activation = config.get("pooler_act", "tanh")
    if activation != "tanh":
        raise ValueError(
            "The layer before the classifier ends in tanh. Expected "
            f"pooler_act='tanh' in config.json. Received: pooler_act={activation!r}"
        )
