"""Keras callbacks under `train`, against Keras's own `fit`."""

import csv
import functools

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_vit
from support.training.small import linear, small_dataset, small_recipe

train = functools.partial(keras_vit.train, export=False)

HOOKS = [name for name in dir(keras.callbacks.Callback) if name.startswith("on_")]


class Recorder(keras.callbacks.Callback):
    """Writes down every call: the hook, its number, the keys of its logs."""

    def __init__(self):
        super().__init__()
        self.calls = []


def _recording(hook):
    def record(self, *arguments, **named):
        *numbers, logs = [*arguments, *named.values()]
        self.calls.append((hook, *numbers, tuple(sorted(logs or ()))))

    return record


for _hook in HOOKS:
    if "_batch_" not in _hook or "train" in _hook or "test" in _hook:
        setattr(Recorder, _hook, _recording(_hook))


def test_callbacks_are_called_in_keras_order_with_keras_logs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    dataset, recipe, ours = small_dataset(), small_recipe(epochs=2), Recorder()
    train(recipe, model=linear(), dataset=dataset, callbacks=[ours])

    model, theirs = linear(), Recorder()
    model.compile(
        "sgd",
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    test = tf.data.Dataset.from_tensors((dataset.test.images, dataset.test.labels))
    model.fit(
        dataset.train.images,
        dataset.train.labels,
        batch_size=10,
        epochs=2,
        validation_data=test,
        callbacks=[keras.callbacks.LearningRateScheduler(lambda _, rate: rate), theirs],
        verbose=0,
    )
    assert [call[0] for call in ours.calls[:3]] == [
        "on_train_begin",
        "on_epoch_begin",
        "on_train_batch_begin",
    ]
    assert ours.calls == theirs.calls


@pytest.mark.slow
def test_keras_own_callbacks_do_their_work(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    seen = []
    run = train(
        small_recipe(epochs=3),
        dataset=small_dataset(),
        callbacks=[
            keras.callbacks.CSVLogger(tmp_path / "log.csv"),
            keras.callbacks.TensorBoard(tmp_path / "board", update_freq=2),
            keras.callbacks.ModelCheckpoint(tmp_path / "{epoch}.keras"),
            keras.callbacks.ModelCheckpoint(tmp_path / "last.h5"),
            keras.callbacks.TerminateOnNaN(),
            keras.callbacks.LambdaCallback(
                on_epoch_end=lambda epoch, logs: seen.append(logs)
            ),
        ],
    )
    with open(tmp_path / "log.csv") as file:
        rows = list(csv.DictReader(file))
    assert [float(row["loss"]) for row in rows] == [one["loss"] for one in seen]
    assert [row["eval_loss"] for row in run.history] == [
        one["val_loss"] for one in seen
    ]
    rates = [float(row["learning_rate"]) for row in rows]
    assert rates == [row["learning_rate"] for row in run.history]
    assert list((tmp_path / "board").rglob("*tfevents*"))
    loaded = keras.models.load_model(tmp_path / "3.keras")
    images = small_dataset().test.images
    np.testing.assert_allclose(loaded(images), run.model(images), atol=1e-5)


def test_early_stopping_ends_the_run_and_leaves_it_finished(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    stop = keras.callbacks.EarlyStopping("val_loss", patience=0, min_delta=100)
    arguments = {
        "recipe": small_recipe(),
        "model": linear(),
        "dataset": small_dataset(),
        "callbacks": [stop],
        "folder": tmp_path / "run",
    }
    run = train(**arguments)
    assert [row["steps"] for row in run.history] == [5, 10]
    assert (tmp_path / "run" / "finished.json").is_file()
    again = train(**(arguments | {"callbacks": []}))
    assert again.history == run.history


def test_a_callback_can_stop_within_a_lap(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    class Stop(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            self.model.stop_training = batch == 2

    run = train(
        small_recipe(), model=linear(), dataset=small_dataset(), callbacks=[Stop()]
    )
    assert [row["steps"] for row in run.history] == [3]


LEARNING_RATE = "the learning rate of a step follows from the settings base_lr, "
REFUSED = {
    "ReduceLROnPlateau": ({}, LEARNING_RATE),
    "LearningRateScheduler": ({"schedule": lambda epoch, rate: rate}, LEARNING_RATE),
    "BackupAndRestore": ({"backup_dir": "backup"}, "a run resumes by itself"),
    "SwapEMAWeights": ({}, "the setting ema averages weights"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_callback_that_cannot_work_is_refused_before_the_run(
    name, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    arguments, why = REFUSED[name]
    callback = getattr(keras.callbacks, name)(**arguments)
    with pytest.raises(
        ValueError, match=f"must not hold {name}, which does not work with train: {why}"
    ):
        train(
            small_recipe(), dataset=small_dataset(), callbacks=[callback], folder="run"
        )
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("callbacks", [print, [print], ["CSVLogger"]])
def test_what_is_no_callback_is_refused(callbacks):
    with pytest.raises(TypeError, match="must be a list of keras.callbacks.Callback"):
        train(small_recipe(), dataset=small_dataset(), callbacks=callbacks)


def test_a_callback_reads_the_rate_and_the_step_in_the_optimizer(tmp_path):
    seen = []

    class Reader(keras.callbacks.Callback):
        def on_train_batch_begin(self, batch, logs=None):
            optimizer = self.model.optimizer
            seen.append((float(optimizer.learning_rate), int(optimizer.iterations)))
            self.config = optimizer.get_config()

    reader = Reader()
    train(
        small_recipe(epochs=1),
        model=linear(),
        dataset=small_dataset(),
        callbacks=[reader],
        folder=tmp_path / "run",
        schedule=lambda step: 0.1 / (1 + keras.ops.cast(step, "float32")),
    )
    np.testing.assert_allclose(seen, [(0.1 / (1 + k), k) for k in range(5)], rtol=1e-6)
    assert reader.config["name"] == "adam"
    assert reader.config["schedule"]["class"].endswith("FunctionOfStep")
    assert "base_lr" not in reader.config


class SetRate(keras.callbacks.Callback):
    def on_epoch_begin(self, epoch, logs=None):
        self.model.optimizer.learning_rate = 0.5


@pytest.mark.parametrize("compiled", [True, False])
def test_a_callback_finds_no_optimizer_that_it_could_set_in_vain(compiled, tmp_path):
    model = keras_vit.model.ViT(
        image_size=16,
        patch_size=8,
        num_layers=1,
        num_heads=2,
        hidden_dim=16,
        mlp_dim=32,
        num_classes=2,
    )
    if compiled:
        model.compile("sgd", "mse")
    before = getattr(model, "optimizer", None)
    with pytest.raises(AttributeError, match=r"base_lr.*model.optimizer.learning_rate"):
        train(
            "finetune",
            model=model,
            dataset=small_dataset(),
            batch_size=10,
            steps=2,
            warmup_steps=0,
            callbacks=[SetRate()],
            folder=tmp_path / "run",
        )
    assert getattr(model, "optimizer", None) is before


class Batches(keras.utils.PyDataset):
    def __len__(self):
        return 1

    def __getitem__(self, index):
        return np.zeros((2, 16, 16, 3)), np.zeros(2)


DATA = {
    "a tf.data.Dataset": lambda: tf.data.Dataset.range(3),
    "a generator": lambda: (number for number in range(3)),
    "a PyDataset": Batches,
}


@pytest.mark.parametrize("kind", DATA)
def test_data_that_train_cannot_read_by_number_is_refused(kind, tmp_path):
    words = (
        r"^dataset must be a name, .*keras_vit.data.Dataset\(name, .* Received: \S+$"
    )
    with pytest.raises(TypeError, match=words):
        train(small_recipe(), dataset=DATA[kind](), folder=tmp_path / "run")
    with pytest.raises(TypeError, match=words):
        keras_vit.data.load(DATA[kind]())
    with pytest.raises(TypeError, match=words):
        keras_vit.data.inspect(DATA[kind]())
    assert not (tmp_path / "run").exists()
