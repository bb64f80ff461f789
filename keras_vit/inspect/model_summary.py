"""What a model is made of, and what it costs."""

import contextlib
import json
from collections import defaultdict
from dataclasses import asdict, dataclass

import keras

from keras_vit.inspect.costs import RULES
from keras_vit.inspect.tape import Tape
from keras_vit.layers.quantized import check_not_quantized

FLOAT32 = 4  # bytes


@dataclass(frozen=True)
class Row:
    """One layer of a model, with all that is in it, for one image.

    Attributes:
        name: the layer's.
        kind: its class.
        output_shape: without the batch.
        parameters: its weights' numbers.
        multiply_adds: of its products, those of attention included.
        activation_bytes: what its gradients read in training, in float32; a
            value that several layers read counts in the first.
    """

    name: str
    kind: str
    output_shape: tuple[int, ...]
    parameters: int
    multiply_adds: int
    activation_bytes: int


@dataclass(frozen=True)
class Summary:
    """A model's layers and the totals over them, for one image.

    Attributes:
        name: the model's.
        input_shape: without the batch.
        rows: of `Row`, in the order of computation.
        parameters: of all layers.
        multiply_adds: of all layers.
        activation_bytes: of all layers: what a training step holds of an
            image when the forward pass is done (patch dropout aside).
        peak_bytes: the most that inference holds of an image at once: what a
            step reads and makes, and what later steps will read.
        uncounted: names of layers whose multiply-adds no rule counts.
    """

    name: str
    input_shape: tuple[int, ...]
    rows: tuple[Row, ...]
    parameters: int
    multiply_adds: int
    activation_bytes: int
    peak_bytes: int
    uncounted: tuple[str, ...] = ()

    def to_json(self):
        """The summary as JSON."""
        return json.dumps(asdict(self), indent=2)

    def __str__(self):
        header = ("layer", "kind", "output", "parameters", "mult-adds", "activations")
        lines = [header, *(_line(row) for row in self.rows)]
        total = "", f"{self.parameters:,}", f"{self.multiply_adds:,}"
        lines.append(("total", "", *total, _mebibytes(self.activation_bytes)))
        notes = [
            "",
            "For one image. Activations: what training keeps, in float32. Inference "
            f"needs {_mebibytes(self.peak_bytes)} at once.",
        ]
        if self.uncounted:
            notes.append(f"Multiply-adds not counted: {', '.join(self.uncounted)}.")
        return "\n".join([*_aligned(lines), *notes])


def summary(model):
    """Counts a model's parameters, multiply-adds and activation memory by layer.

    A multiply-add is one product of a dense layer, a convolution or attention
    with its addition ("MAC"; two FLOPs), as published for vision models.
    Normalisations, activations, sums and pooling count none.

    Activation memory is counted of the values that gradients read: what goes
    into a dense layer, a convolution, a normalisation or a GELU, what comes
    out of a softmax or a ReLU, both factors of a product. Without dropout's
    masks, and in float32 under any dtype policy. Where a backend takes GELU
    and normalisations apart and nothing fuses them again, it keeps their
    parts as well: TensorFlow without XLA 1.7 times as much of ViT-B/16.

    Nothing is computed: a model built under `unallocated` will do.

    Args:
        model: a functional model, of this package or with a stem of your own.

    Returns:
        A `Summary`; `print` shows it as a table.

    Raises:
        ValueError: if the model is not functional, its input has no size, or
            Keras has quantized it: packed numbers are no parameters.

    Example:

    >>> told = summary(keras_vit.ViT_Ti16(num_classes=10, image_size=32))
    >>> told.rows[2]  # doctest: +NORMALIZE_WHITESPACE
    Row(name='patch_encoder', kind='PatchEncoder', output_shape=(5, 192),
        parameters=148800, multiply_adds=589824, activation_bytes=12288)
    """
    if not isinstance(model, (keras.Function, keras.Sequential)):
        raise ValueError(
            "Expected a functional Keras model, whose layers are known. "
            f"Received: {getattr(model, 'name', model)!r}, a {type(model).__name__}"
        )
    check_not_quantized(model, "summary", "count the float model's parameters.")
    size = model.input_shape[1:]
    if None in size:
        raise ValueError(f"Expected an input of a known size. Received: {size}")
    tape = Tape(RULES)
    images = tape.value((1, *size))
    outputs = keras.tree.flatten(tape.run_network(model, images, rows=True))
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
        for layer in model.layers
        if not isinstance(layer, keras.layers.InputLayer)
    )
    return Summary(
        name=model.name,
        input_shape=tuple(size),
        rows=rows,
        parameters=model.count_params(),
        multiply_adds=sum(counted.values()),
        activation_bytes=FLOAT32 * sum(kept.values()),
        peak_bytes=FLOAT32 * _peak(tape.steps, images, outputs),
        uncounted=tuple(tape.uncounted),
    )


@contextlib.contextmanager
def unallocated():
    """Models built under it have weights of a shape, which take no memory.

    Good for `summary` and other questions of shape alone. TensorFlow backend.

    Example:

    >>> with unallocated():
    ...     model = keras_vit.ViT_Ti16(image_size=32)
    >>> model.count_params()
    5680552
    """
    import tensorflow as tf

    with tf.Graph().as_default():
        yield


def _by_layer(steps):
    """Multiply-adds, and numbers kept, of each layer by its name."""
    counted, kept, seen = defaultdict(int), defaultdict(int), set()
    for step in steps:
        counted[step.layer] += step.multiply_adds
        for memory in step.kept:
            if memory not in seen:
                seen.add(memory)
                kept[step.layer] += memory.size
    return counted, kept


def _peak(steps, images, outputs):
    """The most numbers that are held at once."""
    last = {memory: place for place, step in enumerate(steps) for memory in step.read}
    last |= {output.memory: len(steps) for output in outputs}
    held, most = {images.memory}, images.size
    for place, step in enumerate(steps):
        held.add(step.made)
        most = max(most, sum(memory.size for memory in held))
        held = {memory for memory in held if last.get(memory, 0) > place}
    return most


def _line(row):
    shape = " x ".join(map(str, row.output_shape))
    numbers = f"{row.parameters:,}", f"{row.multiply_adds:,}"
    return row.name, row.kind, shape, *numbers, _mebibytes(row.activation_bytes)


def _mebibytes(count):
    return f"{count / 2**20:,.2f} MiB"


def _aligned(lines):
    """Columns of text: the first three to the left, numbers to the right."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        cells = [
            cell.ljust(width) if place < 3 else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(line, widths, strict=True))
        ]
        yield "  ".join(cells).rstrip()
