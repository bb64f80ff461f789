"""Ten steps under one way of distributing them, in a process of their own.

    python -m support.training.replica_run OUT.npz one|micro|mirrored [replicas]
    TF_CONFIG=... python -m support.training.replica_run OUT.npz multiworker

Writes the weights, the losses, the masks that dropout drew in three steps, and
how many collectives a step has.
"""

import os
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
from keras_vit import distribution, model, recipes  # noqa: E402
from keras_vit.data import Dataset, Split  # noqa: E402
from keras_vit.data.augmentation import Augmentation  # noqa: E402
from keras_vit.training.adapters.lora import LowRankAdaptation  # noqa: E402
from keras_vit.training.optimizers import SGD, Adam, Optimizer  # noqa: E402
from keras_vit.training.replicas import distributed_batches  # noqa: E402
from keras_vit.training.schedules import LearningRate  # noqa: E402
from keras_vit.training.step import TrainingState, training_step  # noqa: E402
from keras_vit.training.tasks.classification import supervised  # noqa: E402
from keras_vit.training.tasks.masked_patch_prediction import MaskedPatchPrediction  # noqa: E402
from keras_vit.training.tasks.masked_patches import MaskedPatches  # noqa: E402

BATCH = 32
strategy = distribution.strategy("one" if kind == "micro" else kind)


def made(build, rule, schedule, averaged=False, objective=supervised, **options):
    """A model with weights from NumPy, its state and its step."""
    rng = np.random.default_rng(1)
    with strategy.scope():
        network = build()
        for layer in network.layers:
            if hasattr(layer, "remat"):  # which must not change a thing
                layer.remat = kind != "one"
        for weight in network.trainable_variables:
            weight.assign(rng.normal(scale=0.3, size=weight.shape))
        optimizer = Optimizer(
            network.trainable_variables, rule, schedule, weight_decay=0.05
        )
        state = TrainingState(network, optimizer, averaged)
        step = training_step(state, objective(network), strategy, **options)
    return state, step


