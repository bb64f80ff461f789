"""What every split is: images by number, and what they show."""

import functools
import hashlib
import itertools
from collections.abc import Callable, Iterator
from typing import Any, Protocol, TypeGuard

import numpy as np
import tensorflow as tf

from keras_vit.decoding import Decoding


class Labelled(Protocol):
    """A split: images and their labels, wherever the images are.

    `Split` has them in memory, `Files` in image files, `Records` in TFRecord
    files, `Joined` in other splits. A new kind of split inherits from this class
    and has `labels` and the methods that are not implemented here; the others
    follow from these, and are overridden where there is a faster way, or more to
    say. Nothing asks for the class of a split: what some kinds alone have, such
    as `paths`, is `None` of the others.

    Attributes:
        images: pixels in memory, of a `Split`; `None` of others, of which
            `image(index)` reads one.
        labels: the class of each image, integers of shape `(N,)`; or which of K
            classes each shows, zeros and ones of shape `(N, K)`.
        paths: of image files that `decoding` says how to read, bytes `(N,)`;
            `None` of images that are in memory or in records.
        exif_orientation: whether the cameras' notes in such files count.
        decoding: how the files of such images are read.
        in_random_order: whether a share of it, cut from one end, has all
            classes; where not, `Dataset.split` shuffles before it cuts.
        groups: which of them belong together, such as all of a patient: the name
            of each one's group, bytes `(N,)`; `None` where nothing says so.
    """

    # Any, so that a split that has them may say so.
    images: Any = None
    labels: np.ndarray
    paths: Any = None
    exif_orientation: bool = True
    decoding: Decoding = Decoding()
    in_random_order: bool = False
    groups: np.ndarray | None = None

    def image(self, index: int) -> np.ndarray:
        """Return one image, `(H, W, 3)`; may be called from several threads.

        Raises:
            UnreadableImageError: naming it and saying why.
        """
        raise NotImplementedError

    def name(self, index: int) -> str:
        """Return what people find an image by."""
        raise NotImplementedError

    def subset(self, indices: np.ndarray) -> "Labelled":
        """Return the split of those images alone."""
        raise NotImplementedError

    def reader(self) -> Callable[..., tf.Tensor]:
        """Return a function for the graph: `(index, window=None) -> image`.

        `window` is a function of height and width that chooses what is cut
        out: top, left, height and width.
        """
        raise NotImplementedError

    def identity_bytes(self) -> Iterator[bytes]:
        """Yield bytes that distinguish the split from others."""
        raise NotImplementedError

    def file_stats_bytes(self) -> Iterator[bytes]:
        """Yield bytes that change with the images."""
        raise NotImplementedError

    def image_hashes(self) -> np.ndarray:
        """Return a hash of each image by its bytes, uint64 `(N,)`.

        Copies of an image have the same hash, whatever they are called.
        """
        raise NotImplementedError

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def several(self) -> bool:
        """Whether an image can have several classes, or none."""
        return self.labels.ndim == 2

    def decoded(self, decoding: Decoding) -> "Labelled":
        """Return the split with its image files read in another way, if it has any."""
        del decoding
        return self

    def fingerprint(self) -> str:
        """Return a digest that distinguishes the split from others, as text.

        It need not tell images apart that have the same names and labels.
        """
        return _digest(self.identity_bytes())

    def images_fingerprint(self) -> str:
        """Return a digest that also tells apart images of the same names and labels.

        It looks at all pixels in memory, and at the size and the time of each
        file: one that is written anew counts as another.
        """
        return _digest(itertools.chain(self.identity_bytes(), self.file_stats_bytes()))

    def targets(self, num_classes: int) -> Callable[[tf.Tensor], tf.Tensor]:
        """Return a function for the graph: `(index) -> (K,)`, one- or multi-hot."""
        with tf.device("CPU"):
            labels = tf.constant(self.labels, tf.int32)
        if self.labels.ndim == 2:
            return lambda index: tf.cast(tf.gather(labels, index), tf.float32)
        return lambda index: tf.one_hot(tf.gather(labels, index), num_classes)

    def examples(
        self, num_classes: int
    ) -> Callable[[tf.Tensor], tuple[Callable[..., tf.Tensor], tf.Tensor]]:
        """Return a function for the graph: `(index) -> (image, target)`.

        The image is a function `(window=None) -> image`, as the window may depend
        on what the caller draws. What image and target are both made of, such as a
        record, is read once.
        """
        read, target = self.reader(), self.targets(num_classes)
        return lambda index: (functools.partial(read, index), target(index))

    def batch_reader(self) -> Callable[[tf.Tensor], tf.Tensor] | None:
        """Return a function for the graph: `(indices) -> images` of one size.

        `None` where images are read one by one.
        """
        return

    def check_classes(self, num_classes: int) -> None:
        """Refuse labels that are not of so many classes.

        Raises:
            ValueError: naming one of them.
        """
        labels = self.labels
        if labels.ndim == 2 and labels.shape[1] != num_classes:
            raise ValueError(
                f"Expected labels of {num_classes} classes. "
                f"Received: {labels.shape[1]} columns"
            )
        if labels.ndim == 1:
            wrong = labels[(labels < 0) | (labels >= num_classes)]
            if len(wrong):
                raise ValueError(
                    f"Labels must lie in [0, {num_classes}), the number of classes. "
                    f"Received: a label of {wrong[0]}. Count classes from 0, and name "
                    "all of them"
                )


_METHODS = [
    name
    for name, member in vars(Labelled).items()
    if callable(member) and name[0] != "_"
]


def is_split(value: Any) -> TypeGuard[Labelled]:
    """Return whether a value has the methods of `Labelled`, whatever its class.

    Its attributes are not looked at, as labels may have to be read from records.

    Example:

    >>> is_split(np.zeros(3))
    False
    """
    return all(callable(getattr(type(value), name, None)) for name in _METHODS)


def _digest(parts):
    digest = hashlib.blake2b(digest_size=16)
    for part in parts:
        digest.update(part)
    return digest.hexdigest()
