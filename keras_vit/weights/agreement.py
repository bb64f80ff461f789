"""Whether a model computes as the source of a file does."""

HUGGINGFACE_EPSILON = 1e-12  # of a config.json that does not say


def epsilon_of(source, config):
    """Return the epsilon that a source's models normalise with."""
    told = source.settings(config).get("layer_norm_epsilon")
    if told is not None:
        return told
    return source.layer_norm_epsilon or HUGGINGFACE_EPSILON


def activation_of(source, config):
    """Return the activation of a source's models."""
    return source.settings(config).get("activation", source.activation)


def check_agreement(architecture, source, config, head):
    """Refuse a model that computes otherwise than the file's source.

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
            f"The weights are {source.name}'s, whose models turn no queries and keys. "
            "Build the model with another position_embedding than 'rope_2d'."
        )
    told = source.settings(config)
    expected = {
        "activation": activation_of(source, config),
        "layer_norm_epsilon": epsilon_of(source, config),
    }
    expected |= {key: told[key] for key in ("num_heads", "pooling") if key in told}
    if architecture.standardization and source.standardization:
        expected["standardization"] = source.standardization  # of the stem
    if head == "reset":
        expected.pop("pooling", None)
    wrong = {
        argument: (value, getattr(architecture, argument))
        for argument, value in expected.items()
        if getattr(architecture, argument) != value
    }
    if wrong:
        arguments = ", ".join(f"{key}={value!r}" for key, (value, _) in wrong.items())
        received = ", ".join(f"{key}={value!r}" for key, (_, value) in wrong.items())
        raise ValueError(
            f"The weights are {source.name}'s, and this model computes otherwise. "
            f"Build it with {arguments}. Received: {received}"
        )
