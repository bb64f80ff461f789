"""Of Keras: optimizers, and one that each replica applies."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from keras_vit.compat.versions import of_keras

if TYPE_CHECKING:
    import keras


def learning_rate_of(optimizer: keras.optimizers.Optimizer) -> Any:
    """Return a variable or the schedule that is an optimizer's learning rate.

    The public `learning_rate` is its value now. Interface:
    `Optimizer._learning_rate`. Verified: keras 3.15.1.
    """
    with of_keras("keras.optimizers.Optimizer._learning_rate"):
        return optimizer._learning_rate


@functools.cache
def _on_each_replica() -> type[Any]:
    """Return what lets each replica make the same update, of summed gradients.

    Keras's own would sum them once more and leave the replica for it, which no
    condition allows. Stands before `keras.optimizers.Optimizer` in the order in which
    methods are found, and so behind what the rule itself overrides.
    """
    import keras

    class OnEachReplica(keras.optimizers.Optimizer):
        def _backend_update_step(
            self, grads: Any, trainable_variables: Any, learning_rate: Any
        ) -> None:
            for gradient, variable in zip(grads, trainable_variables, strict=True):
                self.update_step(gradient, variable.value, learning_rate)

        def _apply_weight_decay(self, variables: Any) -> None:
            if self.weight_decay is None:
                return
            decay = self.weight_decay * self.learning_rate
            for variable in variables:
                if self._use_weight_decay(variable.value):
                    share = keras.ops.cast(decay, variable.dtype)
                    variable.assign_sub(variable * share)

    return OnEachReplica


def copied_for_replicas(
    optimizer: keras.optimizers.Optimizer, learning_rate: Any
) -> keras.optimizers.Optimizer:
    """Return a new optimizer with the same arguments, applied on each replica.

    Its gradients are summed over the replicas already; each replica makes the same
    update, and counts by a variable of its own.

    Interface: of `keras.optimizers.Optimizer` the methods `_backend_update_step`,
    `_apply_weight_decay`, `_use_weight_decay` and `_untrack_variable`, the attributes
    `_iterations`, `_exclude_from_weight_decay` and its `_pattern`. Verified: keras
    3.15.1.

    Args:
        optimizer: one of Keras's; it stays as it is.
        learning_rate: of the copy, a number or a schedule.
    """
    import keras

    kind, base = type(optimizer), keras.optimizers.Optimizer
    with of_keras("the private methods of keras.optimizers.Optimizer"):
        for name in ("_backend_update_step", "_apply_weight_decay"):
            getattr(base, name)
        for name in ("_use_weight_decay", "_untrack_variable"):
            getattr(base, name)
        _ = optimizer._iterations
    config = optimizer.get_config() | {"learning_rate": learning_rate}
    copied: Any = type(kind.__name__, (kind, _on_each_replica()), {})
    copied = copied.from_config(config)
    for name in ("_exclude_from_weight_decay", "_exclude_from_weight_decay_pattern"):
        if hasattr(optimizer, name):  # set by a method, so in no config
            setattr(copied, name, getattr(optimizer, name))
    # A count of which each replica has its own, as of everything else.
    count = keras.Variable(
        0, dtype="int64", trainable=False, aggregation="none", name="iteration"
    )
    copied._untrack_variable(copied.iterations)
    copied._iterations = count
    return copied
