"""RandAugment (arXiv:1909.13719): n operations, drawn evenly, at one strength m.

The operations are those of AutoAugment (arXiv:1805.09501) on uint8 RGB, with Cutout
(arXiv:1708.04552) and SolarizeAdd, as strong as in the code of EfficientNet and Big
Vision. Nothing here draws: the caller hands the numbers in, and the image that comes
out is a function of what went in. H and W, height and width, may be unknown.
"""

import functools
import math

import numpy as np
import tensorflow as tf

DRAWS_PER_LAYER = 4  # which operation; its sign; Cutout's centre, down and across
GREY = 128  # of every pixel that an operation uncovers or covers
LEVELS = np.arange(256, dtype=np.int32)
LUMA = (
    np.array([19595, 38470, 7471], np.float32) / 2**16
)  # ITU-R BT.601 in 16 bits: exact sums
SMOOTH = np.array([[1, 1, 1], [1, 5, 1], [1, 1, 1]], np.float32) / 13

COLUMN, ROW = (1, 0, 0), (0, 1, 0)  # x' = x, y' = y

# Of the image x, the strength m / 10 and the layer's draws d. No tf.where on pixels:
# on uint8 it takes longer than all the other arithmetic of its operation.
OPERATIONS = {
    "AutoContrast": lambda x, m, d: _look_up(x, _stretched(x)),
    "Equalize": lambda x, m, d: _look_up(x, _equalized(x)),
    "Invert": lambda x, m, d: 255 - x,
    "Rotate": lambda x, m, d: _turn(x, _signed(math.radians(30 * m), d)),
    "Posterize": lambda x, m, d: _keep_bits(x, int(m * 4)),
    "Solarize": lambda x, m, d: _invert_from(x, int(m * 256)),
    "Color": lambda x, m, d: _blend(_grey(x), x, 1.8 * m + 0.1),
    "Contrast": lambda x, m, d: _blend(_mean_grey(x), x, 1.8 * m + 0.1),
    "Brightness": lambda x, m, d: _blend(0.0, x, 1.8 * m + 0.1),
    "Sharpness": lambda x, m, d: _blend(_smooth(x), x, 1.8 * m + 0.1),
    "ShearX": lambda x, m, d: _move(x, (1, _signed(0.3 * m, d), 0), ROW),
    "ShearY": lambda x, m, d: _move(x, COLUMN, (_signed(0.3 * m, d), 1, 0)),
    "TranslateX": lambda x, m, d: _move(x, (1, 0, _shift(x, 100 * m, d)), ROW),
    "TranslateY": lambda x, m, d: _move(x, COLUMN, (0, 1, _shift(x, 100 * m, d))),
    "Cutout": lambda x, m, d: _cut_out(x, int(m * 40), d),
    "SolarizeAdd": lambda x, m, d: _lighten_dark(x, int(m * 110)),
}


def rand_augment(
    image: tf.Tensor, draws: tf.Tensor, num_layers: int, magnitude: float
) -> tf.Tensor:
    """Apply RandAugment(n, m) to an image: n of the 16 operations in turn.

    With the strengths of EfficientNet's code and Big Vision: a turn by 3 m degrees,
    a shear by 0.03 m, a shift by 10 m pixels, a cutout with half a side of int(4 m);
    int(0.4 m) bits kept, levels inverted from int(25.6 m) on, int(11 m) added to
    those below 128; colour, contrast, brightness, sharpness times 0.18 m + 0.1.
    Three things are not as there:

    - The pixels of shifts and cutouts are those of an image of 224, and scale with
      min(H, W) / 224, so that a small image is not shifted out of sight.
    - 1 to 8 bits are kept, whatever m is. So an m of 20 or more posterizes nothing,
      as an m of 10 or more solarizes nothing, here and there.
    - Contrast is about the mean grey, as in Pillow; there about H W / 256.

    Args:
        image: uint8 `(H, W, 3)`, at least 3 x 3.
        draws: float32 in [0, 1), `(DRAWS_PER_LAYER * num_layers,)`.
        num_layers: n, how many operations are applied. 0 leaves the image.
        magnitude: m, at least 0; the paper's scale ends at 10, which may be passed.

    Returns:
        An image of the same shape and dtype.

    Example:
        >>> draws = tf.random.stateless_uniform([2 * DRAWS_PER_LAYER], seed=(0, 1))
        >>> image = tf.zeros((24, 40, 3), tf.uint8)
        >>> rand_augment(image, draws, num_layers=2, magnitude=10).shape
        TensorShape([24, 40, 3])
    """
    layers = tf.unstack(tf.reshape(draws, (num_layers, DRAWS_PER_LAYER)))
    change = functools.partial(_changed, magnitude=magnitude)
    if layers and not tf.executing_eagerly():
        change = _traced(tuple(image.shape), float(magnitude), *OPERATIONS.values())
    for layer in layers:
        image = tf.ensure_shape(change(image, layer), image.shape)
    return image


