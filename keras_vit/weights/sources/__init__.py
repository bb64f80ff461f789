"""Who publishes weights, one file each; the first that knows the keys is meant."""

import re
from dataclasses import dataclass

from keras_vit.weights.sources.google import GOOGLE
from keras_vit.weights.sources.heads import respell
from keras_vit.weights.sources.huggingface import HUGGINGFACE
from keras_vit.weights.sources.huggingface_aimv2 import AIMV2
from keras_vit.weights.sources.huggingface_beit import BEIT
from keras_vit.weights.sources.huggingface_clip import CLIP
from keras_vit.weights.sources.huggingface_dinov2 import DINOV2
from keras_vit.weights.sources.huggingface_dinov3 import DINOV3
from keras_vit.weights.sources.huggingface_pixio import PIXIO
from keras_vit.weights.sources.huggingface_siglip import SIGLIP
from keras_vit.weights.sources.huggingface_tipsv2 import TIPSV2
from keras_vit.weights.sources.keras_hub import KERAS_HUB
from keras_vit.weights.sources.prefixes import without_prefix
from keras_vit.weights.sources.source import NAMED, Arrays, Config, Source
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
    "without_left_out",
]

SOURCES = {
    source.name: source
    for source in (
        GOOGLE,
        TIPSV2,  # some of whose names are timm's
        TIMM,
        HUGGINGFACE,
        DINOV2,
        DINOV3,
        CLIP,
        SIGLIP,
        BEIT,
        AIMV2,
        PIXIO,
        TORCHVISION,
        KERAS_HUB,
    )
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
    def grid(self) -> tuple[int, int] | None:
        """(rows, columns) of the position table, where its shape shows them."""
        return self.source.grid(self.named)

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
        ValueError: if they are nobody's, or not timm's for an architecture of its.
    """
    notes = []
    source, stored, prefix = _recognised(stored, config, name)
    if config.get(NAMED) is not None and source is not TIMM:
        raise ValueError(
            "architecture= names one of timm's, and the weights are "
            f"{source.name}'s. Received: architecture={config[NAMED]!r}"
        )
    if prefix:
        notes.append(f"its names lie under {prefix!r}, which is taken off")
    for canonical in source.classifiers:
        stored, theirs = respell(stored, canonical)
        if theirs:
            notes.append(
                f"{theirs!r} is taken for the classifier {canonical!r}; what may stand "
                "before it without weights, for dropout"
            )
    source.check_complete(stored, config)
    canonical, out = without_left_out(source, source.normalise(stored))
    return Identified(source, stored, canonical, (*notes, *out))


def without_left_out(source: Source, stored: Arrays) -> tuple[Arrays, list[str]]:
    """Return canonical arrays without what no model here has, and notes on it."""
    notes = []
    for pattern, words in source.left_out.items():
        out = [name for name in stored if re.match(pattern, name)]
        if out and words:
            notes.append(f"{words} is left out, {len(out)} arrays such as {out[0]!r}")
        stored = {k: v for k, v in stored.items() if k not in out}
    return stored, notes


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
        kind = config.get("model_type")
        candidates = sorted(SOURCES.values(), key=lambda one: kind not in one.kinds)

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
