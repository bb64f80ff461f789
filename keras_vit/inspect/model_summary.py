"""The layers of a model, and what it costs."""

from __future__ import annotations

import contextlib
import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import KW_ONLY, asdict, dataclass
from typing import Any

import keras

from keras_vit.inspect.costs import RULES
from keras_vit.inspect.sources import inspected_model
from keras_vit.inspect.tape import Step, Tape, Value
from keras_vit.layers.quantized import check_not_quantized
from keras_vit.model_source import ModelSource

FLOAT32 = 4  # bytes
NETWORKS = (keras.Function, keras.Sequential)  # whose layers are known


@dataclass(frozen=True)
class Row:
    """One layer of a model, with the layers inside it, for one image.

    Attributes:
        name: the layer's.
        kind: its class.
        output_shape: without the batch.
        parameters: how many it has.
        multiply_adds: of its products, those of attention included.
        activation_bytes: of the values that its gradients read in training, in
            float32; a value that several layers read counts in the first.
    """

    name: str
    kind: str
    output_shape: tuple[int, ...]
    parameters: int
    multiply_adds: int
    _: KW_ONLY
    activation_bytes: int


@dataclass(frozen=True, kw_only=True)
class Summary:
    """A model's layers and the totals over them, for one image.

    Attributes:
        name: the model's.
        input_shape: without the batch.
        rows: of `Row`, in the order of computation.
        parameters: of all layers.
        multiply_adds: of all layers.
        activation_bytes: of all layers: the activations of an image that a
            training step keeps for its gradients (patch dropout aside).
        peak_bytes: the most that inference holds of an image at once: the
            inputs and the output of a step, and what later steps read.
        uncounted: names of layers whose multiply-adds are not counted.
    """

    name: str
    input_shape: tuple[int, ...]
    rows: tuple[Row, ...]
    parameters: int
    multiply_adds: int
    activation_bytes: int
    peak_bytes: int
    uncounted: tuple[str, ...] = ()

    def to_json(self) -> str:
        """Return the summary as JSON."""
        return json.dumps(asdict(self), indent=2)

    def __str__(self) -> str:
        header = ("layer", "type", "output", "parameters", "mult-adds", "activations")
        lines = [header, *(_line(row) for row in self.rows)]
        total = "", f"{self.parameters:,}", f"{self.multiply_adds:,}"
        lines.append(("total", "", *total, _mebibytes(self.activation_bytes)))
        notes = [
            "",
            "For one image. Activations: what training keeps for the gradients, in "
            f"float32. Inference needs {_mebibytes(self.peak_bytes)} at most.",
        ]
        if self.uncounted:
            notes.append(f"Multiply-adds not counted: {', '.join(self.uncounted)}.")
        return "\n".join([*_aligned(lines), *notes])