def trained():
    """Momentum, decay, clipping, flips, crops and MixUp; no dropout."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (100, 16, 16, 3), dtype=np.uint8)
    split = Split(images, np.arange(100) % 5)
    state, step = made(
        lambda: model.ViT(
            image_size=16,
            patch_size=8,
            num_layers=2,
            num_heads=2,
            hidden_dim=16,
            mlp_dim=32,
            num_classes=5,
        ),
        SGD(),
        LearningRate(0.05, 10, warmup_steps=2),
        global_batch=BATCH,
        clip_norm=1.0,
        accumulation_steps=4 if kind == "micro" else 1,
    )
    batches = distributed_batches(
        strategy,
        split,
        BATCH,
        (16, 16),
        5,
        seed=3,
        augmentation=Augmentation(crop="pad", crop_padding=2, flip=True, mixup=0.4),
    )
    batches, losses, norms = iter(batches), [], []
    for _ in range(10):
        numbers = step(*next(batches))
        losses.append(numbers["loss"].numpy())
        norms.append(numbers["gradient_norm"].numpy())
    graph = step.get_concrete_function(*next(batches)).graph.as_graph_def()
    nodes = list(graph.node)
    for function in graph.library.function:
        nodes += function.node_def
    collectives = sum(node.op == "CollectiveReduceV2" for node in nodes)
    weights = {one.path: one.numpy() for one in state.model.trainable_variables}
    return weights | {
        "losses": losses,
        "norms": norms,
        "collectives": collectives / distribution.local_replicas(strategy),
    }


def masks(seed):
    """What dropout drew on each replica, in each of three steps.

    One image of ones a replica, each of another class, and a head of zeros:
    its gradient is a known mixture of the replicas' masks.
    """
    count, classes = strategy.num_replicas_in_sync, 8

    def build():
        images = keras.Input((4, 4, 3))
        features = keras.layers.Flatten()(images)
        dropped = keras.layers.Dropout(0.5)(features)
        return keras.Model(images, keras.layers.Dense(classes)(dropped))

    state, step = made(
        build, SGD(0.0), LearningRate(1.0, 9, decay="constant"), global_batch=count,
        seed=seed,
    )  # fmt: skip
    state.optimizer.weight_decay = 0.0
    head = state.model.layers[-1]
    mixture = (np.eye(count, classes) - 1 / classes) / count
    found = []

    def share(context):
        local = context.num_replicas_in_sync // context.num_input_pipelines
        first = context.input_pipeline_id * local
        labels = tf.data.Dataset.range(first, first + local).repeat()
        return labels.map(
            lambda label: (tf.ones((1, 4, 4, 3)), tf.one_hot([label], classes))
        )

    batches = iter(strategy.distribute_datasets_from_function(share))
    for _ in range(3):
        for weight in head.weights:
            weight.assign(tf.zeros(weight.shape))
        step(*next(batches))
        kernel = head.kernel.numpy()
        found.append(np.linalg.lstsq(mixture.T, kernel.T, rcond=None)[0])
    return np.stack(found)


def poisoned():
    """Whether any replica moved when one of them, the last, met a NaN."""
    rng = np.random.default_rng(0)
    count = strategy.num_replicas_in_sync
    state, step = made(
        lambda: model.ViT(
            image_size=16,
            patch_size=8,
            num_layers=1,
            num_heads=2,
            hidden_dim=16,
            mlp_dim=32,
            num_classes=5,
        ),
        SGD(),
        LearningRate(0.1, 10, decay="constant"),
        global_batch=2 * count,
        clip_norm=1.0,
    )

    def share(context):
        local = context.num_replicas_in_sync // context.num_input_pipelines
        first = context.input_pipeline_id * local
        images = rng.normal(size=(count, 2, 16, 16, 3)).astype(np.float32)
        images[-1, 1, 3, 3] = np.nan
        targets = np.eye(5, dtype=np.float32)[rng.integers(0, 5, (count, 2))]
        of_this = slice(first, first + local)
        return tf.data.Dataset.from_tensor_slices(
            (images[of_this], targets[of_this])
        ).repeat()

    def everywhere():
        values = [
            strategy.experimental_local_results(weight.value)
            for weight in state.model.weights
        ]
        return [replica.numpy() for value in values for replica in value]

    before = everywhere()
    batches = iter(strategy.distribute_datasets_from_function(share))
    updated = bool(step(*next(batches))["updated"])
    moved = any((x != y).any() for x, y in zip(before, everywhere(), strict=True))
    return updated, moved


def trained_with_adam():
    """Its moments, kept in bfloat16, and the weights' average."""
    rng = np.random.default_rng(0)
    state, step = made(
        lambda: model.ViT(
            image_size=16,
            patch_size=8,
            num_layers=1,
            num_heads=2,
            hidden_dim=16,
            mlp_dim=32,
            num_classes=5,
        ),
        Adam(momentum_dtype="bfloat16", epsilon=1e-2),
        LearningRate(0.01, 10, warmup_steps=2),
        averaged=True,
        global_batch=8,
        clip_norm=1.0,
        ema=0.5,
        accumulation_steps=4 if kind == "micro" else 1,
    )
    split = Split(rng.integers(0, 256, (40, 16, 16, 3), np.uint8), np.arange(40) % 5)
    for _, batch in zip(
        range(6),
        distributed_batches(strategy, split, 8, (16, 16), 5, seed=3),
        strict=False,
    ):
        step(*batch)
    return {f"adam {name}": one.numpy() for name, one in state.variables().items()}


