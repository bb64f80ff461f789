"""The inputs of a model's head for each image, computed once and kept on disk."""

from __future__ import annotations

import hashlib
import json
import pathlib
import warnings
import weakref
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from keras_vit import __version__
from keras_vit.classifier import Classifier, Source
from keras_vit.evaluation.inputs import DataInput, opened
from keras_vit.evaluation.outputs import outputs_of
from keras_vit.files import cache_folder, written_whole
from keras_vit.preprocessing import Preprocessing
from keras_vit.renamed import renamed_arguments

if TYPE_CHECKING:
    from keras_vit.compat import Strategy
    from keras_vit.data.labelled import Labelled
    from keras_vit.evaluation.context import Context

LAYER = "features"
_DIGEST_BYTES = 16
# A second split needs no second graph.
_MADE: weakref.WeakKeyDictionary[Any, keras.Model] = weakref.WeakKeyDictionary()


def features_model(model: Source) -> keras.Model:
    """Build the model from images `(B, H, W, 3)` to features `(B, D)`.

    It shares all weights with the first. Of a distilled model, the features
    are those of the class token.

    Args:
        model: a functional Keras model with a layer of the name `"features"`,
            such as all of this package have; the path of one; or a
            `keras_vit.classifier.Classifier`.

    Raises:
        ValueError: if there is no such layer, or it returns no vectors.

    Example:

    >>> features_model(keras_vit.ViT_Ti16(image_size=32)).output_shape
    (None, 192)
    """
    own: Any = model if isinstance(model, keras.Model) else Classifier.of(model).model
    if own in _MADE:
        return _MADE[own]
    try:
        features = own.get_layer(LAYER).output
        frozen = keras.Model(own.inputs, features, name=LAYER)
    except (AttributeError, ValueError) as error:
        raise ValueError(
            f"Expected a functional Keras model with a layer named {LAYER!r}, which "
            "holds what the head reads; a SavedModel has none, its run's folder does. "
            f"Received: {getattr(own, 'name', type(own).__name__)!r}"
        ) from error
    if len(features.shape) != 2:
        raise ValueError(
            f"The layer {LAYER!r} must return a vector for each image, (B, D). "
            f"Received: {features.shape}"
        )
    _MADE[own] = frozen
    return frozen


@renamed_arguments(split="data")
def features_of(
    model: Source,
    data: DataInput,
    batch_size: int = 200,
    preprocessing: Preprocessing | str | None = None,
    strategy: Strategy | str | None = None,
    *,
    cache: bool = True,
) -> np.ndarray:
    """Compute the inputs of a model's head for each image of a split.

    They are kept in the cache's folder `features`, which may be deleted at any
    time, under a digest of all they follow from: the layers and the weights,
    the images (see `images_fingerprint` of splits), the preprocessing, and the
    version of this package. A file there that is damaged counts for nothing.

    Args:
        model: as `features_model` takes it.
        data: as `evaluate` takes it; its classes may be any.
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
    classifier, split = opened(model, data, preprocessing, any_classes=True)[:2]
    frozen = features_model(classifier)
    resizing = classifier.preprocessing

    def computed() -> np.ndarray:
        return outputs_of(
            frozen, split, resizing, batch_size=batch_size, strategy=strategy
        )

    if not cache:
        return computed()
    name = f"{_digest_of_all(frozen, split, resizing)}.npy"
    path = cache_folder() / "features" / name
    features = _kept(path)
    if features is None:
        features = computed()
        try:
            _keep(features, path)
        except OSError as error:  # what was computed is worth more than its copy
            warnings.warn(f"The features could not be kept: {error}", stacklevel=2)
    return features


def _digest_of_all(frozen: Any, split: Labelled, preprocessing: Preprocessing) -> str:
    """The digest of all that features follow from."""
    layers = json.dumps(_without_arguments(json.loads(frozen.to_json())))
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
        digest.update(np.asarray(keras.ops.convert_to_numpy(weight)).tobytes())
    return digest.hexdigest()


def _without_arguments(config: Any) -> Any:
    """A model's config without what the model around the features was built with.

    The arguments in it tell of the head too, on which features do not depend; of
    the rest, the layers themselves tell.
    """
    if isinstance(config, list):
        return [_without_arguments(one) for one in config]
    if not isinstance(config, dict):
        return config
    own = config.get("registered_name") == "keras_vit>Features"
    return {
        name: None if own and name == "config" else _without_arguments(one)
        for name, one in config.items()
    }


def _keep(features: np.ndarray, path: pathlib.Path) -> None:
    """Write an array, and a digest of the file so far behind it."""
    with written_whole(path) as scratch:
        np.save(scratch, features)
        digest = _digest(np.memmap(scratch, np.uint8, "r"))
        with open(scratch, "ab") as stream:
            stream.write(digest)


def _kept(path: pathlib.Path) -> np.ndarray | None:
    """What is kept at a path; `None` if nothing is, or it is damaged."""
    try:
        data = np.memmap(path, np.uint8, "r")
        if _digest(data[:-_DIGEST_BYTES]) != data[-_DIGEST_BYTES:].tobytes():
            return None
        return np.load(path, allow_pickle=False)
    except (OSError, ValueError):  # of an empty file, a ValueError
        return None


def _digest(data: Any) -> bytes:
    return hashlib.blake2b(data, digest_size=_DIGEST_BYTES).digest()


def lacks(context: Context) -> str | None:
    """Return why nothing can be learned from the features of a `Context`, if so."""
    if context.dataset.train.labels.ndim == 2:
        return "it needs images of one class each"
    try:
        features_model(context.classifier)
    except ValueError as error:
        return str(error)
    return None