def _changed(image, layer, *, magnitude):
    """Apply the operation that a layer's draws choose."""
    branches = [
        functools.partial(operation, image, magnitude / 10, layer)
        for operation in OPERATIONS.values()
    ]
    choice = tf.cast(layer[0] * len(branches), tf.int32)
    return tf.switch_case(choice, branches)


@functools.lru_cache(maxsize=32)
def _traced(shape, magnitude, *operations):
    """Return a graph of `_changed` that all layers of all pipelines can call.

    Tracing all operations takes a second, which each layer would cost anew.
    """
    del operations  # as `_changed` finds them; with others it is another graph
    change = functools.partial(_changed, magnitude=magnitude)
    change = tf.function(change, autograph=False)
    with tf.init_scope(), tf.device(None):  # not of the graph that asked first
        return change.get_concrete_function(
            tf.TensorSpec(shape, tf.uint8), tf.TensorSpec(DRAWS_PER_LAYER, tf.float32)
        )


def _signed(amount, draws):
    return tf.where(draws[1] < 0.5, -amount, amount)


def _size(image):
    """(H, W), as a pair of int32 scalars."""
    return tf.unstack(tf.shape(image)[:2])


def _scaled(pixels, image):
    """A length at 224 x 224 -> the same share of this image, a float32 scalar."""
    return pixels / 224 * tf.cast(tf.reduce_min(_size(image)), tf.float32)


def _shift(image, pixels, draws):
    return _signed(_scaled(pixels, image), draws)


def _keep_bits(image, bits):
    dropped = 8 - min(max(bits, 1), 8)
    return image & np.uint8(256 - 2**dropped)


def _invert_from(image, threshold):
    bright = tf.cast(image, tf.int32) >= threshold  # which may be 256 or more
    return image ^ 255 * tf.cast(bright, tf.uint8)


def _lighten_dark(image, amount):
    dark = tf.cast(image < 128, tf.uint8)
    return image + tf.minimum(min(amount, 255) * dark, 255 - image)


def _blend(degenerate, image, factor):
    """Go `factor` of the way from a degenerate image to the image, or past it."""
    way = factor * (tf.cast(image, tf.float32) - degenerate)
    return tf.saturate_cast(degenerate + way, tf.uint8)


def _grey(image):
    """Each pixel's grey, thrice: float32 `(H, W, 3)`."""
    thrice = np.tile(LUMA[:, None], 3)  # a product is faster than a broadcast
    return tf.floor(tf.tensordot(tf.cast(image, tf.float32), thrice, 1) + 0.5)


def _mean_grey(image):
    return tf.floor(tf.reduce_mean(_grey(image)) + 0.5)