def trained_by_low_rank():
    """What trains, then the plain model that is left."""
    rng = np.random.default_rng(0)
    adaptations = []

    def adapted():
        network = model.ViT(
            image_size=16,
            patch_size=8,
            num_layers=1,
            num_heads=2,
            hidden_dim=16,
            mlp_dim=32,
            num_classes=5,
        )
        adaptations.append(LowRankAdaptation(network, rank=2, alpha=4.0))
        return network

    state, step = made(
        adapted,
        SGD(),
        LearningRate(0.05, 10, warmup_steps=2),
        averaged=True,
        global_batch=8,
        clip_norm=1.0,
        ema=0.5,
        accumulation_steps=4 if kind == "micro" else 1,
    )
    for weight in state.model.non_trainable_variables:
        if weight.dtype == "float32":
            weight.assign(rng.normal(scale=0.3, size=weight.shape))
    split = Split(rng.integers(0, 256, (40, 16, 16, 3), np.uint8), np.arange(40) % 5)
    batches = distributed_batches(strategy, split, 8, (16, 16), 5, seed=3)
    for _, batch in zip(range(6), batches, strict=False):
        step(*batch)
    trained = {f"low rank {one.path}": one.numpy() for one in state.optimizer.weights}
    with strategy.scope():
        state.swap_average()
        adaptations[0].merge()
    return trained | {f"low rank {w.path}": w.numpy() for w in state.model.weights}


def trained_by_masked_patches():
    """What is corrupted follows from an image's place, whoever has it."""
    rng = np.random.default_rng(0)
    state, step = made(
        lambda: MaskedPatchPrediction(
            model.ViT(
                image_size=16,
                patch_size=4,
                num_layers=1,
                num_heads=2,
                hidden_dim=16,
                mlp_dim=32,
                num_classes=5,
            )
        ),
        SGD(),
        LearningRate(0.05, 10, warmup_steps=2),
        objective=MaskedPatches().objective,
        global_batch=8,
        clip_norm=1.0,
        accumulation_steps=4 if kind == "micro" else 1,
    )
    split = Split(rng.integers(0, 256, (40, 16, 16, 3), np.uint8), np.arange(40) % 5)
    batches = distributed_batches(
        strategy, split, 8, (16, 16), 5, seed=3, draws=state.model.num_draws
    )
    losses = [
        step(*batch)["loss"].numpy()
        for _, batch in zip(range(6), batches, strict=False)
    ]
    weights = {f"masked {one.path}": one.numpy() for one in state.optimizer.weights}
    return weights | {"masked losses": losses}


def of_a_given_model(folder):
    """A user's own model, made before there was a strategy, and one not to be."""
    rng = np.random.default_rng(0)
    split = Split(rng.integers(0, 256, (40, 16, 16, 3), np.uint8), np.arange(40) % 5)
    given = model.ViT(
        image_size=16,
        patch_size=8,
        num_layers=1,
        num_heads=2,
        hidden_dim=16,
        mlp_dim=32,
        num_classes=5,
    )
    for weight in given.trainable_variables:
        weight.assign(rng.normal(scale=0.3, size=weight.shape))
    run = keras_vit.train(
        recipes.Recipe.of(
            "", "", optimizer="sgd", steps=3, warmup_steps=0, batch_size=8
        ),
        model=given,
        dataset=Dataset("x", split, split, tuple("abcde")),
        strategy=strategy,
        folder=f"{folder}/run",
    )
    assert run.model is given
    images = keras.Input((16, 16, 3))
    pooled = keras.layers.GlobalAveragePooling2D()(
        keras.layers.BatchNormalization(name="statistics")(images)
    )
    try:
        made(lambda: keras.Model(images, keras.layers.Dense(5)(pooled)), SGD(),
             LearningRate(0.1, 9), global_batch=8)  # fmt: skip
        refused = False
    except ValueError as error:
        refused = "the layer 'statistics'" in str(error)
    weights = {f"given {one.path}": one.numpy() for one in given.trainable_variables}
    return weights | {"refused": refused}


results = trained() | {"masks": masks(0), "again": masks(0), "other": masks(1)}
results |= trained_with_adam() | {"poisoned": poisoned()}
results |= trained_by_masked_patches() | trained_by_low_rank()
if kind != "multiworker":
    os.chdir(os.path.dirname(out))
    results |= of_a_given_model(out + ".folder")
np.savez(out, **{name.replace("/", "|"): value for name, value in results.items()})
