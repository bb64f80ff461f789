"""One step of training, the same on one device and on many."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import keras
import tensorflow

from keras_vit.compat import flatten_layers
from keras_vit.layers.batch_norm import SynchronizedBatchNormalization
from keras_vit.training.loss_scale import (
    LossScale,
    computes_in_float16,
)
from keras_vit.training.optimizers import clip_by_global_norm
from keras_vit.training.worker_pace import seconds_of_workers

if TYPE_CHECKING:
    from keras_vit.compat import Strategy
    from keras_vit.training.optimizers import AnyOptimizer
    from keras_vit.training.tasks.classification import Objective


tf: Any = tensorflow  # whose stubs lack what is used here
_MASKS = 3  # what a key of (seed, step) is for, beside what data draws by it


class TrainingState:
    """All that a step changes: weights, optimizer, their average, the count.

    Create it under the strategy's scope.

    Attributes:
        model: a Keras model.
        optimizer: an `Optimizer` or `KerasOptimizer` of the model's trainable weights.
        average: the weights' exponential moving average (Polyak), in the
            optimizer's order; empty without one.
        step: the place in the run: how many steps have been taken. Those that were
            skipped count, so that images, masks and learning rate follow from it.
        loss_scale: of a model that computes in float16; `None` for others.
        halted: whether a step met a number that is not finite; no update
            follows it.
    """

    def __init__(
        self, model: keras.Model, optimizer: AnyOptimizer, averaged: bool = False
    ) -> None:
        self.model = model
        self.optimizer = optimizer
        self.average = [
            tf.Variable(weight.value, trainable=False)
            for weight in (optimizer.weights if averaged else [])
        ]
        self.step = tf.Variable(0, trainable=False, dtype=tf.int64)
        self.loss_scale = LossScale() if computes_in_float16(model) else None
        self.halted = tf.Variable(False, trainable=False)
        self.seeds = [v for v in model.variables if v.name == "seed_generator_state"]

    def variables(self) -> dict[str, Any]:
        """Return all that is needed to resume, `{name: variable}`.

        Seeds are not: each step sets them from its own number.
        """
        paths = [weight.path for weight in self.optimizer.weights]
        kept = {"step": self.step}
        kept |= {f"model/{one.path}": one.value for one in self.model.weights}
        kept |= {
            f"optimizer/{name}": one for name, one in self.optimizer.variables().items()
        }
        kept |= {
            f"average/{path}": one
            for path, one in zip(paths, self.average, strict=bool(self.average))
        }
        if self.loss_scale is not None:
            scale = self.loss_scale.variables()
            kept |= {f"loss_scale/{name}": one for name, one in scale.items()}
        return kept

    def steps_taken(self) -> int:
        """Return the number of steps so far, as an integer."""
        return int(self.step.numpy())

    def swap_average(self) -> None:
        """Exchange the weights and their average; a second call undoes it."""
        for weight, average in zip(self.optimizer.weights, self.average, strict=False):
            value = tf.identity(weight.value)
            weight.assign(average)
            average.assign(value)


def training_step(
    state: TrainingState,
    objective: Objective,
    strategy: Strategy,
    *,
    global_batch: int,
    seed: int = 0,
    clip_norm: float | None = None,
    accumulation_steps: int = 1,
    ema: float = 0.0,
    jit_compile: bool = False,
) -> Callable[..., dict[str, Any]]:
    """Build the function that takes one step.

    Each replica takes the gradient of its share of the global batch, in
    micro-batches if asked for; **one** all-reduce sums all gradients and
    numbers; every replica then clips by the global norm, checks that
    everything is finite and makes the same update. The result is that of one
    device.

    The loss of a model that computes in float16 is scaled. A step whose gradient
    overflows then is skipped, on all replicas alike: it changes no weight but counts
    as taken, and the next ones have a smaller scale.

    Dropout and stochastic depth draw from (seed, step, replica, micro-batch).

    Args:
        state: a `TrainingState`, made under the strategy's scope.
        objective: as `supervised` returns it.
        strategy: a `tf.distribute.Strategy`.
        global_batch: images in a step, of all replicas together.
        seed: of the dropout masks.
        clip_norm: the largest norm of the whole gradient; `None`: any.
        accumulation_steps: into how many parts a replica cuts its share, one after
            the other, to save memory.
        ema: the share of the old average that stays at a step.
        jit_compile: whether XLA compiles what a replica computes.

    Returns:
        A function of images and targets, each one tensor or one for each
        replica, and of `stop`, a number that is above 0 where this process is
        asked to stop. A worker of several also passes `begun`, when it began with the
        step, in seconds since 1970. It returns a dict of scalars: `loss` and
        `accuracy` of the global batch before the update, `gradient_norm` before
        clipping, `updated`, false if a number was not finite and nothing was changed,
        and `stop`, whether any process is asked to stop. In float16 also `skipped`,
        whether that was an overflow that a smaller scale may prevent. With `begun`
        also `busy`, for each worker the seconds until it had its gradient and waited
        for those of the others.

    Raises:
        ValueError: if the batch cannot be cut into that many parts.
    """
    replicas = strategy.num_replicas_in_sync
    if global_batch % (replicas * accumulation_steps):
        raise ValueError(
            "batch_size must be a multiple of replicas times accumulation_steps. "
            f"Received: batch_size={global_batch}, {replicas} replicas, "
            f"accumulation_steps={accumulation_steps}"
        )
    model, optimizer, scale = state.model, state.optimizer, state.loss_scale
    synchronized = replicas > 1 and _has_batch_statistics(model, accumulation_steps)

    def gradients_of(images, targets, key):
        """Return gradients, loss and accuracy, as shares of the global batch's."""
        _set_seeds(state.seeds, key)
        with tf.GradientTape() as tape:
            losses, correct = objective(images, targets)
            loss = tf.reduce_sum(losses) / global_batch
            if model.losses:  # such as weight regularisers
                loss += tf.add_n(model.losses) / (replicas * accumulation_steps)
            scaled = loss if scale is None else loss * scale.factor
        gradients = tape.gradient(
            scaled, optimizer.weights, unconnected_gradients="zero"
        )
        accuracy = tf.reduce_sum(correct) / global_batch
        # Of a table that rows are looked up in, it is a row for each time.
        whole = (tf.convert_to_tensor(gradient) for gradient in gradients)
        return [tf.cast(g, "float32") for g in whole], tf.stack([loss, accuracy])

    def accumulated(images, targets, key):
        if accumulation_steps == 1:
            return gradients_of(images, targets, key)
        images, targets = (
            tf.reshape(x, (accumulation_steps, -1, *x.shape[1:]))
            for x in (images, targets)
        )
        sums = [tf.zeros(weight.shape) for weight in optimizer.weights], tf.zeros(2)

        def add(i, sums):
            fold = tf.random.experimental.stateless_fold_in(key, i)
            part = gradients_of(images[i], targets[i], fold)
            return i + 1, tf.nest.map_structure(tf.add, sums, part)

        _, sums = tf.while_loop(lambda i, _: i < accumulation_steps, add, (0, sums))
        return sums

    def update(gradients, numbers):
        if scale is not None:
            gradients = scale.unscaled(gradients)
        if clip_norm is None:
            norm = tf.linalg.global_norm(gradients)
        else:
            gradients, norm = clip_by_global_norm(gradients, clip_norm)
        finite = tf.reduce_all(tf.math.is_finite(tf.concat([numbers, [norm]], 0)))
        skipped = tf.constant(False)
        if scale is not None:
            skipped = scale.overflows(numbers, norm) & ~state.halted
        state.halted.assign(state.halted | ~(finite | skipped))

        def apply():
            updates = None if scale is None else state.step - scale.skipped
            optimizer.apply(gradients, state.step, updates)
            for weight, average in zip(optimizer.weights, state.average, strict=False):
                average.assign_add((1 - ema) * (weight.value - average))
            state.step.assign_add(1)
            return True

        updated = tf.cond(state.halted | skipped, lambda: False, apply)
        results = {
            "loss": numbers[0],
            "accuracy": numbers[1],
            "gradient_norm": norm,
            "updated": updated,
            "stop": numbers[2] > 0,
        }
        if numbers.shape[0] > 3:
            results["busy"] = numbers[3:]
        if scale is not None:
            scale.adapt(updated, skipped)
            state.step.assign_add(tf.cast(skipped, "int64"))
            results["skipped"] = skipped
        return results

    compiled_gradients = accumulated
    if not synchronized:  # else replicas meet within, which they cannot in a function
        compiled_gradients = tf.function(accumulated, jit_compile=jit_compile)
    # AutoGraph has nothing to convert there, and takes a second to find that out.
    compiled_update = tf.function(update, autograph=False, jit_compile=jit_compile)

    def replica_step(images, targets, stop, begun):
        replica = tf.distribute.get_replica_context().replica_id_in_sync_group
        key = tf.stack([tf.constant(seed, tf.int64), state.step])
        key = tf.random.experimental.stateless_fold_in(key, _MASKS)
        key = tf.random.experimental.stateless_fold_in(key, tf.cast(replica, "int64"))
        gradients, numbers = compiled_gradients(images, targets, key)
        numbers = tf.concat([numbers, [stop]], axis=0)
        if begun is not None:
            with tf.control_dependencies([numbers, *gradients]):
                busy = seconds_of_workers(tf.timestamp() - begun, strategy)
            numbers = tf.concat([numbers, busy], axis=0)
        if replicas > 1:
            gradients, numbers = _all_reduce(gradients, numbers)
        return compiled_update(gradients, numbers)

    @tf.function
    def step(images, targets, stop=0.0, begun=None):
        numbers = strategy.run(replica_step, args=(images, targets, stop, begun))
        first = strategy.experimental_local_results
        return tf.nest.map_structure(lambda value: first(value)[0], numbers)

    return step


