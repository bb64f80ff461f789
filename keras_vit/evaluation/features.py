"""What a model's head reads of each image, computed once and kept on disk."""

import hashlib
import warnings
import weakref

import keras
import numpy as np

from keras_vit import __version__
from keras_vit.evaluation.outputs import outputs_of
from keras_vit.files import cache_folder, written_whole
from keras_vit.preprocessing import carried_by, resolve

LAYER = "features"
_DIGEST_BYTES = 16
_MADE = weakref.WeakKeyDictionary()  # a second split needs no second graph


def features_model(model):
    """Gives the model of images `(B, H, W, 3)` to features `(B, D)`.

    It shares all weights with the first. Of a distilled model, the features
    are those of the class token.

    Args:
        model: a functional Keras model with a layer of the name `"features"`.

    Raises:
        ValueError: if there is no such layer, or it gives no vectors.

    Example:

    >>> features_model(keras_vit.ViT_Ti16(image_size=32)).output_shape
    (None, 192)
    """
    if model in _MADE:
        return _MADE[model]
    try:
        features = model.get_layer(LAYER).output
        frozen = keras.Model(model.inputs, features, name=LAYER)
    except (AttributeError, ValueError) as error:
        raise ValueError(
            f"Expected a functional Keras model with a layer named {LAYER!r}, which "
            "holds what the head reads; a SavedModel has none, its run's folder does. "
            f"Received: {getattr(model, 'name', type(model).__name__)!r}"
        ) from error
    if len(features.shape) != 2:
        raise ValueError(
            f"The layer {LAYER!r} must give a vector of each image, (B, D). "
            f"Received: {features.shape}"
        )
    _MADE[model] = frozen
    return frozen


def features_of(
    model, split, batch_size=200, preprocessing=None, strategy=None, cache=True
):
    """Computes what a model's head reads of each image of a split.

    They are kept in the cache's folder `features`, which may be deleted at any
    time, under a digest of all they follow from: the layers and the weights,
    the images (see `images_fingerprint` of splits), the preprocessing, and the
    version of this package. A file there that is damaged counts for nothing.

    Args:
        model: a functional Keras model with a layer of the name `"features"`,
            such as all of this package have.
        split: a split of a `keras_vit.data.Dataset`, or `(images, labels)`.
        batch_size: images at a time. It does not change the result.
        preprocessing: as `evaluate` takes it.
        strategy: as `evaluate` takes it.
        cache: whether features are looked for and kept on disk.

    Returns:
        `(N, D)` float32, in the order of the split.

    Raises:
        ValueError: if the model has no such layer, or for an unknown
            preprocessing or strategy.
        FloatingPointError: if a feature is not finite.

    Example:

    >>> model = keras_vit.ViT_Ti16(image_size=32)
    >>> split = data.load("fashion_mnist_sample").split("test[:5]")
    >>> features_of(model, split, cache=False).shape
    (5, 192)
    """
    from keras_vit.data.evaluation import given_split

    split = given_split(split)
    frozen = features_model(model)
    own = preprocessing is None
    preprocessing = carried_by(model) if own else resolve(preprocessing)
    how = batch_size, preprocessing, strategy
    if not cache:
        return outputs_of(frozen, split, *how)
    name = f"{_digest_of_all(frozen, split, preprocessing)}.npy"
    path = cache_folder() / "features" / name
    features = _kept(path)
    if features is None:
        features = outputs_of(frozen, split, *how)
        try:
            _keep(features, path)
        except OSError as error:  # what was computed is worth more than its copy
            warnings.warn(f"The features could not be kept: {error}", stacklevel=2)
    return features


def _digest_of_all(frozen, split, preprocessing):
    """The digest of all that features follow from."""
    layers = frozen.to_json()
    for number, operation in enumerate(frozen.operations):
        # Keras counts on in the names of what is nameless, such as get_item_3.
        layers = layers.replace(f'"{operation.name}"', f'"{number}"')
    digest = hashlib.blake2b(digest_size=_DIGEST_BYTES)
    for text in (
        layers,
        split.images_fingerprint(),
        repr(preprocessing),
        __version__,
    ):
        digest.update(text.encode() + b"\0")
    for weight in frozen.weights:
        digest.update(keras.ops.convert_to_numpy(weight).tobytes())
    return digest.hexdigest()


def _keep(features, path):
    """Writes an array, and a digest of the file so far behind it."""
    with written_whole(path) as scratch:
        np.save(scratch, features)
        digest = _digest(np.memmap(scratch, np.uint8, "r"))
        with open(scratch, "ab") as stream:
            stream.write(digest)


def _kept(path):
    """What is kept at a path; `None` if nothing is, or it is damaged."""
    try:
        data = np.memmap(path, np.uint8, "r")
        if _digest(data[:-_DIGEST_BYTES]) != data[-_DIGEST_BYTES:].tobytes():
            return None
        return np.load(path, allow_pickle=False)
    except (OSError, ValueError):  # of an empty file, a ValueError
        return None


def _digest(data):
    return hashlib.blake2b(data, digest_size=_DIGEST_BYTES).digest()


def lacks(context):
    """Why nothing can be learned from the features of a `Context`, if so."""
    if context.dataset.train.several:
        return "it needs images of one class each"
    try:
        features_model(context.model)
    except ValueError as error:
        return str(error)
    return None
