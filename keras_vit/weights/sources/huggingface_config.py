"""What Hugging Face's `config.json` says of a model and of its classes."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from keras_vit.weights.sources.source import Config

ACTIVATIONS = {  # `hidden_act`; those of GELU are one of two functions
    "gelu": "gelu_erf",
    "gelu_python": "gelu_erf",
    "gelu_new": "gelu_tanh",
    "gelu_fast": "gelu_tanh",
    "gelu_accurate": "gelu_tanh",
    "gelu_pytorch_tanh": "gelu_tanh",
    "gelu_python_tanh": "gelu_tanh",
    "quick_gelu": "gelu_quick",
    "silu": "silu",
    "swish": "silu",
}
SUPPORTED = {  # a field: the values that models here have, of every family
    "hidden_act": tuple(ACTIVATIONS),
    "num_channels": (3,),
    "quantization_config": (None,),
}
EPSILONS = ("layer_norm_eps", "rms_norm_eps")
QKV_BIAS = {True: "all", False: "none"}


@dataclass(frozen=True, kw_only=True)
class Fields:
    """What a family of classes reads of its `config.json`.

    Attributes:
        kinds: a `model_type` -> the library's own values of fields that a file
            leaves out, by transformers 5.24. A model of images and text leaves
            out all that do not differ.
        supported: a field -> its values that models here have; others are
            refused.
        further: the settings -> the arguments of `ViT` that follow from them
            besides activation, epsilon and heads; a ValueError where no model
            here has them.
    """

    kinds: Mapping[str, Config]
    supported: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    further: Callable[[Config], dict[str, Any]] = lambda settings: {}

    def settings(self, config: Config) -> dict[str, Any]:
        """Return the arguments of `ViT` that `config.json` states.

        Raises:
            ValueError: naming what this package's models do not have.
        """
        said = self.stated(config)
        known = SUPPORTED | {"model_type": tuple(self.kinds)} | {**self.supported}
        for key, values in known.items():
            if key in said and said[key] not in values:
                raise ValueError(
                    f"keras_vit's models do not support {key}={said[key]!r} of "
                    "config.json. Expected "
                    f"{' or '.join(map(repr, values))}."
                )
        found = {}
        if "hidden_act" in said:
            found["activation"] = ACTIVATIONS[said["hidden_act"]]
        for name in EPSILONS:
            if name in said:
                found["layer_norm_epsilon"] = said[name]
        if "num_attention_heads" in said:
            found["num_heads"] = said["num_attention_heads"]
        return found | self.further(said)

    def stated(self, config: Config) -> Config:
        """Return the settings of the images' tower, with the library's defaults."""
        said = vision_of(config)
        return {**self.kinds.get(said.get("model_type", ""), {}), **said}

    def image_size(self, config: Config) -> tuple[int, int] | None:
        """Return `image_size`, an integer or (height, width) in the file."""
        info = self.stated(config).get("image_size")
        return (info, info) if isinstance(info, int) else info and tuple(info)


def vision_of(config: Config) -> Config:
    """Return the settings of images in those of a model of images and text."""
    inner = config.get("vision_config")
    if inner is None:
        return config
    outer = {
        key: config[key] for key in ("model_type", "architectures") if key in config
    }
    return {**outer, **inner}


def qkv_bias(settings: Config) -> dict[str, Any]:
    """Return the arguments of `ViT` on biases, by `qkv_bias`."""
    if "qkv_bias" not in settings:
        return {}
    return {"block": {"qkv_bias": QKV_BIAS[settings["qkv_bias"]]}}


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


def assumed(config: Config) -> str | None:
    """Return, in words, what is assumed of a file whose repository does not say."""
    missing = []
    if "model_type" not in config:
        missing.append("activation, epsilon and the like, of config.json")
    if "preprocessing" not in config:
        missing.append("mean and std and resizing, of preprocessor_config.json")
    if not missing:
        return None
    return f"{', and '.join(missing)}, which is not beside it"


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
