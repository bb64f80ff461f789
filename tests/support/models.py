"""Small models of every kind of weights."""

import dataclasses

import keras_vit
from keras_vit.variants import VARIANTS


def tiny_vit(**arguments):
    """A ViT of 8,000 parameters for images of 16 x 24 in patches of 8."""
    sizes = {
        "image_size": (16, 24),
        "patch_size": 8,
        "num_layers": 2,
        "num_heads": 2,
        "hidden_dim": 16,
        "mlp_dim": 32,
        "num_classes": 5,
    }
    return keras_vit.ViT(**(sizes | arguments))


def randomize(model, rng, scale=0.3):
    """Gives every weight a value, so that none hides behind a 0 or a 1."""
    for weight in model.weights:
        if weight.dtype == "float32":
            value = rng.normal(scale=scale, size=weight.shape)
            is_variance = weight.path.endswith("variance")
            weight.assign(0.5 + abs(value) if is_variance else value)
    return model


def with_few_layers(monkeypatch, name="ViT_Ti16"):
    """Makes a variant a tenth of the work: two layers in place of twelve."""
    few = dataclasses.replace(VARIANTS[name], num_layers=2)
    monkeypatch.setitem(VARIANTS, name, few)
