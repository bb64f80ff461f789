"""Preprocessing layers of Keras and KerasCV, and functions, as augmentations.

They run in the graph of the data pipeline, on one image at a time. What such a
layer draws comes from generators whose state the steps before have changed. Here
each draw follows from a seed instead, which the image's place in the stream sets, so
that a step is a place: its images depend on no step before it.
"""

from __future__ import annotations

import contextlib
import inspect
import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import keras
import numpy as np
import tensorflow as tf

from keras_vit.augmentation_names import (
    LAYERS,
    REASONS_OF_NAMES,
    REFUSED,
    check_names,
    needs_keras_cv,
)

LOG = logging.getLogger(__name__)

ImageFunction: TypeAlias = Callable[..., tf.Tensor]
AugmentationArgument: TypeAlias = (
    str | keras.layers.Layer | ImageFunction | Sequence[Any]
)

TRIALS = 6  # images that a change is tried on before a run
MORE_TRACES = 4  # of a function, so that a flipped coin is seen to fall otherwise
_RANDOM: Any = tf.random
_fold_in = _RANDOM.experimental.stateless_fold_in


@dataclass(frozen=True, eq=False)
class ImageChange:
    """A random change to an image.

    Attributes:
        name: of the layer or function, for messages.
        change: `(image, seed) -> image`, of a float32 image `(H, W, 3)` in
            [0, 255] and a seed `(2,)`, int32.
    """

    name: str
    change: ImageFunction

    def __call__(self, image: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """Change an image.

        Args:
            image: `(H, W, 3)` in [0, 255].
            seed: int32 `(2,)`, which sets all draws.

        Returns:
            float32 `(H, W, 3)` in [0, 255].
        """
        with _drawing_from(seed):
            changed = self.change(tf.cast(image, tf.float32), seed)
        changed = tf.clip_by_value(tf.cast(changed, tf.float32), 0, 255)
        return tf.ensure_shape(changed, image.shape)


def image_changes(
    augmentation: AugmentationArgument, size: tuple[int, int]
) -> tuple[ImageChange, ...]:
    """Return what `augmentation` stands for, each tried on images of a size.

    Args:
        augmentation: a name of `keras_vit.augmentation_names.LAYERS`; a
            preprocessing layer of Keras or KerasCV; a function of an image
            `(H, W, 3)` in [0, 255], and of a `seed` `(2,)` if it needs one, as
            `tf.image.stateless_random_hue` does; or a sequence of these.
        size: (height, width) in pixels.

    Returns:
        A change for each, in order.

    Raises:
        TypeError: for anything else.
        ValueError: for an unknown name, or a layer that changes labels, the size of
            images or the range of their values.

    Example:

    >>> (invert,) = image_changes(lambda image: 255 - image, (8, 8))
    >>> float(invert(tf.zeros((8, 8, 3)), tf.constant([0, 1]))[0, 0, 0])
    255.0
    """
    several = isinstance(augmentation, list | tuple)
    parts = list(augmentation) if several else [augmentation]
    return tuple(_tried(_built(part), size) for part in parts)


def _layers_of_keras_cv() -> Any:
    """Return the layers of KerasCV, whose import takes seconds."""
    try:
        import keras_cv
    except ImportError as error:
        raise ImportError(f"{needs_keras_cv()} Received: {error}") from error
    return keras_cv.layers


def _built(part: Any) -> Any:
    """Return the layer of a name; anything else as it is, if it can be one."""
    if isinstance(part, str):
        check_names([part])
        library, name = part.split(":")
        if library == "keras":
            layers: Any = keras.layers
        else:
            layers = _layers_of_keras_cv()
        return getattr(layers, name)(**LAYERS[part])
    if isinstance(part, type) or not callable(part):
        raise TypeError(
            "augmentation must be a name such as keras_cv:AugMix, a preprocessing "
            "layer, a function of an image, or several of these in a list. "
            f"Received: {part!r}"
        )
    if isinstance(part, keras.layers.Layer):
        _check_layer(part)
    return part


def _check_layer(layer: keras.layers.Layer) -> None:
    """Refuse a layer that is known not to augment images one by one, in [0, 255]."""
    kind = type(layer)
    library = kind.__module__.partition(".")[0]
    name = f"{library}:{kind.__name__}"
    if REFUSED.get(name, REASONS_OF_NAMES[0]) not in REASONS_OF_NAMES:
        check_names([name])
    low, high = getattr(layer, "value_range", None) or (0, 255)
    if (low, high) != (0, 255):
        raise ValueError(
            "A layer of augmentation must have value_range=(0, 255), as images have. "
            f"Received: {layer.name} with value_range={(low, high)}"
        )


def _tried(part: Any, size: tuple[int, int]) -> ImageChange:
    """Return the change, tried on some images of this size."""
    name = getattr(part, "name", None) or getattr(part, "__name__", repr(part))
    errors = []
    for function in _callings(part):
        change = ImageChange(name, function)
        try:
            built = _graph(change, size)(_trial_seeds()).numpy()
            graph = _graph(change, size)  # a layer draws otherwise while it is built
            images = graph(_trial_seeds()).numpy()
        except Exception as error:  # whatever a layer raises in a graph
            errors.append(error)
            continue
        _check_pixels(name, images, size)
        if unseeded := _unseeded(graph.graph.as_graph_def()):
            LOG.warning(
                f"{name} draws by {', '.join(unseeded)}, which no seed sets: a run "
                "that is resumed, or repeated, trains on other images."
            )
        elif _draws_while_traced(part, change, built, images):
            LOG.warning(
                f"{name} draws by Python or NumPy while its graph is made, so once for "
                "all images of a run, and once more when it is resumed. Draw by "
                "tf.random or keras.random."
            )
        return change
    raise ValueError(
        f"augmentation must work in a TensorFlow graph on images of {size[0]} x "
        f"{size[1]}. Received: {name}, which fails: {_in_one_line(errors[0])}"
    ) from errors[0]


def _callings(part: Any) -> list[ImageFunction]:
    """Return the ways in which a layer or function may be called with an image."""
    if not isinstance(part, keras.layers.Layer):
        seed = inspect.signature(part).parameters.get("seed")
        if seed is not None and seed.default is seed.empty:
            return [lambda image, seed: part(image, seed=seed)]
        return [lambda image, seed: part(image)]
    options: dict[str, Any] = {}
    if "training" in inspect.signature(part.call).parameters:
        options["training"] = True
    return [
        lambda image, seed: part(image, **options),
        lambda image, seed: part(image[tf.newaxis], **options)[0],  # RandomApply
    ]


def _graph(change: ImageChange, size: tuple[int, int]) -> Any:
    """Return the graph that changes an image once for each of some seeds."""
    ramp = np.linspace(0, 255, size[0] * size[1] * 3, dtype=np.float32)
    image = tf.constant(ramp.reshape(*size, 3))

    def changed(seed):
        with _drawing_from(seed):  # unlike `change`, this clips nothing
            return tf.cast(change.change(tf.identity(image), seed), tf.float32)

    unknown: Any = None  # the rank too
    kind = tf.TensorSpec(unknown, tf.float32)
    trial = tf.function(
        lambda seeds: tf.map_fn(changed, seeds, fn_output_signature=kind)
    )
    return trial.get_concrete_function(tf.TensorSpec((TRIALS, 2), tf.int32))


def _draws_while_traced(
    part: Any, change: ImageChange, built: np.ndarray, images: np.ndarray
) -> bool:
    """Return whether a change, traced again, gives other images for the same seeds.

    Args:
        part: the layer or function.
        change: made of it, which draws by seeds alone while its graph runs.
        built: `(N, H, W, 3)`, the images of its first graph, in which a layer is built.
        images: those of its second.
    """
    of_layer = isinstance(part, keras.layers.Layer)
    if of_layer and _same(built, images):
        return False  # as it is slow to trace
    size = images.shape[1:3]
    again = (_graph(change, size) for _ in range(1 if of_layer else MORE_TRACES))
    return not all(_same(one(_trial_seeds()).numpy(), images) for one in again)


def _same(images: np.ndarray, others: np.ndarray) -> bool:
    """Return whether images are equal, but for the rounding of sums."""
    return images.shape == others.shape and np.allclose(images, others, atol=0.01)


def _trial_seeds() -> np.ndarray:
    return np.arange(2 * TRIALS, dtype=np.int32).reshape(TRIALS, 2)


def _check_pixels(name: str, images: np.ndarray, size: tuple[int, int]) -> None:
    """Refuse what are no pixels in [0, 255] of the size that went in."""
    if images.shape[1:] != (*size, 3):
        raise ValueError(
            "augmentation must keep the size of images, and must not change labels. "
            f"Received: {name}, which returns {images.shape[1:]} of {(*size, 3)}"
        )
    low, high = float(images.min()), float(images.max())
    # What overshoots is clipped; all within a few levels is another range.
    if low < -256 or not 16 < high < 512:
        raise ValueError(
            "augmentation must return pixels in [0, 255]. Received: "
            f"{name}, which returns {low:g} to {high:g}. Set its value_range=(0, 255), "
            "or leave it out: the model standardizes its images itself"
        )


def _in_one_line(error: Exception) -> str:
    """Return what an error says, but for where in the graph's code it arose."""
    lines = str(error).strip().splitlines() or [""]
    return f"{type(error).__name__}: {lines['in user code' in lines[0] and -1].strip()}"


def _unseeded(graph: Any) -> list[str]:
    """Return the operations of a graph that draw from a state of their own."""
    functions = [node for one in graph.library.function for node in one.node_def]
    kinds = {node.op for node in (*graph.node, *functions)}
    stateful = (
        "RandomUniform",
        "RandomUniformInt",
        "RandomStandardNormal",
        "TruncatedNormal",
        "RandomGamma",
        "RandomShuffle",
        "Multinomial",
        "RandomPoissonV2",
        "SampleDistortedBoundingBoxV2",
        "PyFunc",
        "EagerPyFunc",
        "StatefulUniform",
        "StatefulStandardNormalV2",
        "StatefulUniformInt",
    )
    return sorted(kinds & {*stateful})


class _Place(threading.local):
    """The seed that draws follow from in this thread, and how many were made."""

    seed: tf.Tensor | None = None
    count = 0

    def next(self) -> tf.Tensor:
        """Return the seed of the next draw."""
        self.count += 1
        return _fold_in(self.seed, self.count)


_PLACE = _Place()
_LOCK = threading.RLock()  # for the functions that `_drawing_from` replaces


class _SeedScope(keras.StatelessScope):
    """Gives the generators of Keras their seeds, in place of their states."""

    def get_current_value(self, variable):
        if variable.path.endswith("seed_generator_state"):
            return tf.cast(_PLACE.next(), variable.dtype)
        return super().get_current_value(variable)

    def add_update(self, update):
        if not update[0].path.endswith("seed_generator_state"):
            super().add_update(update)


@contextlib.contextmanager
def _drawing_from(seed: tf.Tensor) -> Iterator[None]:
    """Within it, what this thread draws follows from a seed, by whatever it draws.

    That holds for `keras.random` and its `SeedGenerator`, by Keras's own scope for
    what has no state; and for `tf.random.Generator` and the functions of
    `tf.random` that KerasCV calls, which are replaced meanwhile. The graph is made
    in this thread, so that nothing is replaced while it runs.
    """
    with _LOCK:
        before, places = _PLACE.seed, _PLACE.count
        originals = [(owner, name, getattr(owner, name)) for owner, name, _ in _DRAWS]
        _PLACE.seed, _PLACE.count = seed, 0
        for owner, name, stateless in _DRAWS:
            setattr(owner, name, _by_seed(getattr(owner, name), stateless))
        try:
            with _SeedScope():
                yield
        finally:
            for owner, name, original in originals:
                setattr(owner, name, original)
            _PLACE.seed, _PLACE.count = before, places


def _by_seed(original: Callable[..., Any], stateless: Callable[..., Any]) -> Any:
    def draw(*args, **kwargs):
        if _PLACE.seed is None:  # another thread
            return original(*args, **kwargs)
        return stateless(*args, **kwargs)

    return tf.autograph.experimental.do_not_convert(draw)


def _uniform(shape, minval=0, maxval=None, dtype=tf.float32, seed=None, *, name=None):
    del seed, name
    if maxval is None and tf.as_dtype(dtype).is_floating:
        maxval = 1
    return tf.random.stateless_uniform(shape, _PLACE.next(), minval, maxval, dtype)


def _normal(shape, mean=0.0, stddev=1.0, dtype=tf.float32, seed=None, *, name=None):
    del seed, name
    return tf.random.stateless_normal(shape, _PLACE.next(), mean, stddev, dtype)


def _gamma(shape, alpha, beta=None, dtype=tf.float32, seed=None, *, name=None):
    del seed, name
    alpha = tf.convert_to_tensor(alpha, dtype)
    shape = tf.reshape(tf.cast(shape, tf.int32), [-1])
    whole = tf.concat([shape, tf.shape(alpha)], 0)
    return tf.random.stateless_gamma(whole, _PLACE.next(), alpha, beta, dtype)


def _shuffle(value, seed=None, name=None):
    del seed, name
    return _RANDOM.experimental.stateless_shuffle(value, _PLACE.next())


def _of_generator(draw: Callable[..., Any]) -> Callable[..., Any]:
    return lambda generator, *args, **kwargs: draw(*args, **kwargs)


_DRAWS: tuple[tuple[Any, str, Callable[..., Any]], ...] = (
    (tf.random, "uniform", _uniform),
    (tf.random, "normal", _normal),
    (tf.random, "gamma", _gamma),
    (tf.random, "shuffle", _shuffle),
    (tf.random.Generator, "uniform", _of_generator(_uniform)),
    (tf.random.Generator, "normal", _of_generator(_normal)),
)
