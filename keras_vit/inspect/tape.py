"""The steps of a model, recorded without computing them.

A model is run on shapes. Each layer has a rule that records its steps on a
tape: what a step reads and makes, its multiply-adds, and what its gradient
reads.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import keras

from keras_vit import compat

# Operations outside layers that multiply and add, for which there is no rule.
PRODUCTS = {"Conv", "DepthwiseConv", "Dot", "Einsum", "Matmul", "Tensordot"}


@dataclass(frozen=True)
class Memory:
    """Memory of `size` numbers; `number` identifies it."""

    size: int
    number: int


@dataclass(frozen=True, eq=False)
class Value:
    """An array of one image: its shape, which begins with 1, and its memory.

    A view shares the memory of another value.
    """

    shape: tuple[int, ...]
    memory: Memory

    @property
    def size(self) -> int:
        """The count of its numbers."""
        return math.prod(self.shape)


@dataclass(frozen=True)
class Step:
    """One computation.

    Attributes:
        layer: the model's layer that it belongs to; `None` outside layers.
        read: the memory it reads.
        made: the memory it fills.
        multiply_adds: of products; an elementwise operation has none.
        kept: the memory that its gradient reads.
    """

    layer: str | None
    read: tuple[Memory, ...]
    made: Memory
    multiply_adds: int
    kept: tuple[Memory, ...]


class Tape:
    """The steps of a model, in order.

    Args:
        rules: by class, or one of its base classes, a function of a tape, a
            layer of the class and the values it is called with.

    Attributes:
        steps: in order.
        shapes: of the output of each layer of the model, by its name.
        uncounted: names of layers and operations that no rule counts.
    """

    def __init__(self, rules: Mapping[type, Callable[..., Any]]):
        self.rules = rules
        self.steps: list[Step] = []
        self.shapes: dict[str, tuple[int, ...]] = {}
        self.uncounted: list[str] = []
        self._layer: str | None = None
        self._count = 0

    def value(self, shape: Iterable[int]) -> Value:
        """Return a new value, such as the model's input."""
        shape = tuple(shape)
        self._count += 1
        return Value(shape, Memory(math.prod(shape), self._count))

    def make(
        self,
        shape: Iterable[int],
        *values: Value,
        multiply_adds: int = 0,
        kept: Iterable[Value] = (),
        keeps_made: bool = False,
    ) -> Value:
        """Record a step that makes a value of other values, and return it."""
        made = self.value(shape)
        kept = (*kept, made) if keeps_made else kept
        read = tuple(value.memory for value in values)
        memory = tuple(value.memory for value in kept)
        step = Step(self._layer, read, made.memory, multiply_adds, memory)
        self.steps.append(step)
        return made

    def run(self, operation: Any, *args: Any, **kwargs: Any) -> Any:
        """Record the steps of a layer, or of an operation outside layers."""
        rules = (self.rules.get(one) for one in type(operation).__mro__)
        rule = next((one for one in rules if one is not None), None)
        if rule is None:
            return self.run_unknown(operation, *args, **kwargs)
        return rule(self, operation, *_values_of((args, kwargs)))

    def run_network(self, network: Any, value: Value, rows: bool = False) -> Any:
        """Record the steps of a functional model, with `rows` those of each layer."""
        run = self._run_row if rows else self.run
        if isinstance(network, keras.Sequential):
            for layer in network.layers:
                value = run(layer, value)
            return value
        return compat.run_through_graph(
            network, [value], lambda operation: functools.partial(run, operation)
        )

    def _run_row(self, operation: Any, *args: Any, **kwargs: Any) -> Any:
        if not isinstance(operation, keras.layers.Layer):
            self._layer = None
            return self.run(operation, *args, **kwargs)
        self._layer = operation.name
        made = self.run(operation, *args, **kwargs)
        self.shapes[operation.name] = keras.tree.flatten(made)[0].shape
        return made

    def run_unknown(self, operation: Any, *args: Any, **kwargs: Any) -> Any:
        """Record a step without a rule: shaped by Keras, without multiply-adds."""
        values = _values_of((args, kwargs))
        structure: Any = keras.tree.map_structure(
            lambda one: keras.KerasTensor(one.shape) if _is_value(one) else one,
            (args, kwargs),
        )
        args, kwargs = structure
        outputs = operation.compute_output_spec(*args, **kwargs)
        is_layer = isinstance(operation, keras.layers.Layer)
        weights = operation.weights if is_layer else ()
        matrices = any(len(weight.shape) > 1 for weight in weights)
        if type(operation).__name__ in PRODUCTS or matrices:
            self.uncounted.append(operation.name)
        kept = values if is_layer else ()
        return keras.tree.map_structure(
            lambda one: self.make(one.shape, *values, kept=kept), outputs
        )


def _values_of(structure: Any) -> list[Value]:
    flat: Any = keras.tree.flatten(structure)
    return [one for one in flat if _is_value(one)]


def _is_value(one: Any) -> bool:
    return isinstance(one, Value)
