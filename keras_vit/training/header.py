"""What a run says of itself before its first step: a few aligned lines."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from keras_vit.distribution import num_workers
from keras_vit.training.adapters.lora import num_trained
from keras_vit.training.devices import device_names, devices_in_words, unused_gpus

if TYPE_CHECKING:
    import keras

    from keras_vit.training.trainer import Trainer

LOG = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Header:
    """What is trained, on which images and devices, for how long, and where to.

    Attributes:
        model: its name.
        parameters: of the model.
        trained: how many of them are trained.
        image_size: (height, width) of the model's images, pixels.
        precision: a dtype policy's name, such as `"mixed_bfloat16"`.
        dataset: its name.
        counts: of images, by the names of the splits.
        num_classes: of the data set; `None`: no labels are learnt.
        devices: in words.
        replicas: that share a batch.
        batch_size: of all replicas together.
        accumulation_steps: into how many parts a replica cuts its share.
        steps: of the whole run.
        steps_per_epoch: that show each training image once.
        folder: where the run writes.

    Example:

    >>> header = Header(
    ...     model="ViT_Ti16", parameters=5_526_346, trained=1_930,
    ...     image_size=(224, 224), precision="float32", dataset="photos",
    ...     counts={"train": 1_000, "test": 200}, num_classes=10,
    ...     devices="CPU (2 cores)", replicas=1, batch_size=128,
    ...     accumulation_steps=1, steps=70, steps_per_epoch=7, folder="runs/photos")
    >>> print(header)
    Model      ViT_Ti16, 1,930 of 5,526,346 parameters are trained
    Images     224 x 224 pixels
    Precision  float32
    Data       photos: train 1,000, test 200 images; 10 classes
    Devices    CPU (2 cores)
    Training   70 steps of 128 images, 10 epochs
    Folder     runs/photos
    """

    model: str
    parameters: int
    trained: int
    image_size: tuple[int, int]
    precision: str
    dataset: str
    counts: Mapping[str, int]
    num_classes: int | None
    devices: str
    replicas: int
    batch_size: int
    accumulation_steps: int
    steps: int
    steps_per_epoch: int
    folder: str | os.PathLike[str]

    def __str__(self) -> str:
        lines = {
            "Model": f"{self.model}, {self._parameters()}",
            "Images": f"{self.image_size[0]} x {self.image_size[1]} pixels",
            "Precision": self.precision,
            "Data": f"{self.dataset}: {self._counts()}; {self._classes()}",
            "Devices": self.devices,
            "Training": f"{self._steps()} of {self._batch()}, {self._epochs()}",
            "Folder": os.fspath(self.folder),
        }
        width = max(map(len, lines)) + 2
        return "\n".join(f"{name:<{width}}{text}" for name, text in lines.items())

    def _parameters(self) -> str:
        if self.trained == self.parameters:
            return f"{self.parameters:,} parameters"
        return f"{self.trained:,} of {self.parameters:,} parameters are trained"

    def _counts(self) -> str:
        counts = ", ".join(f"{name} {count:,}" for name, count in self.counts.items())
        return f"{counts} images"

    def _classes(self) -> str:
        if self.num_classes is None:
            return "no labels are used"
        return "1 class" if self.num_classes == 1 else f"{self.num_classes:,} classes"

    def _steps(self) -> str:
        return f"{self.steps:,} {'step' if self.steps == 1 else 'steps'}"

    def _batch(self) -> str:
        text = f"{self.batch_size:,} {'image' if self.batch_size == 1 else 'images'}"
        if self.replicas > 1:
            text += f" ({self.replicas} x {self.batch_size // self.replicas:,})"
        if self.accumulation_steps > 1:
            text += f" in {self.accumulation_steps} parts"
        return text

    def _epochs(self) -> str:
        epochs = f"{self.steps / self.steps_per_epoch:.2f}".rstrip("0").rstrip(".")
        return f"{epochs} {'epoch' if epochs == '1' else 'epochs'}"


def header_of(run: Trainer) -> Header:
    """Return the header of a run."""
    recipe, plan, size = run.recipe, run.plan, run.model.input_shape
    return Header(
        model=recipe.model.name or run.model.name,
        parameters=run.parameters,
        trained=num_trained(run.model),
        image_size=size[1:3],
        precision=precision_of(run.model),
        dataset=run.data.name,
        counts=_counts_of(run),
        num_classes=run.data.num_classes if run.task.learns_labels else None,
        devices=devices_in_words(device_names(run.strategy), num_workers(run.strategy)),
        replicas=run.strategy.num_replicas_in_sync,
        batch_size=plan.batch_size,
        accumulation_steps=recipe.run.accumulation_steps,
        steps=plan.total_steps,
        steps_per_epoch=plan.steps_per_epoch,
        folder=run.folder.path,
    )


def log_header(run: Trainer) -> None:
    """Log the header of a run, and warn of GPUs that it leaves unused."""
    for line in str(header_of(run)).splitlines():
        LOG.info(line)
    for sentence in unused_gpus(run.strategy):
        LOG.warning(sentence)


def precision_of(model: keras.Model) -> str:
    """Return the dtype policy in which a model computes, but for single layers.

    Example:

    >>> import keras
    >>> with_policy = keras.layers.Dense(1, dtype="mixed_bfloat16")
    >>> precision_of(keras.Sequential([keras.Input((2,)), with_policy]))
    'mixed_bfloat16'
    """
    layers: Any = [layer for layer in model.layers if layer.weights]
    names = [layer.dtype_policy.name for layer in layers]
    reduced = [name for name in names if name != "float32"]
    return reduced[0] if reduced else "float32"


def _counts_of(run: Trainer) -> dict[str, int]:
    """Return how many images are trained on, and how many each other split has."""
    data = run.recipe.data
    others = {n: len(split) for n, split in run.data.splits().items() if n != "train"}
    counts = {data.train_split: len(run.train_split)} | others
    return counts | {run.plan.eval_name: len(run.plan.eval_split)}
