"""What a run says before its first step, and of the machine that it runs on."""

import dataclasses
import json
import logging
import pathlib
import re
import types

import pytest
import tensorflow as tf

import keras_vit
from keras_vit.training import devices
from keras_vit.training.devices import (
    device_names,
    devices_in_words,
    peak_memory,
    unused_gpus,
)
from keras_vit.training.header import Header
from support.training.small import small_dataset, small_recipe

STATUS = pathlib.Path("/proc/self/status")
HEADER = Header(
    model="ViT_B16",
    parameters=85_806_346,
    trained=85_806_346,
    image_size=(224, 384),
    precision="mixed_bfloat16",
    dataset="fox",
    counts={"train": 1_000, "validation": 100, "test": 2_000},
    num_classes=1_000,
    devices="2 x NVIDIA H200",
    replicas=2,
    batch_size=512,
    accumulation_steps=4,
    steps=1_234,
    steps_per_epoch=100,
    folder=pathlib.Path("runs", "pets"),
)


def test_the_header_is_aligned_and_says_all_of_it():
    assert str(HEADER).splitlines() == [
        "Model      ViT_B16, 85,806,346 parameters",
        "Images     224 x 384 pixels",
        "Precision  mixed_bfloat16",
        "Data       fox: train 1,000, validation 100, test 2,000 images; 1,000 classes",
        "Devices    2 x NVIDIA H200",
        "Training   1,234 steps of 512 images (2 x 256) in 4 parts, 12.34 epochs",
        "Folder     runs/pets",
    ]


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"trained": 7}, "Model      ViT_B16, 7 of 85,806,346 parameters are trained"),
        ({"num_classes": None}, "2,000 images; no labels are used"),
        ({"num_classes": 1}, "images; 1 class"),
        (
            {"steps": 1, "batch_size": 1, "replicas": 1, "accumulation_steps": 1},
            "1 step of 1 image, 0.01 epochs",
        ),
        ({"steps": 100}, "in 4 parts, 1 epoch\n"),
    ],
)
def test_the_header_counts_in_plain_english(changes, line):
    assert line in str(dataclasses.replace(HEADER, **changes))


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run of one step, its folder, and what it logged."""
    folder, records = tmp_path_factory.mktemp("run"), []
    handler = logging.Handler()
    handler.emit = records.append
    logger = logging.getLogger("keras_vit")
    logger.addHandler(handler)
    level = logger.level
    logger.setLevel(logging.INFO)
    try:
        keras_vit.train(
            small_recipe(steps=1, warmup_steps=0, freeze=("block_*",)),
            dataset=small_dataset(),
            train_split="train[:80%]",
            folder=folder / "run",
            export=False,
            verbose=2,
        )
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
    return folder / "run", [one.getMessage() for one in records]


def test_a_run_logs_its_header_before_anything_is_trained(run):
    folder, lines = run
    model = keras_vit.Classifier.of(folder).model
    frozen = model.get_layer("block_00").count_params()
    count = model.count_params()
    assert lines[:2] == [
        f"Model      ViT, {count - frozen:,} of {count:,} parameters are trained",
        "Images     16 x 16 pixels",
    ]
    assert "Data       sides: train[:80%] 40, test 20 images; 2 classes" in lines
    assert "Training   1 step of 10 images, 0.25 epochs" in lines
    assert f"Folder     {folder}" in lines
    [epoch] = [place for place, one in enumerate(lines) if one.startswith("epoch ")]
    assert epoch > lines.index("Precision  float32")


def test_the_files_of_a_run_tell_its_devices_and_the_memory_that_it_took(run):
    folder, _ = run
    config = json.loads((folder / "config.json").read_text())
    assert config["devices"]["names"] == ["CPU"]
    assert (config["devices"]["replicas"], config["devices"]["workers"]) == (1, 1)
    estimate, kept = config["memory_estimate"], config["model"]
    assert estimate["parameters_bytes"] == 4 * kept["parameters"]
    assert estimate["gradients_bytes"] == 4 * kept["trained"]
    assert estimate["images"] == 10
    parts = ("parameters", "gradients", "optimizer", "average", "activations")
    assert estimate["total_bytes"] == sum(estimate[f"{one}_bytes"] for one in parts)
    memory = json.loads((folder / "finished.json").read_text())["memory"]
    assert memory["host_peak_bytes"] == pytest.approx(
        peak_memory()["host_peak_bytes"], rel=0.5
    )


def test_another_machine_may_resume_a_run(run):
    folder, _ = run
    path = folder / "config.json"
    config = json.loads(path.read_text())
    config["devices"] = {"names": ["NVIDIA H200"] * 8, "replicas": 8}
    config["memory_estimate"]["total_bytes"] = 7
    path.write_text(json.dumps(config))
    keras_vit.train(  # refused, if that were another run
        small_recipe(steps=1, warmup_steps=0, freeze=("block_*",)),
        dataset=small_dataset(),
        train_split="train[:80%]",
        folder=folder,
        export=False,
        verbose=0,
    )
    assert json.loads(path.read_text())["devices"]["names"] == ["CPU"]


@pytest.mark.parametrize(
    ("names", "workers", "words"),
    [
        (["NVIDIA H200"], 1, "NVIDIA H200"),
        (["NVIDIA H200"] * 8, 2, "8 x NVIDIA H200, on each of 2 workers"),
        (["A", "B", "A"], 1, "2 x A and B"),
    ],
)
def test_devices_are_told_in_words(names, workers, words):
    assert devices_in_words(names, workers) == words


def test_cores_are_those_that_the_process_may_use(monkeypatch):
    monkeypatch.setattr("os.sched_getaffinity", lambda process: {3}, raising=False)
    assert devices_in_words(["CPU"]) == "CPU (1 core)"
    monkeypatch.setattr("os.sched_getaffinity", lambda process: {0, 3}, raising=False)
    assert devices_in_words(["CPU", "CPU"]) == "2 x CPU (2 cores)"


class Strategy:
    """A strategy over devices that this machine need not have."""

    num_replicas_in_sync = 1

    def __init__(self, *names):
        self.extended = types.SimpleNamespace(worker_devices=names)


@pytest.fixture
def gpus(monkeypatch):
    """Makes TensorFlow see GPUs of these names."""

    def there(*names):
        found = [tf.config.PhysicalDevice(f"/physical:{one}", "GPU") for one in names]
        kinds = {"GPU": found}
        of_kind = lambda kind=None: kinds.get(kind, [])  # noqa: E731
        for function in ("logical", "physical"):
            monkeypatch.setattr(tf.config, f"list_{function}_devices", of_kind)
        monkeypatch.setattr(tf.config, "get_visible_devices", of_kind)
        monkeypatch.setattr(
            tf.config.experimental,
            "get_device_details",
            lambda device: {"device_name": names[found.index(device)]},
        )
        return Strategy(*(f"/device:GPU:{number}" for number in range(len(names))))

    return there


def test_gpus_have_their_names(gpus):
    assert device_names(gpus("A", "B")) == ["A", "B"]
    assert device_names(tf.distribute.get_strategy()) == ["A"]  # the first one


def test_gpus_that_are_not_used_are_told(gpus):
    everything = gpus("A", "B", "C")
    assert unused_gpus(everything) == []
    [sentence] = unused_gpus(tf.distribute.get_strategy())
    assert sentence.startswith("1 of the 3 GPUs of this machine are used. ")
    assert "--strategy=mirrored" in sentence
    assert unused_gpus(Strategy("/device:TPU:0")) == []
    gpus("A")
    assert unused_gpus(tf.distribute.get_strategy()) == []
    [sentence] = unused_gpus(Strategy("/device:CPU:0"))
    assert "GPU of this machine is not used" in sentence


def test_a_gpu_that_tensorflow_cannot_use_is_told(monkeypatch, tmp_path):
    information = tmp_path / "0000:01:00.0" / "information"
    information.parent.mkdir()
    information.write_text("Model: \t\t NVIDIA H200\nIRQ:   \t\t 94\n")
    monkeypatch.setattr(devices, "DRIVER", tmp_path)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    cpu = Strategy("/device:CPU:0")
    if tf.config.list_physical_devices("GPU"):
        pytest.skip("TensorFlow can use it here")
    [sentence] = unused_gpus(cpu)
    assert "cannot use the GPUs of this machine (NVIDIA H200)" in sentence
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")  # hidden on purpose
    assert unused_gpus(cpu) == []


@pytest.mark.skipif(not STATUS.is_file(), reason="needs Linux")
def test_the_peak_memory_is_that_of_the_kernel():
    [peak] = re.findall(r"VmHWM:\s*(\d+) kB", STATUS.read_text())
    assert peak_memory()["host_peak_bytes"] == pytest.approx(1024 * int(peak), rel=0.1)
