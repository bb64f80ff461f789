"""The stems of timm's hybrids, and how it names their arrays.

`HybridEmbed` keeps a stem under `patch_embed.backbone`. A stem of convolutions ends in
the one that projects patches, which is the embedding of patches here; the number of
batches that a running statistic has seen is no weight.
"""

import re
from collections.abc import Mapping

import numpy as np

from keras_vit import layers
from keras_vit.weights.architecture import Architecture
from keras_vit.weights.files import Stored
from keras_vit.weights.sources.stems import Stem, units
from keras_vit.weights.sources.torch_layout import norm, running_norm
from keras_vit.weights.translate import CONVOLUTION, Rules

BACKBONE = "patch_embed.backbone"
PROJECTION = "patch_embed.proj"
LAST = re.compile(r"patch_embed\.backbone\.(\d+)\.conv\.(weight|bias)")
BATCHES, VARIANCE = ".num_batches_tracked", ".running_var"

UNIT = f"{BACKBONE}.stages.#.blocks.#"
UNIT_D = f"{BACKBONE}.layer*.#"
OURS = "stem/block*_unit*"
CONVOLUTIONS = (1, 2, 3)  # of a unit


def _convolution(ours: str, theirs: str) -> Rules:
    return {f"{ours}/kernel": (f"{theirs}.weight", CONVOLUTION)}


def _all(*rules: Rules) -> Rules:
    return {key: rule for one in rules for key, rule in one.items()}


RESNET = Stem(
    layer=layers.ResNetStem,
    shown_by=r"patch_embed\.backbone\.(stem\.)?conv\.weight",
    arguments=lambda stored: {
        "blocks": units(
            r"patch_embed\.backbone\.stages\.(\d+)\.blocks\.\d+\.conv1\.weight", stored
        ),
        "standardization": "variance",
    },
    rules=_all(
        _convolution("stem/conv_root", f"{BACKBONE}.stem.conv"),
        norm("stem/norm_root", f"{BACKBONE}.stem.norm"),
        *(_convolution(f"{OURS}/conv{n}", f"{UNIT}.conv{n}") for n in CONVOLUTIONS),
        *(norm(f"{OURS}/norm{n}", f"{UNIT}.norm{n}") for n in CONVOLUTIONS),
        _convolution(f"{OURS}/conv_shortcut", f"{UNIT}.downsample.conv"),
        norm(f"{OURS}/norm_shortcut", f"{UNIT}.downsample.norm"),
    ),
    architectures={
        name: {"blocks": blocks, "width_factor": 1}
        for name, blocks in {
            "vit_tiny_r_s16_p8_224": (),
            "vit_small_r26_s32_224": (2, 2, 2, 2),
            "vit_base_r50_s16_224": (3, 4, 9),
            "vit_large_r50_s32_224": (3, 4, 6, 3),
        }.items()
    },
)
ROOT_ALONE = {  # the stem of R+Ti/16, which has no stages
    **_convolution("stem/conv_root", f"{BACKBONE}.conv"),
    **norm("stem/norm_root", f"{BACKBONE}.norm"),
}
RESNET_D = Stem(
    layer=layers.ResNetDStem,
    shown_by=r"patch_embed\.backbone\.conv1\.6\.weight",
    arguments=lambda stored: {
        "blocks": units(
            r"patch_embed\.backbone\.layer(\d+)\.\d+\.conv1\.weight", stored
        ),
        "width_factor": stored[f"{BACKBONE}.conv1.6.weight"].shape[0] / 64,
    },
    rules=_all(
        *(
            _convolution(f"stem/conv_root{n}", f"{BACKBONE}.conv1.{place}")
            for n, place in ((1, 0), (2, 3), (3, 6))
        ),
        running_norm("stem/norm_root1", f"{BACKBONE}.conv1.1"),
        running_norm("stem/norm_root2", f"{BACKBONE}.conv1.4"),
        running_norm("stem/norm_root3", f"{BACKBONE}.bn1"),
        *(_convolution(f"{OURS}/conv{n}", f"{UNIT_D}.conv{n}") for n in CONVOLUTIONS),
        *(running_norm(f"{OURS}/norm{n}", f"{UNIT_D}.bn{n}") for n in CONVOLUTIONS),
        _convolution(f"{OURS}/conv_shortcut", f"{UNIT_D}.downsample.1"),
        running_norm(f"{OURS}/norm_shortcut", f"{UNIT_D}.downsample.2"),
    ),
    architectures={
        name: {"blocks": blocks, "width_factor": 1}
        for name, blocks in {
            "vit_small_resnet26d_224": (2, 2, 2, 2),
            "vit_small_resnet50d_s16_224": (3, 4, 6),
            "vit_base_resnet50d_224": (3, 4, 6, 3),
        }.items()
    },
)


def _kernels(stored: Mapping[str, Stored]) -> dict[str, tuple[int, ...]]:
    """The channels of a stem of convolutions, and the sides of its kernels."""
    found = {
        int(match[1]): array.shape
        for name, array in stored.items()
        if (match := LAST.fullmatch(name)) and match[2] == "weight"
    }
    shapes = [found[number] for number in sorted(found)]
    return {
        "channels": tuple(shape[0] for shape in shapes),
        "kernel_sizes": tuple(shape[2] for shape in shapes),
    }


CONVOLUTIONAL = Stem(
    layer=layers.ConvStem,
    shown_by=r"patch_embed\.backbone\.0\.conv\.weight",
    arguments=_kernels,
    rules={
        **_convolution("stem/conv*", f"{BACKBONE}.#.conv"),
        **running_norm("stem/norm*", f"{BACKBONE}.#.bn"),
    },
    architectures={
        "vit_base_mci_224": {
            "channels": (192, 192),
            "kernel_sizes": (4, 2),
            "patch_size": (2, 2),
            "hidden_dim": 768,
        }
    },
)
STEMS = (RESNET, RESNET_D, CONVOLUTIONAL)


def rules(architecture: Architecture) -> Rules:
    """Return the rules of a model's stem; none without one that timm has."""
    found: Rules = {}
    for stem in STEMS:
        if stem.layer.__name__ == architecture.stem:
            found = stem.rules
    return found | ROOT_ALONE if architecture.root_alone else found


def normalise(stored: Mapping[str, Stored]) -> dict[str, Stored]:
    """Return arrays without numbers of batches, the projection by its usual name."""
    arrays = {k: v for k, v in stored.items() if not k.endswith(BATCHES)}
    if f"{PROJECTION}.weight" in arrays:
        return arrays
    last = _numbers(arrays)[-1:]
    return {_renamed(name, *last): array for name, array in arrays.items()}


def in_layout(arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return arrays with what `normalise` leaves out or renames."""
    numbers = _numbers(arrays)
    found = {}
    for name, array in arrays.items():
        if numbers and name.startswith(f"{PROJECTION}."):
            kind = name.removeprefix(f"{PROJECTION}.")
            name = f"{BACKBONE}.{numbers[-1] + 1}.conv.{kind}"
        found[name] = array
        if name.endswith(VARIANCE):  # which PyTorch wants beside it, and timm not reads
            batches = f"{name.removesuffix(VARIANCE)}{BATCHES}"
            found[batches] = np.zeros((), np.int64)
    return found


def _numbers(names):
    """The numbers of a stem's convolutions."""
    matches = (LAST.fullmatch(name) for name in names)
    return sorted({int(match[1]) for match in matches if match})


def _renamed(name, last=None):
    match = LAST.fullmatch(name)
    is_last = match is not None and int(match[1]) == last
    return f"{PROJECTION}.{match[2]}" if match and is_last else name
