"""Compare the settings of a model with those of the source of a file."""

from keras_vit.layers import PoolingConfig
from keras_vit.weights.architecture import Architecture
from keras_vit.weights.sources.source import Config, Source

HUGGINGFACE_EPSILON = 1e-12  # of a config.json without one


def epsilon_of(source: Source, config: Config) -> float:
    """Return the epsilon that a source's models normalise with."""
    epsilon = source.settings(config).get("layer_norm_epsilon")
    if epsilon is not None:
        return epsilon
    return source.layer_norm_epsilon or HUGGINGFACE_EPSILON


def activation_of(source: Source, config: Config) -> str:
    """Return the activation of a source's models."""
    return source.settings(config).get("activation", source.activation)


def check_agreement(
    architecture: Architecture, source: Source, config: Config, head: str
) -> None:
    """Refuse a model whose settings differ from those of the file's source.

    Args:
        architecture: of the model.
        source: whose file it is.
        config: as `opening.open_weights` returns it.
        head: `"keep"` or `"reset"`; without the file's head, pooling is free.

    Raises:
        ValueError: naming the arguments with which to build the model.
    """
    if architecture.position_embedding == "rope_2d":
        raise ValueError(
            f"The weights are {source.name}'s, whose models do not use rotary "
            "position embeddings. Build the model with another position_embedding "
            "than 'rope_2d'."
        )
    settings = source.settings(config)
    expected = {
        "activation": activation_of(source, config),
        "layer_norm_epsilon": epsilon_of(source, config),
    }
    expected |= {
        key: settings[key] for key in ("num_heads", "pooling") if key in settings
    }
    if architecture.standardization and source.standardization:
        expected["standardization"] = source.standardization  # of the stem
    if head == "reset":
        expected.pop("pooling", None)
    if "pooling" in expected:
        expected["pooling"] = PoolingConfig.of(expected["pooling"])
    wrong = {
        argument: (value, getattr(architecture, argument))
        for argument, value in expected.items()
        if getattr(architecture, argument) != value
    }
    if wrong:
        arguments, received = (
            ", ".join(f"{key}={_plain(pair[which])!r}" for key, pair in wrong.items())
            for which in (0, 1)
        )
        raise ValueError(
            f"The weights are {source.name}'s, and the model's {', '.join(wrong)} "
            f"{'differ' if len(wrong) > 1 else 'differs'} from the checkpoint's. "
            f"Build it with {arguments}. Received: {received}"
        )


def _plain(value):
    """A value as an argument of `ViT` has it."""
    return value.plain if isinstance(value, PoolingConfig) else value
