"""Which layers of a model attend, and what its head reads."""

import keras

from keras_vit.layers import AttentionPooling, TokenMean, TransformerBlock


class NoAttentionError(ValueError):
    """A model has no attention that could be inspected."""


def blocks_of(model: keras.Model) -> list[TransformerBlock]:
    """Return the blocks of a model's encoder, in order, if they keep every token.

    Raises:
        NoAttentionError: if it has none, or if they merge tokens.
    """
    layers = getattr(model, "layers", ())
    blocks = [layer for layer in layers if isinstance(layer, TransformerBlock)]
    if not blocks:
        raise NoAttentionError(
            "Expected a Vision Transformer, whose layers include TransformerBlock. "
            f"Received: {getattr(model, 'name', model)!r}, which has no such layer"
        )
    if blocks[0].token_merging:
        raise NoAttentionError(
            "Expected a model that keeps every token. "
            f"Received: {model.name!r}, which merges {blocks[0].token_merging} tokens "
            "in each block. keras_vit.merge_tokens(model, 0) returns a model with the "
            "same weights that merges none"
        )
    return blocks


def attending_layers(model: keras.Model) -> list[keras.layers.Layer]:
    """Return the layers that attend on the way to the head: blocks, then pooling."""
    pools = (one for one in model.layers if isinstance(one, AttentionPooling))
    return [*blocks_of(model), *pools]


def pooling_of(model: keras.Model) -> str:
    """Return how a model makes one vector of its tokens: `"token"`, `"gap"`, `"map"`.

    Attention of a `"map"` is a layer of its own, `AttentionPooling`.
    """
    operations = model.operations
    if any(isinstance(one, AttentionPooling) for one in operations):
        return "map"
    if any(isinstance(one, TokenMean) for one in operations):
        return "gap"
    # `ops.mean` over the tokens of a functional model; there is no layer for it.
    means = [one for one in operations if type(one).__name__ == "Mean"]
    return "gap" if any(len(one.input.shape) == 3 for one in means) else "token"
