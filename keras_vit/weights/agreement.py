"""Compare the settings of a model with those of the source of a file."""

from typing import Any

from keras_vit.weights.architecture import Architecture
from keras_vit.weights.file_arguments import COMPARED, arguments_of, plain
from keras_vit.weights.sources.source import Arrays, Config, Source


def check_agreement(
    architecture: Architecture,
    source: Source,
    stored: Arrays,
    config: Config,
    *,
    head: str,
) -> None:
    """Refuse a model whose settings differ from those of a file.

    Args:
        architecture: of the model.
        source: whose file it is.
        stored: its arrays, by canonical names.
        config: as `opening.open_weights` returns it.
        head: `"keep"` or `"reset"`; without the file's head, pooling is free.

    Raises:
        ValueError: naming the arguments with which to build the model.
    """
    if architecture.position_embedding == "rope_2d":
        raise ValueError(
            f"The weights are {source.name}'s, whose models do not use rotary "
            "position embeddings of position_embedding='rope_2d'. Build the model "
            "with another, and with block={'rotary': ...} where theirs are rotary."
        )
    expected = arguments_of(source, stored, config)
    stated = source.settings(config)
    if "pooling" not in stated or head == "reset":
        expected.pop("pooling", None)
    compared = {key: expected[key] for key in COMPARED if key in expected}
    compared.setdefault("block", {})
    if source.positions not in stored and "position_embedding" in expected:
        compared["position_embedding"] = expected["position_embedding"]  # no array
    if architecture.standardization and source.standardization:
        compared["standardization"] = source.standardization  # of the stem
    ours: dict[str, Any] = {
        key: getattr(architecture, "blocks" if key == "block" else key)
        for key in compared
    }
    wrong = {
        key: (plain(key, value), plain(key, ours[key]))
        for key, value in compared.items()
        if plain(key, value) != plain(key, ours[key])
    }
    if wrong:
        arguments, received = (
            ", ".join(f"{key}={pair[which]!r}" for key, pair in wrong.items())
            for which in (0, 1)
        )
        raise ValueError(
            f"The weights are {source.name}'s, and the model's {', '.join(wrong)} "
            f"{'differ' if len(wrong) > 1 else 'differs'} from the checkpoint's. "
            f"Build it with {arguments}. Received: {received}"
        )
