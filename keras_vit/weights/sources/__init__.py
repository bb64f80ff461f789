"""Who publishes weights, one file each; the first that knows the keys is meant."""

from keras_vit.weights.sources.google import GOOGLE
from keras_vit.weights.sources.huggingface import DINOV2, HUGGINGFACE
from keras_vit.weights.sources.timm import TIMM
from keras_vit.weights.sources.torchvision import TORCHVISION

__all__ = ["DINOV2", "GOOGLE", "HUGGINGFACE", "SOURCES", "TIMM", "TORCHVISION"]

SOURCES = {
    source.name: source for source in (GOOGLE, TIMM, HUGGINGFACE, DINOV2, TORCHVISION)
}


def recognise(names):
    """Gives the source whose names these are.

    Raises:
        ValueError: if nobody's are.
    """
    for source in SOURCES.values():
        if source.recognises(names):
            return source
    some = ", ".join(sorted(names)[:5])
    raise ValueError(
        f"Nobody's names are known to be these: {some}, ... Expected the weights of a "
        f"ViT by one of {', '.join(SOURCES)}."
    )
