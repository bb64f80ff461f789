"""Low-rank adaptation: fine-tuning by a few numbers a block (LoRA)."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator, Sequence
from typing import Any

import keras
import numpy as np

from keras_vit import compat, layers
from keras_vit.layers.head import heads_of
from keras_vit.training.adapters.trainability import restorer

TARGETS = {  # a word of a recipe: the projection of a block; None: it has none
    "query": lambda block: block.attention.query,
    "key": lambda block: block.attention.key,
    "value": lambda block: block.attention.value,
    "out": lambda block: block.attention.out,
    "gate": lambda block: block.mlp.gate,
    "fc1": lambda block: block.mlp.fc1,
    "fc2": lambda block: block.mlp.fc2,
}


class LowRankAdaptation:
    """Trains `A B` beside frozen kernels, and the head.

    "LoRA: Low-Rank Adaptation of Large Language Models" (arXiv:2106.09685,
    section 4.1). A kernel W of D x K becomes `W + alpha / r A B`, where A is
    D x r and B is r x K, at first 0: training begins at the given
    model. Everything else of the model but its head is frozen: kernels,
    biases, norms, tokens, positions, the stem, a layer before the head. The
    head is every `layers.Head`; of a model without one, the last layer that
    has weights. Gradients, their sum over replicas, the optimizer's moments
    and the moving average are then of what trains alone.

    The model is changed in place, by Keras's own `Dense.enable_lora`. `merge`
    makes it plain again. Blocks that are frozen already get no A and B.

    Args:
        model: a Keras model with `layers.TransformerBlock`s in it, also inside
            models that it is made of. Make this under the scope that the
            model was made under.
        rank: r.
        alpha: of the factor alpha / r; `None`: r, which makes it 1.
        targets: keys of `TARGETS`; the paper's choice by default.
        seed: of A; the same on one device and on many, whatever has been drawn.

    Raises:
        ValueError: for targets that there are not, in general or in the model's
            blocks, or twice the same, or a model without blocks.

    Example:

    >>> model = keras_vit.ViT_Ti16(num_classes=10, image_size=32)
    >>> adaptation = LowRankAdaptation(model, rank=4)
    >>> num_trained(model), 12 * 2 * (192 * 4 + 4 * 192) + 192 * 10 + 10
    (38794, 38794)
    >>> adaptation.merge()
    >>> num_trained(model) == model.count_params()
    True
    """

    def __init__(
        self,
        model: keras.Model,
        rank: int,
        alpha: float | None = None,
        targets: Sequence[str] = ("query", "value"),
        seed: int = 0,
    ) -> None:
        unlike = set(targets)
        if not unlike or unlike - TARGETS.keys() or len(unlike) < len(targets):
            raise ValueError(
                f"lora_targets must be some of {', '.join(TARGETS)}, each once. "
                f"Received: {', '.join(targets) or 'none'}"
            )
        parts = list(_parts(model))
        blocks = [p for p in parts if isinstance(p, layers.TransformerBlock)]
        adapted = [block for block in blocks if block.trainable]
        if not adapted:
            raise ValueError(
                "LoRA needs blocks of a Vision Transformer that are not frozen. "
                f"Received: {model.name!r}, whose {len(blocks)} blocks are all frozen. "
                "Set freeze to fewer layers"
                if blocks
                else "LoRA needs a model with layers.TransformerBlock in it. "
                f"Received: {model.name!r}"
            )
        found = {t: [TARGETS[t](block) for block in adapted] for t in targets}
        without = [t for t, projections in found.items() if not any(projections)]
        if without:
            raise ValueError(
                "lora_targets must be projections that the model's blocks have. "
                f"Received: {', '.join(without)}, for {model.name!r}, whose MLPs are "
                "not gated"
            )
        heads = heads_of(model) or [p for p in parts if p.weights][-1:]
        self._restore = restorer(model)
        for part in parts:
            if part not in heads and part not in blocks:
                part.trainable = False  # which also stops statistics of batches
        for block in adapted:
            for weight in block.weights:
                weight.trainable = False
        self.projections = [
            projection
            for of_block in zip(*found.values(), strict=True)
            for projection in of_block
            if projection is not None
        ]
        seeds = np.random.default_rng(seed).integers(2**31, size=len(self.projections))
        for projection, one in zip(self.projections, seeds.tolist(), strict=True):
            first = keras.initializers.HeUniform(one)
            projection.enable_lora(rank, alpha, a_initializer=first)

    def merge(self) -> None:
        """Add each product to its kernel, so that a plain model remains.

        Its weights and what of them trains are those that it had, but for
        their values. It computes the same, to float precision.
        """
        for projection in self.projections:
            a, b = projection.lora_kernel_a, projection.lora_kernel_b
            factor = projection.lora_alpha / projection.lora_rank
            product = keras.ops.matmul(a.value, b.value)
            projection.lora_enabled, projection.lora_rank = False, None
            kernel = projection.kernel
            merged = keras.ops.cast(kernel.value, "float32") + factor * product
            kernel.assign(keras.ops.cast(merged, kernel.dtype))
            b.assign(keras.ops.zeros(b.shape))  # for functions that still know it
            # What `del` does, which also collects garbage, each time.
            compat.untrack_variable(projection, a)
            compat.untrack_variable(projection, b)
            projection.lora_kernel_a = projection.lora_kernel_b = None
        self._restore()


@contextlib.contextmanager
def low_rank_adapted(
    model: keras.Model,
    rank: int,
    alpha: float | None = None,
    targets: Sequence[str] = ("query", "value"),
    seed: int = 0,
) -> Iterator[LowRankAdaptation]:
    """Train low-rank kernels beside frozen ones in this context, then merge them.

    The arguments are those of `LowRankAdaptation`.
    """
    adaptation = LowRankAdaptation(model, rank, alpha, targets, seed)
    try:
        yield adaptation
    finally:
        adaptation.merge()


def num_trained(model: keras.Model) -> int:
    """Return how many parameters of a model are trained."""
    return sum(math.prod(weight.shape) for weight in model.trainable_weights)


def _parts(model: Any) -> Iterator[Any]:
    """Yield the layers of a model, and of models inside it."""
    for layer in model.layers:
        if hasattr(layer, "layers"):
            yield from _parts(layer)
        else:
            yield layer
