"""How transformers makes pixels of images for the weights beside its settings."""

from typing import Any

import keras

from keras_vit.data.array_preprocessing import before_crop
from keras_vit.meaning import meaning_of
from keras_vit.weights import pixels


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
