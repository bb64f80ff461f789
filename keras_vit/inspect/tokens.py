"""How long tokens are: the artefacts that registers cure."""

import keras
import numpy as np
from keras import ops

from keras_vit.inspect.attention import blocks_of, images_for
from keras_vit.inspect.batches import batches_of
from keras_vit.inspect.inspector import inspector


def token_norms(model, images, of="patches", batch_size=16):
    """Gives the Euclidean norm of each token on its way through the blocks.

    Large models keep notes on few patches of empty ground, whose tokens are
    many times longer than others after the last blocks; with registers they
    do not: Darcet et al. (arXiv:2309.16588), section 2.1.

    L blocks, B images, T tokens that are no patches. It needs the memory of
    one batch, and that of the norms.

    Args:
        model: a ViT of this package.
        images: `(B, height, width, 3)`, pixels in [0, 255], or an iterable of
            such batches.
        of: `"patches"`, or `"others"`: class token, distillation token and
            registers, as far as there are any.
        batch_size: the most images at once, of an array.

    Returns:
        `(L + 1, B, rows, columns)`, of the others `(L + 1, B, T)`: what enters
        the first block, and what each block gives, before the final norm.

    Raises:
        ValueError: if the model has no block, for other tokens, for images of
            another shape, or if there is none.

    Example:

    >>> model = keras_vit.ViT_Ti16(num_classes=10, image_size=(32, 48))
    >>> token_norms(model, np.zeros((2, 32, 48, 3))).shape
    (13, 2, 2, 3)
    >>> token_norms(model, np.zeros((2, 32, 48, 3)), of="others").shape
    (13, 2, 1)
    """
    if of not in ("patches", "others"):
        raise ValueError(f"of must be patches or others. Received: of={of!r}")
    batches = batches_of(images_for(model, images), batch_size)
    looking = inspector(model, _norms_model)
    norms = [looking.predict_on_batch(batch) for batch in batches]
    if not norms:
        raise ValueError("Expected at least one image. Received: none")
    norms = np.moveaxis(np.concatenate(norms), 1, 0)
    rows, columns = model.get_layer("patch_encoder").grid
    others = norms.shape[-1] - rows * columns
    if of == "others":
        return norms[..., :others]
    return norms[..., others:].reshape(*norms.shape[:2], rows, columns)


def _norms_model(model):
    blocks = blocks_of(model)
    states = [blocks[0].input, *(block.output for block in blocks)]
    return keras.Model(model.input, _Norms(name="token_norms")(states))


class _Norms(keras.layers.Layer):
    """L + 1 states `(B, N, D)` to the norms of their tokens, `(B, L + 1, N)`."""

    def __init__(self, name):
        super().__init__(name=name, dtype="float32")
        self.built = True

    def call(self, states):
        return ops.stack([ops.norm(z, axis=-1) for z in states], axis=1)
