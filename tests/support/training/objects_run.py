"""Steps by Keras's optimizers, and in float16, on one device or on several.

    python -m support.training.objects_run OUT.npz one|mirrored [replicas]

Writes the weights after five steps by each optimizer, what becomes of a batch
whose gradient overflows on the last replica alone, and a run that validation ends.
"""

import sys

import numpy as np
import tensorflow as tf

out, kind = sys.argv[1:3]
replicas = int(sys.argv[3]) if len(sys.argv) > 3 else 1
[cpu] = tf.config.list_physical_devices("CPU")
tf.config.set_logical_device_configuration(
    cpu, [tf.config.LogicalDeviceConfiguration()] * replicas
)

import keras  # noqa: E402

import keras_vit  # noqa: E402
from keras_vit import distribution  # noqa: E402
from keras_vit.training.optimizers import SGD, KerasOptimizer, Optimizer  # noqa: E402
from keras_vit.training.schedules import LearningRate  # noqa: E402
from keras_vit.training.step import TrainingState, training_step  # noqa: E402
from keras_vit.training.tasks.classification import supervised  # noqa: E402
from support.training.small import small_dataset, small_recipe  # noqa: E402

BATCH, CLASSES = 8, 3
strategy = distribution.strategy(kind)
DECAYING = keras.optimizers.schedules.ExponentialDecay(0.05, 2, 0.5)
OPTIMIZERS = {  # made outside of the strategy's scope, as users do
    "sgd": keras.optimizers.SGD(DECAYING, momentum=0.9, nesterov=True),
    "adamw": keras.optimizers.AdamW(0.01, weight_decay=0.3),
    "nadam": keras.optimizers.Nadam(DECAYING, global_clipnorm=0.1),
    "muon": keras.optimizers.Muon(0.01),
}


def network(policy="float32"):
    rng = np.random.default_rng(1)
    images = keras.Input((4, 4, 3))
    features = keras.layers.Flatten()(images)
    features = keras.layers.Dense(8, "gelu", dtype=policy)(features)
    model = keras.Model(images, keras.layers.Dense(CLASSES, dtype=policy)(features))
    for weight in model.weights:
        weight.assign(rng.normal(scale=0.3, size=weight.shape))
    return model


def batch(rng):
    """One batch, each replica with its part of it."""
    images = rng.normal(size=(BATCH, 4, 4, 3)).astype(np.float32)
    targets = np.eye(CLASSES, dtype=np.float32)[rng.integers(0, CLASSES, BATCH)]
    return images, targets


def spread(array):
    parts = np.split(array, strategy.num_replicas_in_sync)
    place = lambda context: tf.constant(parts[context.replica_id_in_sync_group])  # noqa: E731
    return strategy.experimental_distribute_values_from_function(place)


def stepper(model, optimizer, **options):
    state = TrainingState(model, optimizer)
    objective = supervised(model)
    return state, training_step(
        state, objective, strategy, global_batch=BATCH, **options
    )


def everywhere(variables):
    """The values on all replicas, which have to be equal."""
    found = []
    for one in variables:
        first, *others = [
            value.numpy() for value in strategy.experimental_local_results(one)
        ]
        for other in others:
            np.testing.assert_array_equal(first, other)
        found.append(first)
    return found


def by_keras_optimizers(**options):
    found = {}
    for name, optimizer in OPTIMIZERS.items():
        rng = np.random.default_rng(0)
        with strategy.scope():
            model = network()
            ours = KerasOptimizer(model.trainable_variables, optimizer)
            state, step = stepper(model, ours, **options)
        for _ in range(5):
            step(*(spread(array) for array in batch(rng)))
        variables = state.variables()
        arrays = everywhere(variables.values())
        found |= {
            f"{name} {i}": array.astype(np.float64) for i, array in enumerate(arrays)
        }
    return found


def in_float16():
    """A batch whose last image overflows in float16, then one that does not."""
    rng = np.random.default_rng(0)
    with strategy.scope():
        model = network("mixed_float16")
        rate = LearningRate(0.1, 9, decay="constant")
        ours = Optimizer(model.trainable_variables, SGD(), rate)
        state, step = stepper(model, ours, clip_norm=1.0)
    images, targets = batch(rng)
    large = np.copy(images)
    large[-1] *= 30  # of a gradient of the scaled loss above 65,504, no logit is
    before = everywhere(weight.value for weight in model.weights)
    told = step(spread(large), spread(targets))
    after = everywhere(weight.value for weight in model.weights)
    moved = any((x != y).any() for x, y in zip(before, after, strict=True))
    found = {
        "skipped": [bool(told["skipped"]), bool(told["updated"]), moved],
        "scale": state.loss_scale.factor.numpy(),
    }
    told = step(spread(images), spread(targets))
    found["then"] = [bool(told["skipped"]), bool(told["updated"])]
    arrays = everywhere(weight.value for weight in model.weights)
    return found | {f"half {i}": array for i, array in enumerate(arrays)}


def chosen_by_validation(folder):
    """A run that takes validation from training, stops early and keeps the best."""
    sizes = {"patch_size": 8, "num_layers": 1, "num_heads": 2}
    run = keras_vit.train(
        small_recipe(
            model_arguments=sizes | {"hidden_dim": 16, "mlp_dim": 32},
            validation=0.2,
            patience=1,
            keep="best",
            optimizer="sgd",
            base_lr=0.03,
            warmup_steps=0,
            evaluate_every=2,
            ema=0.5,
        ),
        dataset=small_dataset(),
        strategy=strategy,
        folder=f"{folder}/run",
        export=False,
    )
    return {
        "chosen steps": [row["steps"] for row in run.history],
        "chosen losses": [row["eval_loss"] for row in run.history],
        "chosen final loss": run.evaluation.loss,
        "chosen images": [run.evaluation.count, run.history[-1]["eval_split"]],
    } | {f"chosen {w.path}": w.numpy() for w in run.model.trainable_variables}


results = by_keras_optimizers(clip_norm=1.0) | in_float16()
if kind == "one":
    compiled = by_keras_optimizers(clip_norm=1.0, jit_compile=True)
    results |= {f"compiled {name}": array for name, array in compiled.items()}
results |= chosen_by_validation(f"{out}.folder")
np.savez(out, **{name.replace("/", "|"): value for name, value in results.items()})