def _smooth(image):
    """The image smoothed, but for its outermost pixels: float32 `(H, W, 3)`."""
    image = tf.cast(image, tf.float32)
    kernel = np.tile(SMOOTH[:, :, None, None], (1, 1, 3, 1))
    inner = tf.nn.depthwise_conv2d(image[None], kernel, [1, 1, 1, 1], "VALID")[0]
    change = tf.floor(inner + 0.5) - image[1:-1, 1:-1]
    return image + tf.pad(change, [[1, 1], [1, 1], [0, 0]])


def _entries(image):
    """256 * channel + level: int32 `(H, 3 W)`, since a last axis of 3 is slow."""
    height, width = _size(image)
    rows = tf.reshape(tf.cast(image, tf.int32), (height, 3 * width))
    return rows + tf.tile(tf.constant([0, 256, 512]), [width])


def _look_up(image, tables):
    """Replace levels by what stands for them in their channel's table `(3, 256)`."""
    tables = tf.reshape(tf.saturate_cast(tables, tf.uint8), [-1])
    return tf.reshape(tf.gather(tables, _entries(image)), tf.shape(image))


def _stretched(image):
    """Return tables that take a channel's darkest level to 0, its lightest to 255."""
    low = tf.cast(tf.reduce_min(image, (0, 1)), tf.int32)[:, None]
    span = tf.cast(tf.reduce_max(image, (0, 1)), tf.int32)[:, None] - low
    return tf.where(span > 0, (LEVELS - low) * 255 // tf.maximum(span, 1), LEVELS)


def _equalized(image):
    """Return tables that take a level to the share of its channel that is darker."""
    counts = tf.math.bincount(_entries(image), minlength=768, maxlength=768)
    counts = tf.reshape(counts, (3, 256))
    darker = tf.cumsum(counts, axis=1, exclusive=True)
    most = tf.reduce_max(darker * tf.cast(counts > 0, tf.int32), 1, keepdims=True)
    step = most // 255
    return tf.where(step > 0, (darker + step // 2) // tf.maximum(step, 1), LEVELS)


def _turn(image, angle):
    """Turn the image about its centre, counter-clockwise by `angle` in radians."""
    y, x = (tf.cast(side - 1, tf.float32) / 2 for side in _size(image))
    cos, sin = tf.cos(angle), tf.sin(angle)
    column = cos, -sin, x - cos * x + sin * y
    row = sin, cos, y - sin * x - cos * y
    return _move(image, column, row)


def _move(image, column, row):
    """Show at (x, y) the pixel nearest to an affine image of (x, y), or grey.

    With its column `(a, b, c)` that pixel has x' = a x + b y + c, and with its row
    `(d, e, f)` y' = d x + e y + f, from the centre of the first pixel.
    """
    height, width = _size(image)
    x = tf.cast(tf.range(width), tf.float32)
    y = tf.cast(tf.range(height), tf.float32)[:, None]

    def nearest(of_side, side):  # int32 (H, W), from 0 in the border to side + 1
        a, b, c = of_side
        place = tf.floor((a * x + (c + 0.5)) + b * y)
        place = tf.clip_by_value(place, -1, tf.cast(side, tf.float32))
        return tf.cast(place, tf.int32) + 1

    bordered = tf.pad(image, [[1, 1], [1, 1], [0, 0]], constant_values=GREY)
    places = nearest(row, height) * (width + 2) + nearest(column, width)
    return tf.gather(tf.reshape(bordered, (-1, 3)), places)


def _cut_out(image, half, draws):
    """Paint a square grey about a drawn pixel; what lies beyond the image is lost."""
    size = tf.shape(image)[:2]
    half = tf.cast(_scaled(half, image), tf.int32)
    centre = tf.cast(draws[2:] * tf.cast(size, tf.float32), tf.int32)
    start, stop = tf.maximum(centre - half, 0), tf.minimum(centre + half, size)
    change = image[start[0] : stop[0], start[1] : stop[1]] ^ GREY
    around = tf.pad(tf.stack([start, size - stop], axis=1), [[0, 1], [0, 0]])
    return image ^ tf.pad(change, around)
