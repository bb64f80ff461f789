"""The settings with which transformers builds the model of the weights beside them."""

from collections.abc import Sequence
from typing import Any

import keras

from keras_vit.data.preprocessing import before_crop
from keras_vit.meaning import meaning_of
from keras_vit.weights import pixels
from keras_vit.weights.architecture import describe

HIDDEN_ACT = {"gelu_erf": "gelu", "gelu_tanh": "gelu_pytorch_tanh"}


def huggingface_config(
    model: keras.Model, class_names: Sequence[str] | None = None
) -> dict[str, Any]:
    """Return the `config.json` of a model, for JSON.

    Args:
        model: a ViT that a factory of this package built.
        class_names: in the order of the logits; `None`: `LABEL_0` and so on,
            as the library itself makes them up.
    """
    architecture = describe(model)
    layers = {layer.name: layer for layer in model.layers}
    height, width = model.input_shape[1:3]
    rows, columns = architecture.patch_size
    if rows != columns:
        raise ValueError(
            "huggingface's files cannot hold patches that are not square. "
            f"Received: {rows} x {columns}"
        )
    distilled = "head_distillation" in layers
    has_head = "head" in layers
    kind = "DeiT" if distilled else "ViT"
    task = "Model"
    if has_head:
        task = "ForImageClassification" + ("WithTeacher" if distilled else "")
    config = {
        "architectures": [kind + task],
        "model_type": kind.lower(),
        "hidden_size": layers["patch_encoder"].hidden_dim,
        "num_hidden_layers": sum(name.startswith("block_") for name in layers),
        "num_attention_heads": architecture.num_heads,
        "intermediate_size": layers["block_00"].mlp_dim,
        "hidden_act": HIDDEN_ACT[architecture.activation],
        "layer_norm_eps": architecture.layer_norm_epsilon,
        "image_size": height if height == width else [height, width],
        "patch_size": rows,
        "num_channels": 3,
        "qkv_bias": True,
        "hidden_dropout_prob": layers["block_00"].dropout_rate,
        "attention_probs_dropout_prob": layers["block_00"].attention_dropout_rate,
    }
    if has_head:
        labels = class_names or [f"LABEL_{n}" for n in range(layers["head"].units)]
        config["id2label"] = dict(enumerate(labels))
        config["label2id"] = {label: number for number, label in enumerate(labels)}
    if "pre_logits" in layers:
        config["pooler_output_size"] = layers["pre_logits"].units
        config["pooler_act"] = "tanh"
    return config


def huggingface_preprocessing(model: keras.Model) -> dict[str, Any]:
    """Return the `preprocessor_config.json` of a model, for JSON."""
    height, width = model.input_shape[1:3]
    return _huggingface_resizing(meaning_of(model).preprocessing, height, width) | (
        pixels.for_huggingface(model)
    )


RESAMPLE = {"bilinear": 2, "bicubic": 3, "area": 4}  # Pillow's; 4 is nearly so


def _huggingface_resizing(preprocessing, height, width):
    """What its processors know of how images become a model's size.

    They antialias and round always; whole pixels are theirs.
    """
    rows, columns = before_crop((height, width), preprocessing.crop_fraction)
    processor = {
        "image_processor_type": "ViTImageProcessor",
        "do_resize": True,
        "size": {"height": rows, "width": columns},
        "resample": RESAMPLE[preprocessing.method],
    }
    if preprocessing.aspect == "short_side":
        if height != width:
            raise ValueError(
                "huggingface's files cannot hold an aspect that is kept for images "
                f"that are not square. Received: {height} x {width}"
            )
        processor |= {"image_processor_type": "BitImageProcessor"}
        processor |= {"size": {"shortest_edge": rows}}
    elif preprocessing.crop_fraction < 1:
        processor |= {"image_processor_type": "DeiTImageProcessor"}
    if processor["image_processor_type"] != "ViTImageProcessor":
        processor |= {"do_center_crop": True}
        processor |= {"crop_size": {"height": height, "width": width}}
    return processor
