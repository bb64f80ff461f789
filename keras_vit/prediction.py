"""What a classifier says of image files."""

import pathlib
from dataclasses import dataclass

import keras
import numpy as np

from keras_vit.data.images import UnreadableImageError, find_images, read_image
from keras_vit.decoding import changed_decoding
from keras_vit.layers.head import PROBABILITIES, probabilities_of
from keras_vit.logits import class_names_for, logits_model
from keras_vit.model_files import ServedModel
from keras_vit.preprocessing import carried_by, resolve


@dataclass(frozen=True)
class Prediction:
    """The likeliest classes of one image, or why there are none.

    Attributes:
        path: of the image.
        classes: names, the likeliest first.
        probabilities: of those classes.
        error: why the file could not be read; `None` if it could.
    """

    path: pathlib.Path
    classes: tuple[str, ...] = ()
    probabilities: tuple[float, ...] = ()
    error: str | None = None


def predict(
    model,
    images,
    *,
    class_names=None,
    top=5,
    batch_size=32,
    preprocessing=None,
    exif_orientation=True,
    pixel_range=None,
    background=None,
    max_pixels=None,
):
    """Classifies image files.

    Each image is resized as in evaluation. A file that is no image takes
    nothing from the others: its `Prediction` says what is wrong with it.

    Args:
        model: a Keras model of logits or of probabilities (see
            `keras_vit.logits.logits_model`), or the path of a saved one (see
            `keras_vit.model_files.load_classifier`).
        images: paths of files and folders; one alone will do.
        class_names: in the order of the logits; those saved with the model by
            default. Of a model of one output, two, or that of its class alone.
        top: how many classes to name.
        batch_size: images at a time.
        preprocessing: how images become the model's size, as `evaluate` takes
            it. The model's own by default.
        exif_orientation: whether the cameras' notes on the orientation count.
        pixel_range: which samples of more than 8 bits become black and white,
            such as `"0:4095"`, or `"full"`. As the model was trained by
            default.
        background: what is seen behind transparent pixels, `"white"` or
            `"black"`; `"ignore"`: transparency is dropped. Likewise.
        max_pixels: files of more are refused. Likewise.

    Yields:
        A `Prediction` for each file, in order.

    Raises:
        FileNotFoundError: at once, if a path does not exist.
        ValueError: at once, if a folder has no images, or if names and logits
            differ in number, or for an unknown preprocessing or range.

    Example:

    >>> for one in predict("runs/fashion_mnist", "shoe.png"):  # doctest: +SKIP
    ...     print(one.classes[0], one.probabilities[0])
    Ankle boot 0.93
    """
    from keras_vit.model_files import load_classifier

    if preprocessing is not None:
        preprocessing = resolve(preprocessing)
    if isinstance(images, (str, pathlib.Path)):
        images = [images]
    files = find_images(images)
    if isinstance(model, (str, pathlib.Path)):
        classifier = load_classifier(model)
        model, class_names = classifier.model, class_names or classifier.class_names
    model = logits_model(model)
    class_names = class_names_for(model, class_names)
    count = model.output_shape[-1]
    class_names = class_names or [f"class {number}" for number in range(count)]
    if len(class_names) != count:
        raise ValueError(
            f"The model has {count} classes. Received: {len(class_names)} class names"
        )
    preprocessing = preprocessing or carried_by(model)
    changes = {
        "pixel_range": pixel_range,
        "background": background,
        "max_pixels": max_pixels,
    }
    changes = {name: one for name, one in changes.items() if one is not None}
    decoding = changed_decoding(model, changes)
    size = model.input_shape[1:3]

    def read(path):
        from keras_vit.data.preprocessing import preprocess

        image = read_image(path, exif_orientation, decoding)
        image = preprocess(image, size, preprocessing)
        return np.asarray(image, np.float32)

    return _predictions(model, files, read, class_names, min(top, count), batch_size)


def _predictions(model, files, read, class_names, top, batch_size):
    for start in range(0, len(files), batch_size):
        pixels, errors = {}, {}
        for path in files[start : start + batch_size]:
            try:
                pixels[path] = read(path)
            except UnreadableImageError as error:
                errors[path] = str(error)
        answers = {}
        if pixels:
            told = _probabilities(model, np.stack(list(pixels.values())))
            answers = dict(zip(pixels, told, strict=True))
        for path in files[start : start + batch_size]:
            if path in errors:
                yield Prediction(path, error=errors[path])
                continue
            best = np.argsort(-answers[path], kind="stable")[:top]
            yield Prediction(
                path,
                tuple(class_names[index] for index in best),
                tuple(float(answers[path][index]) for index in best),
            )


def _probabilities(model, images):
    """Probabilities `(B, K)`, by softmax or sigmoid as the model was trained."""
    if isinstance(model, ServedModel):
        return model.probabilities(images)
    of_logits = PROBABILITIES[probabilities_of(model)]
    logits = model.predict_on_batch(images)
    return keras.ops.convert_to_numpy(of_logits(np.asarray(logits, np.float32)))
