"""Functions whose gradient keeps their input alone, for training on TensorFlow.

Automatic differentiation keeps what each operation inside a function gave, which for
GELU is six times its input and for a layer norm three times. Written out, the
gradients need the input and a few values that are cheap to compute again. What the
functions return is to the bit what they return without; other backends fuse such
functions by themselves and take the automatic gradient.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import keras

from keras_vit.layers.tensors import Tensor, ops

TANH_SCALE, TANH_CUBE = math.sqrt(2 / math.pi), 0.044715  # of arXiv:1606.08415


def gelu_tanh_slope(x: Tensor) -> Tensor:
    """Return the derivative of `keras.activations.gelu(x, approximate=True)`.

    Example:

    >>> float(gelu_tanh_slope(keras.ops.zeros(())))
    0.5
    """
    square = x * x
    t = ops.tanh(x * (TANH_SCALE + TANH_SCALE * TANH_CUBE * square))
    inner = TANH_SCALE + 3 * TANH_SCALE * TANH_CUBE * square
    return 0.5 * (1.0 + t) + (0.5 - 0.5 * t * t) * x * inner


def gelu_erf_slope(x: Tensor) -> Tensor:
    """Return the derivative of `x Phi(x)`, which is `Phi(x) + x phi(x)`.

    Example:

    >>> float(gelu_erf_slope(keras.ops.zeros(())))
    0.5
    """
    density = ops.exp(-0.5 * x * x) * (1 / math.sqrt(2 * math.pi))
    return 0.5 * (1.0 + ops.erf(x * (1 / math.sqrt(2)))) + x * density


def elementwise(
    function: Callable[[Tensor], Tensor], slope: Callable[[Tensor], Tensor]
) -> Callable[[Tensor], Tensor]:
    """Return the function with a gradient that keeps its input alone.

    Args:
        function: of each element by itself.
        slope: its derivative.

    Example:

    >>> square = elementwise(lambda x: x * x, lambda x: 2 * x)
    >>> float(square(keras.ops.convert_to_tensor(3.0)))
    9.0
    """
    if keras.backend.backend() != "tensorflow":
        return function

    @ops.custom_gradient
    def of(x):
        return function(x), lambda upstream: upstream * slope(x)

    return of


def layer_normalization(
    x: Tensor,
    gamma: Tensor,
    beta: Tensor,
    *,
    epsilon: float,
) -> Tensor:
    """Return `keras.ops.layer_normalization` over the last axis.

    Args:
        x: `(..., D)`.
        gamma: the scale, `(D,)`.
        beta: the offset, `(D,)`.
        epsilon: added to the variance.

    Returns:
        `(..., D)`, in float32 at least.

    Example:

    >>> x, one = keras.ops.convert_to_tensor([[1.0, 3.0]]), keras.ops.ones(2)
    >>> layer_normalization(x, one, one, epsilon=0.0).numpy().tolist()
    [[0.0, 2.0]]
    """
    if keras.backend.backend() != "tensorflow":
        return ops.layer_normalization(x, gamma, beta, axis=-1, epsilon=epsilon)

    @ops.custom_gradient
    def of(x, gamma, beta):
        def gradient(upstream):
            precise = keras.backend.result_type(x.dtype, "float32")
            z, up, scale = (ops.cast(one, precise) for one in (x, upstream, gamma))
            mean, variance = ops.moments(z, axes=[-1], keepdims=True)
            inverse = ops.rsqrt(variance + epsilon)
            z = (z - mean) * inverse
            scaled = up * scale
            dx = scaled - ops.mean(scaled, axis=-1, keepdims=True)
            dx = dx - z * ops.mean(scaled * z, axis=-1, keepdims=True)
            others = list(range(len(x.shape) - 1))
            return (
                ops.cast(dx * inverse, x.dtype),
                ops.cast(ops.sum(up * z, axis=others), gamma.dtype),
                ops.cast(ops.sum(up, axis=others), beta.dtype),
            )

        out = ops.layer_normalization(x, gamma, beta, axis=-1, epsilon=epsilon)
        return out, gradient

    return of(x, ops.copy(gamma), ops.copy(beta))  # tensors, not variables
