"""What a training step holds in the memory of a device, counted beforehand."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import keras
import tensorflow

from keras_vit.inspect import summary
from keras_vit.training.adapters.lora import num_trained
from keras_vit.training.header import precision_of

if TYPE_CHECKING:
    from keras_vit.training.trainer import Trainer

tf: Any = tensorflow  # whose stubs lack what is used here
FLOAT32 = 4  # bytes


@dataclass(frozen=True, kw_only=True)
class MemoryEstimate:
    """The bytes that a training step holds on each device.

    What libraries work in is not counted, and of a distillation not the teacher.

    Attributes:
        parameters: the weights of the model.
        gradients: one float32 for each trained parameter; two where the gradients of
            the parts of a batch are summed.
        optimizer: what the optimizer keeps for each trained parameter.
        average: the moving average of the trained parameters, if there is one.
        activations: what gradients read of the images that a device computes at
            once, as `keras_vit.inspect.summary` counts it: an estimate, above
            what remat, patch dropout and frozen layers leave; `None`: not counted.
        images: how many images that are.

    Example:

    >>> print(MemoryEstimate(parameters=4 * 2**20, gradients=4 * 2**20,
    ...     optimizer=8 * 2**20, average=0, activations=2**30, images=32))
    Memory of a step, on each device
      parameters        4.0 MiB
      gradients         4.0 MiB
      optimizer         8.0 MiB
      average           0.0 MiB
      activations   1,024.0 MiB  estimated, of 32 images
      total         1,040.0 MiB
    """

    parameters: int
    gradients: int
    optimizer: int
    average: int
    activations: int | None
    images: int

    @property
    def total(self) -> int:
        """The sum of all that is counted."""
        exact = self.parameters + self.gradients + self.optimizer + self.average
        return exact + (self.activations or 0)

    def as_json(self) -> dict[str, int | None]:
        """Return all fields and the total, as `config.json` has them.

        Example:

        >>> MemoryEstimate(parameters=40, gradients=40, optimizer=80, average=0,
        ...     activations=None, images=32).as_json()["total_bytes"]
        160
        """
        counted = {f"{name}_bytes": number for name, number in asdict(self).items()}
        images = counted.pop("images_bytes")
        return {**counted, "total_bytes": self.total, "images": images}

    def __str__(self) -> str:
        lines = [
            _line(name, getattr(self, name))
            for name in ("parameters", "gradients", "optimizer", "average")
        ]
        if self.activations is None:
            lines.append("  activations are not counted for this model")
        else:
            images = "1 image" if self.images == 1 else f"{self.images:,} images"
            text = _line("activations", self.activations)
            lines.append(f"{text}  estimated, of {images}")
        return "\n".join(
            ["Memory of a step, on each device", *lines, _line("total", self.total)]
        )


def memory_of(run: Trainer) -> MemoryEstimate:
    """Return what a step of a run holds in the memory of each device."""
    parts = run.recipe.run.accumulation_steps
    images = run.plan.batch_size // (run.strategy.num_replicas_in_sync * parts)
    per_image = _activations_of(run.model)
    return MemoryEstimate(
        parameters=_bytes(run.trained.weights),
        gradients=FLOAT32 * num_trained(run.trained) * (1 if parts == 1 else 2),
        optimizer=_bytes(run.state.optimizer.variables().values()),
        average=_bytes(run.state.average),
        activations=None if per_image is None else per_image * images,
        images=images,
    )


def _activations_of(model: keras.Model) -> int | None:
    """Return the bytes of activations of an image; `None` for an unknown network."""
    try:
        in_float32 = summary(model).activation_bytes
    except ValueError:  # of a model whose layers are not known
        return None
    return in_float32 if precision_of(model) == "float32" else in_float32 // 2


def _bytes(variables: Iterable[Any]) -> int:
    return sum(
        math.prod(one.shape)
        * tf.as_dtype(keras.backend.standardize_dtype(one.dtype)).size
        for one in variables
    )


def _line(name: str, count: int) -> str:
    return f"  {name:<12}{count / 2**20:>9,.1f} MiB"
