"""The door to the formats."""

from keras_vit.exporting import saved_model

FORMATS = {"saved_model": saved_model.write}


def export(model, path, format="saved_model", class_names=None):
    """Writes a model in a format that runs without this package.

    What is written is read back and must give the same logits; only then
    does it appear.

    Args:
        model: a Keras model that takes images and gives logits.
        path: for a SavedModel the folder of all its versions; the next free
            number is written.
        format: a key of `FORMATS`.
        class_names: in the order of the logits, to be written along.

    Returns:
        The path that was written.

    Raises:
        ValueError: for an unknown format, before anything is written.
        RuntimeError: if what was written gives other logits.

    Example:

    >>> model = keras_vit.ViT_Ti16(num_classes=10, image_size=32)
    >>> str(export(model, "savedmodels/tiny"))
    'savedmodels/tiny/1'
    """
    if format not in FORMATS:
        raise ValueError(
            f"Unknown format. Expected one of {', '.join(FORMATS)}. "
            f"Received: {format!r}"
        )
    return FORMATS[format](model, path, class_names)