def _has_batch_statistics(model: keras.Model, accumulation_steps: int) -> bool:
    """Return whether layers share statistics of a batch over its replicas.

    Raises:
        ValueError: for a layer that takes those of its replica's images alone, as
            Keras's does, or of a part that is accumulated.
    """
    found = [
        layer
        for layer in flatten_layers(model)
        if isinstance(layer, keras.layers.BatchNormalization) and layer.trainable
    ]
    for layer in found:
        if accumulation_steps > 1 or not isinstance(
            layer, SynchronizedBatchNormalization
        ):
            raise ValueError(
                "Several replicas need layers without statistics of batches, or that "
                "share them over all replicas and do not accumulate. Received: the "
                f"layer {layer.name!r}, accumulation_steps={accumulation_steps}. "
                "Freeze it, use group or layer normalisation, or train on one device"
            )
    return bool(found)


def _set_seeds(seeds: Sequence[Any], key: Any) -> None:
    """Set the seed of every layer that draws random numbers, each to its own."""
    if seeds:
        shape = (len(seeds), 2)
        drawn = tf.random.stateless_uniform(shape, key, None, None, tf.int32)
        for seed, value in zip(seeds, tf.unstack(tf.abs(drawn)), strict=True):
            seed.assign(tf.cast(value, seed.dtype))


def _all_reduce(gradients: Sequence[Any], numbers: Any) -> tuple[list[Any], Any]:
    """Sum over all replicas, packed into one vector: one collective a step."""
    parts = [tf.reshape(part, [-1]) for part in (*gradients, numbers)]
    context = tf.distribute.get_replica_context()
    total = context.all_reduce(tf.distribute.ReduceOp.SUM, tf.concat(parts, axis=0))
    *gradients_sum, numbers = tf.split(total, [part.shape[0] for part in parts])
    return [
        tf.reshape(part, gradient.shape)
        for part, gradient in zip(gradients_sum, gradients, strict=True)
    ], numbers
