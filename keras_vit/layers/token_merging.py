"""Fewer tokens: "Token Merging: Your ViT But Faster" (arXiv:2210.09461).

B images, N tokens, the first T of which are no patches, D features of a token,
d features of a key. The size of a token is the number of patches it stands for.
"""

from __future__ import annotations

import keras

from keras_vit.layers.tensors import Shape, Tensor, ops


def num_merged(num_tokens: int, num_protected: int, r: int) -> int:
    """Return how many of N tokens are merged away: r, or half of the patches.

    Example:

    >>> num_merged(197, 1, 16), num_merged(20, 1, 16)
    (16, 9)
    """
    return min(r, (num_tokens - num_protected) // 2)


def patches_left(num_patches: int, num_blocks: int, r: int) -> list[int]:
    """Return how many patches each block leaves of those that enter the first one.

    Example:

    >>> patches_left(64, 12, 8)
    [56, 48, 40, 32, 24, 16, 8, 4, 2, 1, 1, 1]
    """
    left = []
    for _ in range(num_blocks):
        num_patches -= num_merged(num_patches, 0, r)
        left.append(num_patches)
    return left


def merge(
    z: Tensor, sizes: Tensor, k: Tensor, r: int, num_protected: int = 0
) -> tuple[Tensor, Tensor]:
    """Merge the r patches that are most like another one into it: section 3.

    Args:
        z: tokens, `(B, N, D)`.
        sizes: of the tokens, int32 `(B, N)`.
        k: what tells how alike tokens are, `(B, N, d)`: the keys of the
            attention that has just been, in the mean over its heads.
        r: how many tokens fewer; half of the patches at most.
        num_protected: T, the first tokens, which stay as they are.

    Returns:
        Tokens `(B, N - r, D)` and their sizes, int32 `(B, N - r)`: the T
        first, patches of which none was merged into another, and those that
        others may have been merged into.

    Example:

    >>> z = np.array([[[9.0], [2.0], [4.0], [1.0]]], "float32")
    >>> sizes = np.array([[1, 3, 1, 1]])
    >>> k = np.array([[[0.0, 1.0], [1.0, 0.0], [1.0, 0.1], [0.0, 1.0]]], "float32")
    >>> z, sizes = merge(z, sizes, k, r=1, num_protected=1)
    >>> np.array(z)[0, :, 0], np.array(sizes)[0]
    (array([9. , 2.5, 1. ], dtype=float32), array([1, 4, 1], dtype=int32))
    """
    r = num_merged(z.shape[1], num_protected, r)
    if not r:
        return z, sizes
    precise = keras.backend.result_type(z.dtype, "float32")
    weights = ops.cast(sizes, precise)
    kept, merged, into = bipartite_soft_matching(k[:, num_protected:], r)

    first, a, b = _parts(z, num_protected)
    weights_first, weights_a, weights_b = _parts(weights, num_protected)
    pairs = ops.one_hot(into, b.shape[1], axis=1, dtype=precise)  # B, |B|, r
    moved = _rows(weights_a, merged)
    total = weights_b + ops.sum(pairs * moved[:, None], axis=2)
    sums = ops.cast(b, precise) * weights_b[..., None] + ops.matmul(
        pairs, ops.cast(_rows(a, merged), precise) * moved[..., None]
    )
    b = ops.cast(sums / total[..., None], z.dtype)
    z = ops.concatenate([first, _rows(a, kept), b], axis=1)
    sizes = ops.concatenate([weights_first, _rows(weights_a, kept), total], axis=1)
    return z, ops.cast(sizes, "int32")


def bipartite_soft_matching(k: Tensor, r: int) -> tuple[Tensor, Tensor, Tensor]:
    """Pair r patches with the ones they are most like: section 3.

    1. Patches go to the sets A and B in turn, the first of them to B.
    2. Each of A has one edge, to the one of B whose key is most similar, by
       the cosine.
    3. The r most similar edges stay.

    Args:
        k: the patches' keys, `(B, n, d)`.
        r: edges to keep, at most n // 2.

    Returns:
        Indices. `(B, n // 2 - r)` into A, of those that stay alone, in their
        order. `(B, r)` into A, of those that are merged, the most similar
        first. `(B, r)` into B, of those that they are merged into.

    Example:

    >>> k = np.array([[[1.0, 0.0], [1.0, 0.1], [0.0, 1.0], [0.5, 1.0]]], "float32")
    >>> [np.array(one).tolist() for one in bipartite_soft_matching(k, 1)]
    [[[1]], [[0]], [[0]]]
    """
    k = ops.cast(k, keras.backend.result_type(k.dtype, "float32"))
    _, a, b = _parts(ops.normalize(k, axis=-1))  # 1.
    similarity = ops.matmul(a, ops.swapaxes(b, 1, 2))
    # `ops.argmax` would need operations that LiteRT and ONNX lack.
    best, into = (one[..., 0] for one in ops.top_k(similarity, 1))  # 2.
    _, order = ops.top_k(best, a.shape[1])  # 3.
    kept, merged = ops.sort(order[:, r:], axis=-1), order[:, :r]
    return kept, merged, _rows(into, merged)


def _parts(x: Tensor, num_protected: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    """Of `(B, N, ...)` the protected tokens, and the patches of A and of B."""
    patches = x[:, num_protected:]
    return x[:, :num_protected], patches[:, 1::2], patches[:, ::2]


def _rows(x: Tensor, indices: Tensor) -> Tensor:
    """Of `(B, n, ...)` those that indices `(B, m)` name: `(B, m, ...)`.

    `ops.take_along_axis` would make an index for each feature.
    """
    begins = ops.arange(ops.shape(x)[0], dtype=indices.dtype) * x.shape[1]
    flat = ops.reshape(x, (-1, *x.shape[2:]))
    return ops.take(flat, indices + begins[:, None], axis=0)


@keras.saving.register_keras_serializable(package="keras_vit")
class TokenMean(keras.layers.Layer):
    """The mean over patches of tokens that each stand for several.

    B images, n tokens, D features of a token.

    Call arguments:
        z: the tokens, `(B, n, D)`.
        sizes: how many patches each stands for, `(B, N)`, of which the last n
            are theirs; by default 1.

    Output shape: `(B, D)`.

    Example:

    >>> z = np.array([[[1.0], [4.0]]], "float32")
    >>> np.array(TokenMean()(z, np.array([[1, 2, 1]])))
    array([[2.]], dtype=float32)
    """

    def call(self, z: Tensor, sizes: Tensor | None = None) -> Tensor:
        if sizes is None:
            return ops.mean(z, axis=1)
        precise = keras.backend.result_type(z.dtype, "float32")
        weights = ops.cast(sizes[:, -z.shape[1] :], precise)[..., None]
        y = ops.sum(ops.cast(z, precise) * weights, axis=1) / ops.sum(weights, axis=1)
        return ops.cast(y, z.dtype)

    def compute_output_shape(
        self, z_shape: Shape, sizes_shape: Shape | None = None
    ) -> Shape:
        return z_shape[0], z_shape[-1]