def summary(model: ModelSource) -> Summary:
    """Count a model's parameters, multiply-adds and activation memory by layer.

    A multiply-add is one product of a dense layer, a convolution or attention
    with its addition ("MAC"; two FLOPs), as published for vision models.
    Normalisations, activations, sums and pooling count none.

    Activation memory is the memory of the values that gradients read: the
    inputs of dense layers, convolutions, normalisations and GELU, the outputs
    of softmax and ReLU, both factors of a product. It counts no masks of
    dropout, and float32 under any dtype policy. A backend that computes GELU
    and normalisations in parts, and does not fuse them, keeps the parts as
    well: TensorFlow without XLA keeps 1.7 times as much of ViT-B/16.

    Nothing is computed: the model may be built under `unallocated`.

    Args:
        model: a functional model, of this package or with a stem of your own; or
            the path of a saved one: a run's folder or a `.keras` file.

    Returns:
        A `Summary`; `print` shows it as a table.

    Raises:
        ValueError: if the model is not functional, its input has no size, or
            Keras has quantized it, as packed numbers are no parameters.

    Example:

    >>> costs = summary(keras_vit.ViT_Ti16(num_classes=10, image_size=32))
    >>> costs.rows[2]  # doctest: +NORMALIZE_WHITESPACE
    Row(name='patch_encoder', kind='PatchEncoder', output_shape=(5, 192),
        parameters=148800, multiply_adds=589824, activation_bytes=12288)
    """
    network: Any = inspected_model(model)
    if not any(isinstance(network, kind) for kind in NETWORKS):
        raise ValueError(
            "Expected a functional or sequential Keras model, whose layers are known. "
            f"Received: {network.name!r}, a {type(network).__name__}"
        )
    check_not_quantized(network, "summary", "pass the float model.")
    size = network.input_shape[1:]
    if None in size:
        raise ValueError(
            "Expected a model whose input has a known size, such as (224, 224, 3). "
            f"Received: {network.name!r}, with an input of {size}"
        )
    tape = Tape(RULES)
    images = tape.value((1, *size))
    outputs = keras.tree.flatten(tape.run_network(network, images, rows=True))
    counted, kept = _by_layer(tape.steps)
    rows = tuple(
        Row(
            name=layer.name,
            kind=type(layer).__name__,
            output_shape=tape.shapes[layer.name][1:],
            parameters=layer.count_params(),
            multiply_adds=counted[layer.name],
            activation_bytes=FLOAT32 * kept[layer.name],
        )
        for layer in network.layers
        if not isinstance(layer, keras.layers.InputLayer)
    )
    return Summary(
        name=network.name,
        input_shape=tuple(size),
        rows=rows,
        parameters=network.count_params(),
        multiply_adds=sum(counted.values()),
        activation_bytes=FLOAT32 * sum(kept.values()),
        peak_bytes=FLOAT32 * _peak(tape.steps, images, outputs),
        uncounted=tuple(tape.uncounted),
    )


@contextlib.contextmanager
def unallocated() -> Iterator[None]:
    """Build models in it whose weights have a shape, but take no memory.

    They are for `summary` and whatever else reads shapes alone. TensorFlow
    backend.

    Example:

    >>> with unallocated():
    ...     model = keras_vit.ViT_Ti16(image_size=32)
    >>> model.count_params()
    5680552
    """
    import tensorflow as tf

    with tf.Graph().as_default():
        yield


def _by_layer(steps: Sequence[Step]) -> tuple[dict, dict]:
    """Multiply-adds, and the count of values kept, of each layer by its name."""
    counted, kept, seen = defaultdict(int), defaultdict(int), set()
    for step in steps:
        counted[step.layer] += step.multiply_adds
        for memory in step.kept:
            if memory not in seen:
                seen.add(memory)
                kept[step.layer] += memory.size
    return counted, kept


def _peak(steps: Sequence[Step], images: Value, outputs: Sequence[Value]) -> int:
    """The most values that are held at once."""
    last = {memory: place for place, step in enumerate(steps) for memory in step.read}
    last |= {output.memory: len(steps) for output in outputs}
    held, most = {images.memory}, images.size
    for place, step in enumerate(steps):
        held.add(step.made)
        most = max(most, sum(memory.size for memory in held))
        held = {memory for memory in held if last.get(memory, 0) > place}
    return most


def _line(row: Row) -> tuple[str, ...]:
    shape = " x ".join(map(str, row.output_shape))
    numbers = f"{row.parameters:,}", f"{row.multiply_adds:,}"
    return row.name, row.kind, shape, *numbers, _mebibytes(row.activation_bytes)


def _mebibytes(count: int) -> str:
    return f"{count / 2**20:,.2f} MiB"


def _aligned(lines: Sequence[Sequence[str]]) -> Iterator[str]:
    """Columns of text: the first three to the left, numbers to the right."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        cells = [
            cell.ljust(width) if place < 3 else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(line, widths, strict=True))
        ]
        yield "  ".join(cells).rstrip()
