"""Who publishes weights, one file each; the first that knows the keys is meant."""

from dataclasses import dataclass

from keras_vit.weights.sources.google import GOOGLE
from keras_vit.weights.sources.heads import respell
from keras_vit.weights.sources.huggingface import DINOV2, HUGGINGFACE
from keras_vit.weights.sources.keras_hub import KERAS_HUB
from keras_vit.weights.sources.prefixes import without_prefix
from keras_vit.weights.sources.source import Arrays, Config, Source
from keras_vit.weights.sources.timm import TIMM
from keras_vit.weights.sources.torchvision import TORCHVISION

__all__ = [
    "DINOV2",
    "GOOGLE",
    "HUGGINGFACE",
    "KERAS_HUB",
    "SOURCES",
    "TIMM",
    "TORCHVISION",
    "Identified",
    "identify",
]

SOURCES = {
    source.name: source
    for source in (GOOGLE, TIMM, HUGGINGFACE, DINOV2, TORCHVISION, KERAS_HUB)
}


@dataclass(frozen=True)
class Identified:
    """The arrays of a file, and whose they are.

    Attributes:
        source: their publisher.
        named: `Stored` arrays by the source's names, one of its spellings.
        stored: the same by its canonical names.
        notes: sentences on names that were not the publisher's own.
    """

    source: Source
    named: Arrays
    stored: Arrays
    notes: tuple[str, ...]

    @property
    def foreign_head(self) -> dict[str, tuple[int, ...]]:
        """The shapes, by name, of a classifier that is not one dense layer."""
        if "num_classes" in self.source.arguments(self.stored):
            return {}
        roots = {name.split(".")[0] for name in self.source.classifiers}
        return {
            name: array.shape
            for name, array in self.stored.items()
            if name.split(".")[0] in roots
        }


def identify(stored: Arrays, config: Config, name: str | None = None) -> Identified:
    """Find whose arrays these are, and give them their canonical names.

    Args:
        stored: arrays by the names in the file.
        config: the repository's settings, to be named where nobody is found.
        name: of the source, where it is not to be recognised.

    Raises:
        ValueError: if they are nobody's.
    """
    notes = []
    source, stored, prefix = _recognised(stored, config, name)
    if prefix:
        notes.append(f"its names lie under {prefix!r}, which is taken off")
    for canonical in source.classifiers:
        stored, theirs = respell(stored, canonical)
        if theirs:
            notes.append(
                f"{theirs!r} is taken for the classifier {canonical!r}; what may stand "
                "before it without weights, for dropout"
            )
    return Identified(source, stored, source.normalise(stored), tuple(notes))


def _recognised(stored, config, name):
    """Return the source, the arrays without a common prefix, and the prefix."""
    if name:
        if name not in SOURCES:
            raise ValueError(
                f"Unknown source. Expected one of {', '.join(SOURCES)}. "
                f"Received: {name!r}"
            )
        candidates = [SOURCES[name]]
    else:
        candidates = SOURCES.values()

    def source_of(names):
        return next((one for one in candidates if one.recognises(names)), None)

    short, prefix = without_prefix(stored, source_of)
    source = source_of(short)
    if source is None and name:
        return SOURCES[name], stored, ""
    if source is None:
        some = ", ".join(sorted(stored)[:5])
        kind = config.get("model_type") or config.get("architecture")
        raise ValueError(
            "Unrecognized checkpoint: no known source uses names like "
            f"{some}, ... Expected the weights of a ViT by one of "
            f"{', '.join(SOURCES)}."
            + (f" Received: a {kind!r}, as config.json says" if kind else "")
        )
    return source, short, prefix
